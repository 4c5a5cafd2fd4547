// A body that hands its memory back: over real sockets, it must bring the same bytes, and free only what is its own.
import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough, Readable } from "node:stream";
import { afterEach, expect, test } from "vitest";
import { handingBack } from "../../../../lambdas/replication/targets/hand-back.ts";

const servers: http.Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(listener: http.RequestListener): Promise<string> {
  const server = http.createServer(listener);
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const content = Buffer.from(Uint8Array.from({ length: 5_000_011 }, (_, index) => (index * 7 + (index >> 8)) & 0xff));

test("brings every byte from one connection to another, and frees the chunks on the way", async () => {
  const source = await listen((_request, response) => response.end(content));
  const received: Buffer[] = [];
  const sink = await listen(async (request, response) => {
    for await (const chunk of request) received.push(chunk);
    response.end();
  });
  const [body] = (await once(http.get(source), "response")) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  body.pause();
  body.on("data", (chunk: Buffer) => chunks.push(chunk));
  const put = http.request(sink, { method: "PUT", headers: { "content-length": content.length } });
  handingBack(body).pipe(put);
  const [answer] = (await once(put, "response")) as [http.IncomingMessage];
  expect(answer.statusCode).toBe(200);
  expect(sha256(Buffer.concat(received))).toBe(sha256(content));
  const freed = chunks.filter((chunk) => chunk.length === 0);
  expect(freed.length).toBeGreaterThan(chunks.length / 2);
});

test("leaves alone what lies in Node's shared pool", async () => {
  const small = Buffer.from("a small chunk of the pool");
  const neighbour = Buffer.from("another one");
  expect(small.buffer).toBe(neighbour.buffer);
  const received: Buffer[] = [];
  const sink = await listen(async (request, response) => {
    for await (const chunk of request) received.push(chunk);
    response.end();
  });
  const put = http.request(sink, { method: "PUT", headers: { "content-length": small.length } });
  handingBack(Readable.from([small], { objectMode: false })).pipe(put);
  await once(put, "response");
  expect(Buffer.concat(received).toString()).toBe("a small chunk of the pool");
  expect(neighbour.toString()).toBe("another one");
});

test("waits for a sink that does not read, instead of piling chunks up", async () => {
  const chunkBytes = 65_536;
  const chunkCount = 1000;
  let made = 0;
  let madeWhileHeld = 0;
  let receivedBytes = 0;
  const sink = await listen((request, response) => {
    setTimeout(() => {
      madeWhileHeld = made;
      request.on("data", (chunk: Buffer) => {
        receivedBytes += chunk.length;
      });
      request.once("end", () => response.end());
    }, 200);
  });
  const body = Readable.from(
    (function* () {
      for (; made < chunkCount; made += 1) yield Buffer.alloc(chunkBytes);
    })(),
    { objectMode: false },
  );
  const put = http.request(sink, { method: "PUT", headers: { "content-length": chunkCount * chunkBytes } });
  handingBack(body).pipe(put);
  await once(put, "response");
  expect(receivedBytes).toBe(chunkCount * chunkBytes);
  // What the system's socket buffers hold, and no more.
  expect(madeWhileHeld).toBeLessThan(chunkCount / 2);
});

test("stops when the sink breaks off", async () => {
  const sink = await listen((request) => {
    request.once("data", () => request.socket.resetAndDestroy());
  });
  let read = 0;
  const body = new Readable({
    read() {
      read += 1;
      this.push(Buffer.alloc(65_536));
    },
  });
  const put = http.request(sink, { method: "PUT", headers: { "content-length": 2 ** 40 } });
  const errors: Error[] = [];
  put.on("error", (error) => errors.push(error));
  handingBack(body).pipe(put);
  await new Promise((resolve) => put.once("close", resolve));
  const readAtClose = read;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(errors.length).toBeGreaterThan(0);
  expect(read).toBeLessThanOrEqual(readAtClose + 1);
  body.destroy();
});

test("into anything but a request it pipes as any stream, and frees nothing", async () => {
  const chunk = Buffer.alloc(100_000, 7);
  const arrived: Buffer[] = [];
  for await (const piece of handingBack(Readable.from([chunk], { objectMode: false })).pipe(new PassThrough())) {
    arrived.push(piece);
  }
  expect(Buffer.concat(arrived).equals(Buffer.alloc(100_000, 7))).toBe(true);
  expect(chunk.length).toBe(100_000);
});
