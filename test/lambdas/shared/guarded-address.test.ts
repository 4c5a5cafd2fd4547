// The guard against calling inside addresses: what is refused, what is connected to, and what bounds an answer.

import type { LookupAddress } from "node:dns";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import {
  type AddressPolicy,
  checkAddress,
  guardedLookup,
  guardedRequest,
} from "../../../lambdas/shared/guarded-address.ts";

const strict: AddressPolicy = { allowLoopback: false };
const laptop: AddressPolicy = { allowLoopback: true };

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A name server that knows one answer. */
function resolvingTo(...addresses: readonly string[]): NonNullable<AddressPolicy["resolve"]> {
  const known = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  const resolve = (_name: string, _options: unknown, callback: (error: null, found: LookupAddress[]) => void) =>
    callback(null, known);
  return resolve as unknown as NonNullable<AddressPolicy["resolve"]>;
}

const bounds = { method: "POST", timeoutMilliseconds: 5_000, mostAnswerBytes: 1_000 } as const;

describe("an address", () => {
  it.each([
    ["no URL", "not a url"],
    ["http", "http://example.com/"],
    ["another scheme", "ftp://example.com/"],
    ["a user name", "https://user@example.com/"],
    ["a password", "https://user:secret@example.com/"],
    ["loopback", "https://127.0.0.1/"],
    ["loopback in one number", "https://2130706433/"],
    ["loopback in hexadecimal", "https://0x7f.1/"],
    ["loopback in octal", "https://0177.0.0.1/"],
    ["loopback, IPv6", "https://[::1]/"],
    ["loopback, mapped into IPv6", "https://[::ffff:127.0.0.1]/"],
    ["loopback, in IPv6's old form", "https://[::127.0.0.1]/"],
    ["loopback, translated (RFC 6052)", "https://[64:ff9b::7f00:1]/"],
    ["loopback, in 6to4", "https://[2002:7f00:1::]/"],
    ["nothing", "https://0.0.0.0/"],
    ["private, class A", "https://10.1.2.3/"],
    ["private, class B", "https://172.16.0.1/"],
    ["private, class C", "https://192.168.1.1/"],
    ["private, mapped into IPv6", "https://[::ffff:10.0.0.1]/"],
    ["AWS's metadata", "https://169.254.169.254/latest/meta-data/"],
    ["AWS's metadata, IPv6", "https://[fd00:ec2::254]/"],
    ["Aliyun's metadata", "https://100.100.100.200/latest/meta-data/"],
    ["link-local, IPv6", "https://[fe80::1]/"],
    ["unique local, IPv6", "https://[fd12:3456::1]/"],
    ["site-local, IPv6", "https://[fec0::1]/"],
    ["multicast", "https://224.0.0.1/"],
    ["broadcast", "https://255.255.255.255/"],
    ["documentation", "https://192.0.2.1/"],
  ])("is refused: %s", (_why, address) => {
    expect(() => checkAddress(address, strict)).toThrow(expect.objectContaining({ name: "AddressRefused" }));
  });

  it("is taken when it is public and https", () => {
    expect(checkAddress("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k", strict).host).toBe(
      "qyapi.weixin.qq.com",
    );
    expect(checkAddress("https://8.8.8.8/", strict).host).toBe("8.8.8.8");
    expect(checkAddress("https://[2606:4700::1111]/", strict).host).toBe("[2606:4700::1111]");
  });

  it("may be loopback and http on a laptop, and nothing else that is inside", () => {
    expect(checkAddress("http://127.0.0.1:8080/", laptop).port).toBe("8080");
    for (const inside of ["http://10.0.0.1/", "https://10.0.0.1/", "http://169.254.169.254/", "http://8.8.8.8/"]) {
      expect(() => checkAddress(inside, laptop)).toThrow(expect.objectContaining({ name: "AddressRefused" }));
    }
  });

  it("is not repeated in the refusal: its path or query may be the secret", () => {
    expect(() => checkAddress("https://10.0.0.1/hook/secret?key=secret", strict)).toThrow(/^((?!secret).)*$/);
  });
});

describe("a name", () => {
  const lookUp = (policy: AddressPolicy, options: { all?: boolean } = {}) =>
    new Promise((resolve, reject) => {
      const url = new URL("https://hooks.example.com/");
      guardedLookup(url, policy)("hooks.example.com", options, (error, address) =>
        error ? reject(error) : resolve(address),
      );
    });

  it("is connected to at the address that was checked", async () => {
    await expect(lookUp({ ...strict, resolve: resolvingTo("8.8.8.8", "2606:4700::1111") })).resolves.toBe("8.8.8.8");
    await expect(lookUp({ ...strict, resolve: resolvingTo("8.8.8.8") }, { all: true })).resolves.toEqual([
      { address: "8.8.8.8", family: 4 },
    ]);
  });

  it.each([[["10.0.0.1"]], [["8.8.8.8", "10.0.0.1"]], [["::ffff:169.254.169.254"]], [["127.0.0.1"]], [[]]])(
    "that resolves to %j is refused",
    async (addresses) => {
      await expect(lookUp({ ...strict, resolve: resolvingTo(...addresses) })).rejects.toMatchObject({
        name: "AddressRefused",
      });
    },
  );

  it("is resolved once, for the connection itself: a second answer is never asked for", async () => {
    const url = await serve((_request, response) => response.end("inside"));
    const port = new URL(url).port;
    let questions = 0;
    const rebinding: NonNullable<AddressPolicy["resolve"]> = ((name: string, options: unknown, callback: never) => {
      questions += 1;
      resolvingTo(questions === 1 ? "127.0.0.1" : "10.0.0.1")(name, options as never, callback);
    }) as never;
    const answer = await guardedRequest(
      { ...bounds, url: `http://rebinding.test:${port}/` },
      { ...laptop, resolve: rebinding },
    );
    expect(answer.text).toBe("inside");
    expect(questions).toBe(1);
    await expect(
      guardedRequest({ ...bounds, url: `http://rebinding.test:${port}/` }, { ...laptop, resolve: rebinding }),
    ).rejects.toMatchObject({ name: "AddressRefused" });
  });

  it("that points inside is refused when a request is made to it", async () => {
    const url = await serve((_request, response) => response.end("inside"));
    const port = new URL(url).port;
    await expect(
      guardedRequest(
        { ...bounds, url: `https://inside.test:${port}/` },
        { ...strict, resolve: resolvingTo("127.0.0.1") },
      ),
    ).rejects.toMatchObject({ name: "AddressRefused" });
  });
});

describe("a request", () => {
  it("sends its body whole and reads the answer", async () => {
    const url = await serve((request, response) => {
      let body = "";
      request.on("data", (chunk) => (body += chunk));
      request.on("end", () => response.writeHead(201, { "retry-after": "7" }).end(`${request.method} ${body}`));
    });
    const answer = await guardedRequest({ ...bounds, url, body: "你好" }, laptop);
    expect(answer).toEqual({ status: 201, text: "POST 你好", retryAfterSeconds: 7 });
  });

  it("does not follow a redirect", async () => {
    let visits = 0;
    const inside = await serve((_request, response) => {
      visits += 1;
      response.end();
    });
    const url = await serve((_request, response) => response.writeHead(302, { location: inside }).end());
    expect((await guardedRequest({ ...bounds, url }, laptop)).status).toBe(302);
    expect(visits).toBe(0);
  });

  it("reads no more of an answer than it may", async () => {
    const url = await serve((_request, response) => {
      response.write("x".repeat(5_000));
      // It never ends.
    });
    const answer = await guardedRequest({ ...bounds, url, mostAnswerBytes: 100 }, laptop);
    expect(answer.text).toHaveLength(100);
  });

  it("ends when the time is over, in the head and in the body", async () => {
    const silent = await serve(() => undefined);
    const slow = await serve((_request, response) => response.write("…"));
    for (const url of [silent, slow]) {
      await expect(guardedRequest({ ...bounds, url, timeoutMilliseconds: 100 }, laptop)).rejects.toMatchObject({
        name: "ChannelUnavailable",
        message: expect.stringContaining("no answer within 100 ms"),
      });
    }
  });

  it("names what broke, and never the path", async () => {
    const url = await serve((request) => request.socket.destroy());
    await expect(guardedRequest({ ...bounds, url: `${url}/secret` }, laptop)).rejects.toMatchObject({
      name: "ChannelUnavailable",
      message: expect.stringMatching(/^((?!secret).)*$/),
    });
  });
});
