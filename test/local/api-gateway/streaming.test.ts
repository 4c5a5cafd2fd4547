// Streamed answers over real HTTP: pieces arrive while the function writes, and what becomes of one that breaks.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bootCloud, type LocalCloud } from "../../../local/cloud.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { type Doors, makeDoors } from "./doors.ts";
import { api, invocationUri, method, permission, proxyTo, resource, writeAssembly } from "./small-assembly.ts";

/** Does as the request's query says; at its door it waits for the test. */
const streaming = `
const door = async (event) => { await (await fetch(event.queryStringParameters.door)).text(); };
const begin = (stream, head = {}) => awslambda.HttpResponseStream.from(stream, { statusCode: 200, headers: { "content-type": "text/plain" }, ...head });
const answers = {
  pieces: async (stream, event) => {
    const out = begin(stream, { statusCode: 201, multiValueHeaders: { "x-many": ["a", "b"] }, cookies: ["c=1"] });
    out.write("first ");
    await door(event);
    out.write("second");
    out.end();
  },
  large: async (stream) => {
    const out = begin(stream);
    for (let piece = 0; piece < 320; piece += 1) {
      if (!out.write(Buffer.alloc(65_536, piece % 256))) await new Promise((resolve) => out.once("drain", resolve));
    }
    console.log("all written");
    out.end();
  },
  empty: async (stream) => { const out = begin(stream, { statusCode: 202 }); out.write(""); out.end(); },
  unfinished: async (stream) => { begin(stream).write("and so on"); },
  goesOn: async (stream, event) => { const out = begin(stream); out.write("all"); out.end(); await door(event); throw new Error("later"); },
  breaks: async (stream, event) => { begin(stream).write("half"); await door(event); throw new Error("no more"); },
  fails: async () => { throw new Error("not at all"); },
  headless: async (stream) => { stream.write('{"statusCode":200}'); stream.end(); },
  garbled: async (stream) => { begin(stream, { statusCode: "soon" }).end("x"); },
  late: async (stream, event) => { await door(event); begin(stream).end("x"); },
  silent: async (stream, event) => { begin(stream).write("half"); await door(event); stream.end("never"); },
};
export const handler = awslambda.streamifyResponse((event, stream, context) => answers[event.queryStringParameters.do](stream, event));
`;
const middyHandler = `
import middy from "@middy/core";
import { executionModeStreamifyResponse } from "@middy/core/StreamifyResponse";
import { Readable } from "node:stream";
export const handler = middy({ executionMode: executionModeStreamifyResponse })
  .handler(async (event) => ({ statusCode: 200, headers: { "content-type": "text/event-stream" }, body: Readable.from(["data: 1\\n\\n", "data: " + event.path + "\\n\\n"]) }));
`;
const plain = `export const handler = async () => ({ statusCode: 200, body: "whole" });`;

const temporary = mkdtempSync(path.join(tmpdir(), "streaming-"));
const lines: string[] = [];
let cloud: LocalCloud;
let doors: Doors;
let base = "";

async function bundled(source: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: path.resolve("."), loader: "js" },
    ...{ bundle: true, platform: "node", format: "esm", target: "node24", write: false },
  });
  return outputFiles[0]?.text ?? "";
}

const streamed = (functionId: string, more: object = {}) => ({
  Integration: {
    ...{ Type: "AWS_PROXY", IntegrationHttpMethod: "POST", ResponseTransferMode: "STREAM" },
    ...{ Uri: invocationUri(functionId, true), ...more },
  },
});

beforeAll(async () => {
  doors = await makeDoors();
  const resources = {
    ...api(),
    ...{ Answer: resource("answer"), Middy: resource("middy"), Plain: resource("plain"), Short: resource("short") },
    Buffered: resource("buffered"),
    AnswerGet: method("Answer", "GET", streamed("Streaming", { TimeoutInMillis: 900_000 })),
    AnswerHead: method("Answer", "HEAD", streamed("Streaming")),
    MiddyGet: method("Middy", "GET", streamed("WithMiddy")),
    PlainGet: method("Plain", "GET", streamed("Whole")),
    ShortGet: method("Short", "GET", streamed("Streaming")),
    BufferedGet: method("Buffered", "GET", proxyTo("Streaming")),
    ...{ One: permission("Streaming"), Two: permission("WithMiddy"), Three: permission("Whole") },
  };
  const functions = { Streaming: streaming, WithMiddy: await bundled(middyHandler), Whole: plain };
  const assemblyDirectory = writeAssembly(mkdtempSync(path.join(temporary, "cdk-")), { functions, resources });
  cloud = await bootCloud({
    assemblyDirectory,
    stateDirectory: path.join(temporary, "state"),
    clock: new Clock(),
    onLog: (_name, line) => lines.push(line),
  });
  base = cloud.api.url;
});
afterAll(async () => {
  doors.close();
  await cloud.close();
  rmSync(temporary, { recursive: true });
});

const finished = () => cloud.lambda.lastInvocations.length;
/** Its door has the action's name. */
const ask = (action: string, at = "answer") => fetch(`${base}/${at}?do=${action}&door=${doors.urlOf(action)}`);

describe("a streamed answer", () => {
  test("reaches the client piece by piece, its status and headers first", async () => {
    const before = finished();
    const response = await ask("pieces");
    expect([response.status, response.headers.get("content-length")]).toEqual([201, null]);
    expect([response.headers.get("x-many"), response.headers.get("set-cookie")]).toEqual(["a, b", "c=1"]);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader?.read())?.value).toBe("first ");
    // The function is still at work.
    expect(finished()).toBe(before);
    doors.open("pieces");
    expect((await reader?.read())?.value).toBe("second");
    expect((await reader?.read())?.done).toBe(true);
  });

  test("may be larger than a buffered one, and is written no faster than it is read", async () => {
    const response = await fetch(`${base}/answer?do=large`);
    const reader = response.body?.getReader();
    let bytes = (await reader?.read())?.value?.length ?? 0;
    // The function stands still as soon as the buffers on the way are full: 20 MiB do not fit into them.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(lines).not.toContain("all written");
    for (let piece = await reader?.read(); piece && !piece.done; piece = await reader?.read())
      bytes += piece.value.length;
    expect(bytes).toBe(320 * 65_536);
    await expect.poll(() => lines).toContain("all written");
  });

  test("is whole when its stream ends, while the function goes on, whatever becomes of it", async () => {
    const before = finished();
    const response = await ask("goesOn");
    expect(await response.text()).toBe("all");
    expect(finished()).toBe(before);
    doors.open("goesOn");
    await expect
      .poll(() => cloud.lambda.lastInvocations.slice(before))
      .toMatchObject([{ error: { errorMessage: "later" } }]);
  });

  test("may be empty, and is ended for a function that forgot it", async () => {
    const empty = await fetch(`${base}/answer?do=empty`);
    expect([empty.status, await empty.text()]).toEqual([202, ""]);
    expect(await (await fetch(`${base}/answer?do=unfinished`)).text()).toBe("and so on");
    const head = await fetch(`${base}/answer?do=empty`, { method: "HEAD" });
    expect(head.status).toBe(202);
  });

  test("comes from middy's streaming mode, too", async () => {
    const response = await fetch(`${base}/middy`);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(await response.text()).toBe("data: 1\n\ndata: /middy\n\n");
  });

  test("that breaks in the middle is broken off, not ended", async () => {
    const response = await ask("breaks");
    expect(response.status).toBe(200);
    doors.open("breaks");
    await expect(response.text()).rejects.toThrow();
  });

  test("is broken off when it is silent for too long, while the function goes on", async () => {
    const before = finished();
    const response = await ask("silent");
    cloud.clock.advance(30_000);
    await expect(response.text()).rejects.toThrow();
    expect(finished()).toBe(before);
    doors.open("silent");
    await expect.poll(finished).toBe(before + 1);
    expect(cloud.lambda.lastInvocations.at(-1)).not.toHaveProperty("error");
  });

  test("goes on without its client", async () => {
    const before = finished();
    const leaving = new AbortController();
    const response = await fetch(`${base}/answer?do=large`, { signal: leaving.signal });
    await response.body?.getReader().read();
    leaving.abort();
    await expect.poll(finished).toBe(before + 1);
    expect(cloud.lambda.lastInvocations.at(-1)).not.toHaveProperty("error");
  });

  test.each(["fails", "headless", "garbled"])("of a function that %s is a 502", async (what) => {
    const response = await fetch(`${base}/answer?do=${what}`);
    expect([response.status, await response.json()]).toEqual([502, { message: "Internal server error" }]);
  });

  test("that is not a stream at all is a 502, and a stream asked for as a whole is one as well", async () => {
    expect((await fetch(`${base}/plain`)).status).toBe(502);
    expect((await fetch(`${base}/buffered?do=unfinished`)).status).toBe(502);
  });

  test("whose beginning comes too late is a 504", async () => {
    const asked = ask("late", "short");
    await doors.knocked("late");
    cloud.clock.advance(29_000);
    expect((await asked).status).toBe(504);
    doors.open("late");
  });
});

test("a streaming function that is invoked as any other gives all it wrote as its payload", async () => {
  const { payload } = await cloud.lambda.run(
    "streaming",
    JSON.stringify({ queryStringParameters: { do: "headless" } }),
  );
  expect(payload).toBe('{"statusCode":200}');
});
