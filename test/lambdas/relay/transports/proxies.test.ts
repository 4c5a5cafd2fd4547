// Ways through proxies: CONNECT over http and https, and SOCKS 5, with real servers; guarded like the targets behind them.
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { transports } from "../../../../lambdas/relay/transports/index.ts";
import type { AccountProxy } from "../../../../lambdas/relay/transports/transport.ts";
import {
  closeServers,
  makeCertificate,
  type ProxyLog,
  resolvingNames,
  serveConnectProxy,
  servePlain,
  serveSockets,
  serveSocks,
  serveTls,
} from "./servers.ts";

const limits = { connectMilliseconds: 20_000, firstByteMilliseconds: 20_000, silenceMilliseconds: 20_000 };
const certificate = makeCertificate("upstream.test", "proxy.test", "127.0.0.1");
const trusted = getCACertificates("default");

beforeAll(() => setDefaultCACertificates([...trusted, certificate.cert]));
afterAll(() => setDefaultCACertificates(trusted));
afterEach(closeServers);

const names = { "proxy.test": "127.0.0.1", "upstream.test": "127.0.0.1" };

function open(known: Readonly<Record<string, string>> = names) {
  return transports["node-http"]({ allowLoopback: true, resolve: resolvingNames(known).resolve });
}

const post = (url: string) => ({ method: "POST", url, headers: { "x-api-key": "k" }, body: Buffer.from("hello") });

async function through(proxy: AccountProxy, url: string, transport = open()): Promise<string> {
  const { body } = await transport.send(post(url), { limits, proxy });
  let text = "";
  for await (const chunk of body) text += chunk.toString();
  return text;
}

const echo = (request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse) => {
  let body = "";
  request.on("data", (chunk) => (body += chunk));
  request.on("end", () => response.end(`${request.headers.host} ${body}`));
};

const serveProxyOf: Record<AccountProxy["type"], () => Promise<ProxyLog>> = {
  http: () => serveConnectProxy(),
  https: () => serveConnectProxy({ certificate }),
  socks5: () => serveSocks(),
};

describe.each(["http", "https", "socks5"] as const)("a proxy of type %s", (type) => {
  it("carries TLS to the target, which it names and does not resolve to an address", async () => {
    const proxy = await serveProxyOf[type]();
    const port = await serveTls(certificate, echo);
    const settings = { type, host: "proxy.test", port: proxy.port };
    expect(await through(settings, `https://upstream.test:${port}/`)).toBe(`upstream.test:${port} hello`);
    expect(proxy.tunnels).toEqual([`upstream.test:${port}`]);
  });

  it("keeps its tunnel for the next request", async () => {
    const proxy = await serveProxyOf[type]();
    const port = await serveTls(certificate, echo);
    const settings = { type, host: "proxy.test", port: proxy.port };
    const transport = open();
    for (let turn = 0; turn < 3; turn += 1) await through(settings, `https://upstream.test:${port}/`, transport);
    expect(proxy.tunnels).toHaveLength(1);
  });

  it("tunnels to a target of the laptop without TLS as well", async () => {
    const proxy = await serveProxyOf[type]();
    const port = await servePlain(echo);
    expect(await through({ type, host: "127.0.0.1", port: proxy.port }, `http://127.0.0.1:${port}/`)).toContain(
      "hello",
    );
    expect(proxy.tunnels).toEqual([`127.0.0.1:${port}`]);
  });

  it("is no way around the target's certificate", async () => {
    const proxy = await serveProxyOf[type]();
    const port = await serveTls(makeCertificate("upstream.test"), echo);
    const going = through({ type, host: "proxy.test", port: proxy.port }, `https://upstream.test:${port}/`);
    await expect(going).rejects.toMatchObject({ kind: "tls", sent: false });
  });

  it("that is not there is an error of the proxy: nothing was sent", async () => {
    const { port } = await serveProxyOf[type]();
    closeServers();
    const going = through({ type, host: "proxy.test", port }, "https://upstream.test/");
    await expect(going).rejects.toMatchObject({ kind: "proxy", sent: false });
  });

  it("that says nothing is given up in time", async () => {
    const port = await serveSockets(() => undefined);
    const going = open().send(post("https://upstream.test/"), {
      limits: { ...limits, connectMilliseconds: 80 },
      proxy: { type, host: "proxy.test", port },
    });
    await expect(going).rejects.toMatchObject({ kind: "timeout", sent: false });
  });

  it.each([
    ["private", "10.0.0.1"],
    ["link-local", "169.254.169.254"],
    ["mapped", "::ffff:10.0.0.1"],
  ])("is not called at a %s address", async (_kind, inside) => {
    const literal = through({ type, host: inside, port: 3128 }, "https://upstream.test/");
    await expect(literal).rejects.toMatchObject({ kind: "refused-address", sent: false });
    const named = through(
      { type, host: "proxy.test", port: 3128 },
      "https://upstream.test/",
      open({ "proxy.test": inside }),
    );
    await expect(named).rejects.toMatchObject({ kind: "refused-address", sent: false });
  });

  it.each(["10.0.0.1", "169.254.169.254"])("does not reach a target inside, %s", async (inside) => {
    const proxy = await serveProxyOf[type]();
    const settings = { type, host: "proxy.test", port: proxy.port };
    const literal = through(settings, `https://${inside}/`);
    await expect(literal).rejects.toMatchObject({ kind: "refused-address", sent: false });
    const named = through(settings, "https://upstream.test/", open({ ...names, "upstream.test": inside }));
    await expect(named).rejects.toMatchObject({ kind: "refused-address", sent: false });
    expect(proxy.tunnels).toEqual([]);
  });

  it("resolves a name that means nothing here", async () => {
    const proxy = await serveProxyOf[type]();
    const port = await serveTls(certificate, echo);
    const settings = { type, host: "127.0.0.1", port: proxy.port };
    expect(await through(settings, `https://upstream.test:${port}/`, open({}))).toContain("hello");
  });

  it("that stands inside resolves no name that means nothing here: it could lead to a neighbour", async () => {
    const proxy = await serveProxyOf[type]();
    const port = await serveTls(certificate, echo);
    const transport = transports["node-http"]({
      allowLoopback: true,
      allowedHosts: ["127.0.0.1"],
      resolve: resolvingNames({}).resolve,
    });
    const going = through({ type, host: "127.0.0.1", port: proxy.port }, `https://upstream.test:${port}/`, transport);
    await expect(going).rejects.toMatchObject({ kind: "proxy", sent: false });
    expect(proxy.tunnels).toEqual([]);
  });
});

describe("a proxy with a user and a password", () => {
  it("is told them by CONNECT", async () => {
    const proxy = await serveConnectProxy();
    const port = await serveTls(certificate, echo);
    const settings = { type: "http", host: "proxy.test", port: proxy.port, username: "me", password: "p:w" } as const;
    await through(settings, `https://upstream.test:${port}/`);
    expect(proxy.credentials).toEqual([`Basic ${Buffer.from("me:p:w").toString("base64")}`]);
  });

  it("is told them by SOCKS 5", async () => {
    const proxy = await serveSocks({ user: "me", password: "pw" });
    const port = await serveTls(certificate, echo);
    const settings = { type: "socks5", host: "proxy.test", port: proxy.port, username: "me", password: "pw" } as const;
    expect(await through(settings, `https://upstream.test:${port}/`)).toContain("hello");
    expect(proxy.credentials).toEqual(["me:pw"]);
  });

  it("never shares a tunnel with another user's", async () => {
    const proxy = await serveConnectProxy();
    const port = await serveTls(certificate, echo);
    const transport = open();
    for (const username of ["one", "two", "one"]) {
      const settings = { type: "http", host: "proxy.test", port: proxy.port, username, password: "p" } as const;
      await through(settings, `https://upstream.test:${port}/`, transport);
    }
    expect(proxy.tunnels).toHaveLength(2);
  });

  it("that refuses them is an error of the proxy, without the password", async () => {
    const connect = await serveConnectProxy({ status: 407 });
    const socks = await serveSocks({ user: "me", password: "right" });
    const attempts = [
      { type: "http", host: "proxy.test", port: connect.port, username: "me", password: "secret-word" },
      { type: "socks5", host: "proxy.test", port: socks.port, username: "me", password: "secret-word" },
    ] as const;
    for (const settings of attempts) {
      await expect(through(settings, "https://upstream.test/")).rejects.toMatchObject({
        kind: "proxy",
        sent: false,
        message: expect.not.stringContaining("secret-word"),
      });
    }
  });

  it("that refuses the target is an error of the proxy", async () => {
    const connect = await serveConnectProxy({ status: 403 });
    await expect(
      through({ type: "http", host: "proxy.test", port: connect.port }, "https://upstream.test/"),
    ).rejects.toMatchObject({ kind: "proxy", message: expect.stringContaining("403") });
    const socks = await serveSocks({ refuse: true });
    await expect(
      through({ type: "socks5", host: "proxy.test", port: socks.port }, "https://upstream.test/"),
    ).rejects.toMatchObject({ kind: "proxy" });
  });
});

describe("a SOCKS 5 server", () => {
  /** Answers each of the client's turns with the next bytes, one at a time. */
  async function serveBytes(...turns: readonly (readonly number[] | string)[]): Promise<AccountProxy> {
    const port = await serveSockets((socket) => {
      let turn = 0;
      socket.on("data", () => {
        const bytes = Buffer.from(turns[turn] ?? []);
        turn += 1;
        for (const byte of bytes) socket.write(Uint8Array.of(byte));
        if (turn >= turns.length) socket.end();
      });
    });
    return { type: "socks5", host: "127.0.0.1", port };
  }

  const address = [5, 0, 0, 3, 4, ...Buffer.from("name"), 0, 80];
  const answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

  it("may say its words byte by byte, and its address as a name", async () => {
    expect(await through(await serveBytes([5, 0], address, answer), "http://127.0.0.1:80/")).toBe("ok");
  });

  it.each<[string, (readonly number[] | string)[], RegExp]>([
    ["takes no method", [[5, 0xff]], /takes no such user/],
    ["asks for a password that nobody gave", [[5, 2]], /takes no such user/],
    [
      "cannot reach the host",
      [
        [5, 0],
        [5, 4, 0, 1, 0, 0, 0, 0, 0, 0],
      ],
      /host unreachable/,
    ],
    [
      "says something new",
      [
        [5, 0],
        [5, 99, 0, 1, 0, 0, 0, 0, 0, 0],
      ],
      /code 99/,
    ],
    [
      "goes in the middle of a word",
      [
        [5, 0],
        [5, 0, 0],
      ],
      /ended the connection/,
    ],
    ["goes at once", [[]], /ended the connection/],
  ])("that %s is an error of the proxy, and nothing was sent", async (_what, turns, message) => {
    const going = through(await serveBytes(...turns), "http://127.0.0.1:80/");
    await expect(going).rejects.toMatchObject({ kind: "proxy", sent: false, message: expect.stringMatching(message) });
  });
});
