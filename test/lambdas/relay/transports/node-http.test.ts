// The transport against real servers on loopback: what is sent, what comes back, and every way in which it can end.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { UpstreamRequest } from "../../../../lambdas/relay/providers/provider.ts";
import { transports } from "../../../../lambdas/relay/transports/index.ts";
import type { Exchange, TransportLimits } from "../../../../lambdas/relay/transports/transport.ts";
import { closeServers, makeCertificate, resolvingNames, servePlain, serveSockets, serveTls } from "./servers.ts";

const open = transports["node-http"];
const laptop = { allowLoopback: true };
const limits: TransportLimits = {
  connectMilliseconds: 20_000,
  firstByteMilliseconds: 20_000,
  silenceMilliseconds: 20_000,
};
const certificate = makeCertificate("upstream.test", "127.0.0.1");
const trusted = getCACertificates("default");

beforeAll(() => setDefaultCACertificates([...trusted, certificate.cert]));
afterAll(() => setDefaultCACertificates(trusted));
afterEach(() => {
  vi.useRealTimers();
  closeServers();
});

function post(url: string, body: string | Buffer = "{}", headers: Record<string, string> = {}): UpstreamRequest {
  return { method: "POST", url, headers, body: Buffer.from(body) };
}

async function textOf({ body }: Exchange): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const answering = (text: string) => (_request: IncomingMessage, response: ServerResponse) => response.end(text);

describe("a request", () => {
  it("arrives with its method, path, query, headers and bytes, and nothing that nobody gave", async () => {
    const seen: { line: string; headers: string[]; body: Buffer }[] = [];
    const port = await servePlain((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        seen.push({
          line: `${request.method} ${request.url}`,
          headers: request.rawHeaders,
          body: Buffer.concat(chunks),
        });
        response.writeHead(201, { "request-id": "req_1", "set-cookie": ["a=1", "b=2"] }).end("made");
      });
    });
    const body = Buffer.from([0, 255, 1, 254]);
    const exchange = await open(laptop).send(
      post(`http://127.0.0.1:${port}/v1/a%2Fb//c?beta=true&x=%20`, body, {
        "x-api-key": "k",
        "anthropic-version": "2023-06-01",
      }),
      { limits },
    );
    expect(exchange.status).toBe(201);
    expect(exchange.headers).toMatchObject({ "request-id": "req_1", "set-cookie": "a=1, b=2" });
    expect(await textOf(exchange)).toBe("made");
    expect(seen).toEqual([
      {
        line: "POST /v1/a%2Fb//c?beta=true&x=%20",
        headers: [
          ...["x-api-key", "k", "anthropic-version", "2023-06-01"],
          ...["host", `127.0.0.1:${port}`, "content-length", "4", "Connection", "keep-alive"],
        ],
        body,
      },
    ]);
  });

  it("without a body says no length where its method has none", async () => {
    let headers: unknown;
    const port = await servePlain((request, response) => {
      headers = request.headers;
      response.end();
    });
    const get = { method: "GET", url: `http://127.0.0.1:${port}/v1/models`, headers: {}, body: Buffer.alloc(0) };
    await textOf(await open(laptop).send(get, { limits }));
    expect(headers).not.toHaveProperty("content-length");
    expect(headers).not.toHaveProperty("transfer-encoding");
  });

  it("does not follow a redirect", async () => {
    let visits = 0;
    const elsewhere = await servePlain((_request, response) => {
      visits += 1;
      response.end();
    });
    const port = await servePlain((_request, response) =>
      response.writeHead(307, { location: `http://127.0.0.1:${elsewhere}/` }).end("moved"),
    );
    const exchange = await open(laptop).send(post(`http://127.0.0.1:${port}/`), { limits });
    expect(exchange.status).toBe(307);
    expect(await textOf(exchange)).toBe("moved");
    expect(visits).toBe(0);
  });

  it("uses a connection again, and never that of another name on the same address", async () => {
    const connections = new Set<Socket>();
    const port = await servePlain((request, response) => {
      connections.add(request.socket);
      response.end("x");
    });
    const names = resolvingNames({ "one.test": "127.0.0.1", "two.test": "127.0.0.1" });
    const transport = open({ ...laptop, resolve: names.resolve });
    for (const name of ["one.test", "one.test", "one.test", "two.test"]) {
      await textOf(await transport.send(post(`http://${name}:${port}/`), { limits }));
    }
    expect(connections.size).toBe(2);
    expect(names.asked).toEqual(["one.test", "two.test"]);
  });

  it("takes no connection that has been idle for a minute: a frozen Lambda's timers have not run", async () => {
    const connections = new Set<Socket>();
    const port = await servePlain((request, response) => {
      connections.add(request.socket);
      response.end("x");
    });
    const transport = open(laptop);
    const send = async () => textOf(await transport.send(post(`http://127.0.0.1:${port}/`), { limits }));
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      await send();
      await send();
      expect(connections.size).toBe(1);
      vi.setSystemTime(Date.now() + 60_000);
      await send();
      expect(connections.size).toBe(2);
    } finally {
      vi.useRealTimers();
    }
  });

  it("leaves few connections idle, on however many ways it went", async () => {
    const alive = new Set<Socket>();
    const port = await servePlain((request, response) => {
      alive.add(request.socket);
      request.socket.on("close", () => alive.delete(request.socket));
      response.end("x");
    });
    const hosts = Array.from({ length: 30 }, (_, index) => `host${index}.test`);
    const names = resolvingNames(Object.fromEntries(hosts.map((host) => [host, "127.0.0.1"])));
    const transport = open({ ...laptop, resolve: names.resolve });
    for (const host of hosts) await textOf(await transport.send(post(`http://${host}:${port}/`), { limits }));
    await vi.waitUntil(() => alive.size <= 9, { timeout: 20_000 });
  });

  it("that carries a header HTTP cannot carry was never sent", async () => {
    const port = await servePlain(answering("x"));
    await expect(
      open(laptop).send(post(`http://127.0.0.1:${port}/`, "", { "x-name": "名" }), { limits }),
    ).rejects.toMatchObject({ kind: "connect", sent: false });
  });

  it("goes a hundred times at once", async () => {
    const port = await servePlain((request, response) => {
      let bytes = 0;
      request.on("data", (chunk: Buffer) => (bytes += chunk.length));
      request.on("end", () => response.end(String(bytes)));
    });
    const transport = open(laptop);
    const sizes = Array.from({ length: 100 }, (_, index) => index * 100);
    const answers = await Promise.all(
      sizes.map(async (size) =>
        textOf(await transport.send(post(`http://127.0.0.1:${port}/`, "x".repeat(size)), { limits })),
      ),
    );
    expect(answers).toEqual(sizes.map(String));
  });
});

describe("TLS", () => {
  it("is spoken to a name whose certificate is right", async () => {
    const names = resolvingNames({ "upstream.test": "127.0.0.1" });
    const port = await serveTls(certificate, answering("secure"));
    const exchange = await open({ ...laptop, resolve: names.resolve }).send(post(`https://upstream.test:${port}/`), {
      limits,
    });
    expect(await textOf(exchange)).toBe("secure");
  });

  it("refuses another name's certificate, and one that nobody vouches for, before anything is sent", async () => {
    const names = resolvingNames({ "other.test": "127.0.0.1", "upstream.test": "127.0.0.1" });
    let requests = 0;
    const count = (_request: IncomingMessage, response: ServerResponse) => {
      requests += 1;
      response.end();
    };
    const strange = makeCertificate("upstream.test");
    const [wrongName, unknown] = [await serveTls(certificate, count), await serveTls(strange, count)];
    const transport = open({ ...laptop, resolve: names.resolve });
    for (const url of [`https://other.test:${wrongName}/`, `https://upstream.test:${unknown}/`]) {
      await expect(transport.send(post(url), { limits })).rejects.toMatchObject({ kind: "tls", sent: false });
    }
    expect(requests).toBe(0);
  });

  it("is not given up for a variable of the environment", async () => {
    const strange = makeCertificate("127.0.0.1");
    const port = await serveTls(strange, answering("x"));
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
    try {
      await expect(open(laptop).send(post(`https://127.0.0.1:${port}/`), { limits })).rejects.toMatchObject({
        kind: "tls",
      });
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    }
  });

  it("to a server that speaks none is refused", async () => {
    const port = await serveSockets((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n"));
    await expect(open(laptop).send(post(`https://127.0.0.1:${port}/`), { limits })).rejects.toMatchObject({
      kind: "tls",
      sent: false,
    });
  });
});

describe("an address that must not be called", () => {
  const strict = { allowLoopback: false };

  it.each([
    ["http", "http://api.example.com/v1"],
    ["loopback", "https://127.0.0.1/v1"],
    ["metadata", "https://169.254.169.254/latest"],
    ["a user name", "https://user:secret@api.example.com/"],
    ["no URL", "api.example.com"],
  ])("is refused before anything is sent: %s", async (_why, url) => {
    await expect(open(strict).send(post(url), { limits })).rejects.toMatchObject({
      name: "TransportError",
      kind: "refused-address",
      sent: false,
      message: expect.not.stringContaining("secret"),
    });
  });

  it("is refused when its name turns inside later (DNS rebinding): each connection is checked as it is made", async () => {
    const answers: Record<string, string> = { "rebinding.test": "127.0.0.1" };
    const names = resolvingNames(answers);
    const port = await servePlain((_request, response) =>
      response.writeHead(200, { connection: "close" }).end("inside"),
    );
    const transport = open({ ...laptop, resolve: names.resolve });
    const request = post(`http://rebinding.test:${port}/`);
    expect(await textOf(await transport.send(request, { limits }))).toBe("inside");
    answers["rebinding.test"] = "10.0.0.1";
    await expect(transport.send(request, { limits })).rejects.toMatchObject({ kind: "refused-address", sent: false });
    expect(names.asked).toHaveLength(2);
  });
});

describe("an answer", () => {
  it("comes piece by piece as the upstream sends it", async () => {
    let say: (text: string) => void = () => {};
    let end: () => void = () => {};
    const port = await servePlain((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.flushHeaders();
      say = (text) => response.write(text);
      end = () => response.end();
    });
    const { body } = await open(laptop).send(post(`http://127.0.0.1:${port}/`), { limits });
    const pieces = body[Symbol.asyncIterator]();
    for (const text of ["data: one\n\n", "data: two\n\n"]) {
      say(text);
      expect((await pieces.next()).value?.toString()).toBe(text);
    }
    end();
    expect(await pieces.next()).toEqual({ done: true, value: undefined });
    expect(await pieces.next()).toEqual({ done: true, value: undefined });
  });

  it("is the same bytes at any split of the chunks, and at any pace of the reader", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 12 }),
        fc.array(fc.boolean(), { maxLength: 12 }),
        async (chunks, pauses) => {
          const port = await servePlain(async (_request, response) => {
            for (const chunk of chunks) {
              response.write(chunk);
              await new Promise(setImmediate);
            }
            response.end();
          });
          const { body } = await open(laptop).send(post(`http://127.0.0.1:${port}/`), { limits });
          const read: Buffer[] = [];
          for await (const chunk of body) {
            read.push(chunk);
            if (pauses[read.length]) await new Promise(setImmediate);
          }
          expect(Buffer.concat(read).equals(Buffer.concat(chunks))).toBe(true);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("is read in turns: who looks at the beginning leaves the rest", async () => {
    const port = await servePlain((_request, response) => {
      response.write("begin");
      response.end("ning and rest");
    });
    const exchange = await open(laptop).send(post(`http://127.0.0.1:${port}/`), { limits });
    const first = await exchange.body[Symbol.asyncIterator]().next();
    expect(`${first.value}${await textOf(exchange)}`).toBe("beginning and rest");
  });

  it("is not read ahead without limit for a reader that is slow", async () => {
    let written = 0;
    const port = await servePlain((_request, response) => {
      const chunk = Buffer.alloc(65_536);
      const fill = () => {
        while (written < 64 * 1024 * 1024) {
          written += chunk.length;
          if (!response.write(chunk)) return response.once("drain", fill);
        }
        return response.end();
      };
      fill();
    });
    const exchange = await open(laptop).send(post(`http://127.0.0.1:${port}/`), { limits });
    const pieces = exchange.body[Symbol.asyncIterator]();
    await pieces.next();
    let before = -1;
    // Until the server is held up: what was written stands still over many turns of the loop.
    for (let still = 0; still < 50; still = before === written ? still + 1 : 0) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(written).toBeLessThan(32 * 1024 * 1024);
    let bytes = 0;
    for (let piece = await pieces.next(); !piece.done; piece = await pieces.next()) bytes += piece.value.length;
    expect(bytes).toBeGreaterThan(63 * 1024 * 1024);
  });
});

describe("an answer that is cut", () => {
  const cuts: readonly [string, (socket: Socket) => void][] = [
    ["in its declared length", (socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")],
    [
      "between its chunks",
      (socket) => socket.end("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
    ],
    [
      "by a reset",
      (socket) => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", () => socket.resetAndDestroy());
      },
    ],
    [
      "by what is no chunk",
      (socket) => socket.end("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n"),
    ],
  ];

  it.each(cuts)("never looks whole: %s", async (_how, answer) => {
    const port = await serveSockets((socket) => socket.once("data", () => answer(socket)));
    const reading = open(laptop)
      .send(post(`http://127.0.0.1:${port}/`), { limits })
      .then(textOf);
    await expect(reading).rejects.toMatchObject({ name: "TransportError", kind: "cut", sent: true });
  });

  it("before its headers is cut, and was sent", async () => {
    const port = await serveSockets((socket) => socket.once("data", () => socket.destroy()));
    await expect(open(laptop).send(post(`http://127.0.0.1:${port}/secret`), { limits })).rejects.toMatchObject({
      kind: "cut",
      sent: true,
      message: expect.not.stringContaining("secret"),
    });
  });

  it("hands over what came before the cut", async () => {
    const port = await serveSockets((socket) =>
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")),
    );
    const { body } = await open(laptop).send(post(`http://127.0.0.1:${port}/`), { limits });
    const pieces = body[Symbol.asyncIterator]();
    expect((await pieces.next()).value?.toString()).toBe("half");
    await expect(pieces.next()).rejects.toMatchObject({ kind: "cut" });
    await expect(pieces.next()).rejects.toMatchObject({ kind: "cut" });
  });
});

describe("limits", () => {
  it("end a connection that is not made: nothing was sent", async () => {
    // A TLS server that never says anything.
    const port = await serveSockets(() => undefined);
    await expect(
      open(laptop).send(post(`https://127.0.0.1:${port}/`), { limits: { ...limits, connectMilliseconds: 60 } }),
    ).rejects.toMatchObject({ kind: "timeout", sent: false });
  });

  it("end the wait for the headers: it may have been read", async () => {
    const port = await servePlain(() => undefined);
    await expect(
      open(laptop).send(post(`http://127.0.0.1:${port}/`), { limits: { ...limits, firstByteMilliseconds: 60 } }),
    ).rejects.toMatchObject({ kind: "timeout", sent: true });
  });

  it("end silence in the body, after what came", async () => {
    const port = await servePlain((_request, response) => response.write("something"));
    const { body } = await open(laptop).send(post(`http://127.0.0.1:${port}/`), {
      limits: { ...limits, silenceMilliseconds: 60 },
    });
    const pieces = body[Symbol.asyncIterator]();
    expect((await pieces.next()).value?.toString()).toBe("something");
    await expect(pieces.next()).rejects.toMatchObject({ kind: "silence", sent: true });
  });

  it("do not count the time of a slow reader as silence", async () => {
    let end: () => void = () => {};
    const port = await servePlain((_request, response) => {
      response.write("one");
      end = () => response.end("two");
    });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { body } = await open(laptop).send(post(`http://127.0.0.1:${port}/`), { limits });
    const pieces = body[Symbol.asyncIterator]();
    await pieces.next();
    vi.advanceTimersByTime(limits.silenceMilliseconds + 1000);
    end();
    await expect(pieces.next()).resolves.toMatchObject({ done: false });
  });

  it("of a connection that nobody takes are an error of the connection", async () => {
    const port = await serveSockets(() => undefined);
    closeServers();
    await expect(open(laptop).send(post(`http://127.0.0.1:${port}/`), { limits })).rejects.toMatchObject({
      kind: "connect",
      sent: false,
    });
  });
});

describe("giving up", () => {
  it("closes the connection while the headers are awaited", async () => {
    const gone = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    const port = await servePlain((request) => {
      arrived.resolve();
      request.socket.on("close", () => gone.resolve());
    });
    const abort = new AbortController();
    const sending = open(laptop).send(post(`http://127.0.0.1:${port}/`), { limits, signal: abort.signal });
    await arrived.promise;
    abort.abort();
    await expect(sending).rejects.toMatchObject({ kind: "aborted", sent: true });
    await gone.promise;
  });

  it("before the start sends nothing", async () => {
    const port = await servePlain(answering("x"));
    await expect(
      open(laptop).send(post(`http://127.0.0.1:${port}/`), { limits, signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ kind: "aborted", sent: false });
  });

  it.each(["abort", "signal", "leaving the loop"])(
    "closes the connection in the middle of a body: by %s",
    async (how) => {
      const gone = Promise.withResolvers<void>();
      const port = await servePlain((request, response) => {
        response.write("begun");
        request.socket.on("close", () => gone.resolve());
      });
      const abort = new AbortController();
      const exchange = await open(laptop).send(post(`http://127.0.0.1:${port}/`), { limits, signal: abort.signal });
      if (how === "leaving the loop") {
        for await (const _chunk of exchange.body) break;
      } else {
        const pieces = exchange.body[Symbol.asyncIterator]();
        await pieces.next();
        const next = pieces.next();
        if (how === "abort") exchange.abort();
        else abort.abort();
        await expect(next).rejects.toMatchObject({ kind: "aborted" });
      }
      await gone.promise;
    },
  );

  it("after the end keeps the connection for the next request", async () => {
    const connections = new Set<Socket>();
    const port = await servePlain((request, response) => {
      connections.add(request.socket);
      response.end("x");
    });
    const transport = open(laptop);
    for (let turn = 0; turn < 3; turn += 1) {
      const abort = new AbortController();
      const exchange = await transport.send(post(`http://127.0.0.1:${port}/`), { limits, signal: abort.signal });
      await textOf(exchange);
      exchange.abort();
      abort.abort();
    }
    expect(connections.size).toBe(1);
  });

  it("closes a connection whose answer has come but was not read", async () => {
    const gone = Promise.withResolvers<void>();
    const port = await servePlain((request, response) => {
      request.socket.on("close", () => gone.resolve());
      response.end(Buffer.alloc(600_000));
    });
    const exchange = await open(laptop).send(post(`http://127.0.0.1:${port}/`), { limits });
    exchange.abort();
    await gone.promise;
  });
});
