// Compressed answers: decoded whole and in pieces at any split, in time for a stream, and never quietly when they are broken.
import type { ServerResponse } from "node:http";
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { transports } from "../../../../lambdas/relay/transports/index.ts";
import { closeServers, servePlain } from "./servers.ts";

const limits = { connectMilliseconds: 20_000, firstByteMilliseconds: 20_000, silenceMilliseconds: 20_000 };
const transport = transports["node-http"]({ allowLoopback: true });

afterEach(closeServers);

const encoders = {
  gzip: { encode: zlib.gzipSync, open: zlib.createGzip },
  deflate: { encode: zlib.deflateSync, open: zlib.createDeflate },
  "deflate, bare": { encode: zlib.deflateRawSync, open: zlib.createDeflateRaw },
  br: { encode: zlib.brotliCompressSync, open: zlib.createBrotliCompress },
  zstd: { encode: zlib.zstdCompressSync, open: zlib.createZstdCompress },
} as const;

const names = Object.keys(encoders) as (keyof typeof encoders)[];
const codingOf = (name: string) => name.split(",")[0] ?? "";

async function ask(answer: (response: ServerResponse) => unknown) {
  const port = await servePlain((_request, response) => answer(response));
  return transport.send(
    { method: "POST", url: `http://127.0.0.1:${port}/`, headers: {}, body: Buffer.alloc(0) },
    { limits },
  );
}

async function bytesOf(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe.each(names)("an answer in %s", (name) => {
  const { encode, open } = encoders[name];
  const coding = codingOf(name);

  it("is decoded, and its headers no longer say otherwise", async () => {
    const text = JSON.stringify({ text: "你好 ".repeat(5000) });
    const encoded = encode(Buffer.from(text));
    const { headers, body } = await ask((response) =>
      response
        .writeHead(200, { "content-encoding": coding, "content-length": encoded.length, "x-other": "1" })
        .end(encoded),
    );
    expect(headers).not.toHaveProperty("content-encoding");
    expect(headers).not.toHaveProperty("content-length");
    expect(headers["x-other"]).toBe("1");
    expect((await bytesOf(body)).toString()).toBe(text);
  });

  it("is the same at every split of its bytes", async () => {
    const plain = Buffer.from("data: event\n\n".repeat(40));
    const encoded = encode(plain);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(encoded.length), { maxLength: 6 }), async (cuts) => {
        const ends = [...new Set([...cuts, encoded.length])].sort((left, right) => left - right);
        const { body } = await ask(async (response) => {
          response.writeHead(200, { "content-encoding": coding });
          let from = 0;
          for (const to of ends) {
            response.write(encoded.subarray(from, to));
            from = to;
            await new Promise(setImmediate);
          }
          response.end();
        });
        expect((await bytesOf(body)).equals(plain)).toBe(true);
      }),
      { numRuns: 10 },
    );
  });

  it("comes event by event when it is flushed so", async () => {
    const encoder = open();
    const { body } = await ask((response) => {
      response.writeHead(200, { "content-encoding": coding }).flushHeaders();
      encoder.pipe(response);
    });
    const flush = promisify((done: () => void) => encoder.flush(done));
    const pieces = body[Symbol.asyncIterator]();
    for (const event of ["data: one\n\n", "data: two\n\n"]) {
      encoder.write(event);
      await flush();
      let read = "";
      while (read.length < event.length) read += (await pieces.next()).value?.toString();
      expect(read).toBe(event);
    }
    encoder.end();
    expect((await pieces.next()).done).toBe(true);
  });

  it("may have no body at all", async () => {
    const { body } = await ask((response) => response.writeHead(200, { "content-encoding": coding }).end());
    expect(await bytesOf(body)).toHaveLength(0);
  });

  it("is cut when its connection is", async () => {
    const encoded = encode(Buffer.from(Array.from({ length: 3000 }, (_, index) => String(index)).join(",")));
    const { body } = await ask((response) => {
      response.writeHead(200, { "content-encoding": coding, "content-length": encoded.length });
      response.write(encoded.subarray(0, encoded.length / 2), () => response.socket?.destroy());
    });
    await expect(bytesOf(body)).rejects.toMatchObject({ name: "TransportError", kind: "cut", sent: true });
  });
});

describe("a coding that cannot be undone", () => {
  it.each(["gzip", "br", "zstd", "deflate"])("ends the body by name where the bytes are not %s", async (coding) => {
    const { body } = await ask((response) =>
      response
        .writeHead(200, { "content-encoding": coding })
        .end(Buffer.from([0x78, 0xff, ...Buffer.from("no such thing")])),
    );
    await expect(bytesOf(body)).rejects.toMatchObject({ name: "TransportError", kind: "encoding" });
  });

  it.each(["compress", "aws-chunked", "gzip, gzip, gzip"])("is refused when it is not known: %s", async (coding) => {
    await expect(
      ask((response) => response.writeHead(200, { "content-encoding": coding }).end("x")),
    ).rejects.toMatchObject({
      kind: "encoding",
      sent: true,
    });
  });

  it("is none where nothing is coded", async () => {
    const { body } = await ask((response) => response.writeHead(200, { "content-encoding": "identity" }).end("plain"));
    expect((await bytesOf(body)).toString()).toBe("plain");
  });

  it("may be two, one around the other", async () => {
    const encoded = zlib.brotliCompressSync(zlib.gzipSync("twice"));
    const { body } = await ask((response) => response.writeHead(200, { "content-encoding": "gzip, br" }).end(encoded));
    expect((await bytesOf(body)).toString()).toBe("twice");
  });
});

describe("a bomb", () => {
  it("is unpacked only as far as its reader asks", async () => {
    const bomb = zlib.gzipSync(Buffer.alloc(200 * 1024 * 1024));
    const exchange = await ask((response) => response.writeHead(400, { "content-encoding": "gzip" }).end(bomb));
    const before = process.memoryUsage().rss;
    let bytes = 0;
    for await (const chunk of exchange.body) {
      bytes += chunk.length;
      if (bytes >= 65_536) break;
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  });
});
