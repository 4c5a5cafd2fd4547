// Connections that share one read buffer, over real sockets: no byte may end up in another's answer.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { OneBufferAgent, OneBufferTlsAgent } from "../../../../lambdas/replication/sources/one-buffer-agent.ts";

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** Each path has bytes of its own, so that a mix-up shows. */
function contentOf(path: string, bytes = 3_000_017): Buffer {
  const seed = createHash("sha256").update(path).digest();
  return Buffer.alloc(bytes, seed);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function makeCertificate(): { key: string; cert: string } {
  const folder = mkdtempSync(join(tmpdir(), "one-buffer-"));
  const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const made = spawnSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
      ...["-keyout", keyFile, "-out", certFile, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
    ],
    { encoding: "utf8" },
  );
  expect(made.stderr && made.status).toBe(0);
  const pair = { key: readFileSync(keyFile, "utf8"), cert: readFileSync(certFile, "utf8") };
  rmSync(folder, { recursive: true });
  return pair;
}

const transports = [
  {
    name: "HTTP",
    async start(listener: http.RequestListener) {
      const server = http.createServer(listener);
      return { server, scheme: "http", client: http, agent: new OneBufferAgent({ keepAlive: true }) };
    },
  },
  {
    name: "HTTPS",
    async start(listener: http.RequestListener) {
      const certificate = makeCertificate();
      const server = https.createServer(certificate, listener);
      const agent = new OneBufferTlsAgent({ keepAlive: true, ca: certificate.cert });
      return { server, scheme: "https", client: https, agent };
    },
  },
];

describe.each(transports)("over $name", ({ start }) => {
  async function open(listener: http.RequestListener) {
    const { server, scheme, client, agent } = await start(listener);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanups.push(() => {
      agent.destroy();
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    return async (path: string) => {
      const [answer] = await once(client.get(`${scheme}://127.0.0.1:${port}${path}`, { agent }), "response");
      return answer as http.IncomingMessage;
    };
  }

  async function read(answer: http.IncomingMessage): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  test("answers that are kept whole and read at the same time keep their own bytes", async () => {
    const get = await open((request, response) => response.end(contentOf(request.url ?? "")));
    const paths = Array.from({ length: 12 }, (_, index) => `/${index}`);
    const bodies = await Promise.all(paths.map(async (path) => read(await get(path))));
    for (const [index, body] of bodies.entries()) {
      expect(sha256(body)).toBe(sha256(contentOf(paths[index] ?? "")));
    }
  });

  test("a connection serves one answer after the other", async () => {
    const connections = new Set<object>();
    const get = await open((request, response) => {
      connections.add(request.socket);
      response.end(contentOf(request.url ?? "", 100_000));
    });
    for (const path of ["/a", "/b", "/c"]) expect(await read(await get(path))).toEqual(contentOf(path, 100_000));
    expect(connections.size).toBe(1);
  });

  test("chunked answers, and ones without a body, come as they are", async () => {
    const get = await open((request, response) => {
      if (request.url === "/none") {
        response.writeHead(204).end();
        return;
      }
      for (let piece = 0; piece < 50; piece += 1) response.write(`piece ${piece};`);
      response.end();
    });
    expect((await read(await get("/none"))).length).toBe(0);
    const expected = Array.from({ length: 50 }, (_, piece) => `piece ${piece};`).join("");
    expect((await read(await get("/chunked"))).toString()).toBe(expected);
  });

  test("an answer that nobody reads holds the sender back, and is whole when it is read", async () => {
    const bytes = 32 * 1024 ** 2;
    let written = 0;
    const get = await open((_request, response) => {
      const piece = Buffer.alloc(1024 ** 2, 5);
      const more = () => {
        while (written < bytes) {
          written += piece.length;
          if (!response.write(piece)) {
            response.once("drain", more);
            return;
          }
        }
        response.end();
      };
      more();
    });
    const answer = await get("/slow");
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(written).toBeLessThan(bytes / 2);
    let received = 0;
    for await (const chunk of answer) {
      received += chunk.length;
      expect(chunk.every((byte: number) => byte === 5)).toBe(true);
    }
    expect(received).toBe(bytes);
  });

  test("an answer that breaks off is an error", async () => {
    let breakOff: () => void = () => {};
    const get = await open((_request, response) => {
      response.writeHead(200, { "content-length": 1_000_000 });
      response.write(Buffer.alloc(100_000));
      breakOff = () => response.destroy();
    });
    const answer = await get("/");
    breakOff();
    await expect(read(answer)).rejects.toThrow(/aborted/);
  });
});
