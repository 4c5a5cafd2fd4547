// A streaming function behind `{proxy+}` and the root, as a relay is built: what it is given, and what its clients get, byte
// for byte; over real HTTP.
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bootCloud, type LocalCloud } from "../../../local/cloud.ts";
import { api, invocationUri, method, permission, resource, writeAssembly } from "./small-assembly.ts";

/** Answers with its event, or as the header x-do says. */
const relay = `
import { setTimeout as wait } from "node:timers/promises";
const actions = {
  echo: (out, event) => { out.write(JSON.stringify(event)); },
  size: (out, event) => { out.write(String(event.body.length)); },
  events: async (out, event, go) => { for (let number = 0; number < 3; number += 1) { out.write("data: " + number + "\\n\\n"); await go(); } },
  pieces: (out) => { out.write("a"); out.write("bc"); out.write("def"); },
  endless: async (out) => {
    for (let piece = 0; piece < 200; piece += 1) {
      if (!out.write(Buffer.alloc(65_536, 97))) await new Promise((resolve) => out.once("drain", resolve));
    }
    console.log("came to its end");
  },
};
let free = () => undefined;
const go = () => new Promise((resolve) => { free = resolve; });
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  const what = event.multiValueHeaders["x-do"]?.[0] ?? "echo";
  const out = awslambda.HttpResponseStream.from(stream, { statusCode: 200, headers: { "content-type": "text/event-stream" } });
  if (what === "go") free();
  else await actions[what](out, event, go);
  if (what === "go") out.write("");
  out.end();
});
`;

const temporary = mkdtempSync(path.join(tmpdir(), "streaming-proxy-"));
const lines: string[] = [];
let cloud: LocalCloud;
let port = 0;

beforeAll(async () => {
  const streams = {
    Integration: {
      ...{ Type: "AWS_PROXY", IntegrationHttpMethod: "POST", ResponseTransferMode: "STREAM" },
      ...{ Uri: invocationUri("Relay", true), TimeoutInMillis: 900_000 },
    },
  };
  const resources = {
    ...api({ BinaryMediaTypes: ["*/*"] }),
    Proxy: resource("{proxy+}"),
    ProxyAny: method("Proxy", "ANY", streams),
    RootAny: method(undefined, "ANY", streams),
    MayCall: permission("Relay"),
    Relay: {
      Type: "AWS::Lambda::Function",
      Properties: {
        ...{ Code: { S3Bucket: "cdk-assets", S3Key: "Code.zip" }, FunctionName: "relay", Handler: "index.handler" },
        ...{ Runtime: "nodejs24.x", Role: { "Fn::GetAtt": ["Role", "Arn"] }, Timeout: 60, MemorySize: 512 },
      },
      Metadata: { "causeway:concurrentInvocations": 20 },
    },
  };
  const assemblyDirectory = writeAssembly(mkdtempSync(path.join(temporary, "cdk-")), {
    functions: { Code: relay },
    resources,
  });
  cloud = await bootCloud({
    assemblyDirectory,
    stateDirectory: path.join(temporary, "state"),
    onLog: (_name, line) => lines.push(line),
  });
  port = cloud.api.list()[0]?.port ?? 0;
});
afterAll(async () => {
  await cloud.close();
  rmSync(temporary, { recursive: true });
});

interface Sent {
  readonly method?: string;
  readonly headers?: http.OutgoingHttpHeaders | readonly string[];
  readonly body?: Buffer | string;
}

/** Nothing of a URL library in between: the path goes out as it is written here. */
function send(rawPath: string, { method = "GET", headers = {}, body }: Sent = {}): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path: rawPath, method, headers, agent: false };
    http
      .request(options as http.RequestOptions, resolve)
      .on("error", reject)
      .end(body);
  });
}

async function textOf(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

const eventOf = async (rawPath: string, sent?: Sent) => JSON.parse(await textOf(await send(rawPath, sent)));

describe("the event", () => {
  test.each([
    ["/live/v1/messages", "/v1/messages", "v1/messages"],
    ["//v1/messages", "//v1/messages", "/v1/messages"],
    ["/claude//v1/messages", "/claude//v1/messages", "claude//v1/messages"],
    ["/live//v1//messages/", "//v1//messages/", "/v1//messages"],
    ["/model/us.model%3A0%2Fx/invoke", "/model/us.model%3A0%2Fx/invoke", "model/us.model%3A0%2Fx/invoke"],
    ["/v1beta/models/gemini:countTokens", "/v1beta/models/gemini:countTokens", "v1beta/models/gemini:countTokens"],
  ])("of %s keeps the path as it was sent", async (sent, seen, proxy) => {
    const event = await eventOf(sent);
    expect([event.path, event.pathParameters.proxy]).toEqual([seen, proxy]);
  });

  test("comes of the root and of any method", async () => {
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
      const event = await eventOf("/", { method });
      expect([event.httpMethod, event.resource, event.pathParameters]).toEqual([method, "/", null]);
    }
    const head = await send("/api/hello", { method: "HEAD" });
    expect([head.statusCode, await textOf(head)]).toEqual([200, ""]);
  });

  test("has every value of a header and of the query", async () => {
    const headers = ["Host", "x", "X-Many", "a", "x-many", "b"];
    const event = await eventOf("/v1?key=a&key=b%2Fc&empty=&alt=sse", { headers });
    expect(event.multiValueHeaders["X-Many"]).toEqual(["a", "b"]);
    expect(event.headers["X-Many"]).toBe("b");
    expect(event.multiValueQueryStringParameters).toEqual({ key: ["a", "b/c"], empty: [""], alt: ["sse"] });
  });

  test("carries any body as base64 where all types are binary", async () => {
    const body = Buffer.from([0, 255, 31, 139, 8, 10]);
    const event = await eventOf("/v1", { method: "POST", body, headers: { "content-encoding": "gzip" } });
    expect([event.isBase64Encoded, event.body]).toEqual([true, body.toString("base64")]);
    expect(event.headers["content-encoding"]).toBe("gzip");
  });
});

describe("a request that is too large", () => {
  const post = (bytes: number) =>
    send("/v1/messages", { method: "POST", body: Buffer.alloc(bytes, 97), headers: { "x-do": "size" } });

  test("for Lambda is API Gateway's 413, though API Gateway would take it", async () => {
    // Base64 makes four letters of three bytes; the rest of the event needs some room too.
    const fits = await post(4_700_000);
    expect([fits.statusCode, await textOf(fits)]).toEqual([200, String(Math.ceil(4_700_000 / 3) * 4)]);
    const large = await post(4_720_000);
    expect([large.statusCode, await textOf(large)]).toEqual([413, '{"message":"Request Too Long"}']);
  });

  test("for API Gateway itself has its own words", async () => {
    const large = await post(10_485_761);
    expect([large.statusCode, JSON.parse(await textOf(large)).message]).toEqual([
      413,
      "HTTP content length exceeded 10485760 bytes.",
    ]);
  });
});

describe("the stream", () => {
  test("brings each event as soon as it is written, the function waiting for the client to have seen it", async () => {
    const response = await send("/v1/messages", { headers: { "x-do": "events" } });
    const pieces = response[Symbol.asyncIterator]();
    for (const number of [0, 1, 2]) {
      expect(String((await pieces.next()).value)).toBe(`data: ${number}\n\n`);
      await textOf(await send("/", { headers: { "x-do": "go" } }));
    }
    expect((await pieces.next()).done).toBe(true);
  });

  test("goes out in the pieces in which it was written", async () => {
    const raw = await new Promise<string>((resolve, reject) => {
      const socket = http.request({ host: "127.0.0.1", port, path: "/", headers: { "x-do": "pieces" }, agent: false });
      let text = "";
      socket.on("socket", (connection) => connection.on("data", (bytes: Buffer) => (text += bytes)));
      socket.on("response", (response) => response.resume().on("end", () => resolve(text))).on("error", reject);
      socket.end();
    });
    expect(raw.slice(raw.indexOf("\r\n\r\n"))).toBe("\r\n\r\n1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n");
  });

  test("is written to its end for a client that left, which nobody tells the function", async () => {
    const response = await send("/v1/messages", { headers: { "x-do": "endless" } });
    await response[Symbol.asyncIterator]().next();
    response.destroy();
    await expect.poll(() => lines, { timeout: 20_000 }).toContain("came to its end");
    expect(cloud.lambda.lastInvocations.at(-1)).not.toHaveProperty("error");
  });

  test("of a hundred requests at once stays each client's own, in environments that are shared", async () => {
    const events = await Promise.all(Array.from({ length: 100 }, (_none, number) => eventOf(`/v1/${number}`)));
    expect(events.map((event) => event.path)).toEqual(events.map((_event, number) => `/v1/${number}`));
    expect(cloud.lambda.warmThreads).toBeLessThanOrEqual(5);
  });
});
