// The REST front over real HTTP: which method a path means, what the function gets, and what the client gets back.
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { bootCloud, type LocalCloud } from "../../../local/cloud.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { type Doors, makeDoors } from "./doors.ts";
import { api, gatewayResponse, method, permission, proxyTo, resource, writeAssembly } from "./small-assembly.ts";

/** Answers with its event, or as the event's query says. */
const echo = `
const answers = {
  echo: (event) => ({ statusCode: 200, body: JSON.stringify(event) }),
  answer: (event) => JSON.parse(event.body),
  throw: () => { throw new Error("not today"); },
  wait: async (event) => { await (await fetch(event.queryStringParameters.door)).text(); return { statusCode: 200, body: "late" }; },
};
export const handler = (event) => answers[event.queryStringParameters?.do ?? "echo"](event);
`;

const temporary = mkdtempSync(path.join(tmpdir(), "api-front-"));
let cloud: LocalCloud;
let doors: Doors;
let base = "";

beforeAll(async () => {
  doors = await makeDoors();
  const assemblyDirectory = writeAssembly(mkdtempSync(path.join(temporary, "cdk-")), {
    functions: { Echo: echo, Stranger: echo },
    resources: {
      ...api({ BinaryMediaTypes: ["application/octet-stream", "image/*"] }),
      EchoPermission: permission("Echo", "*/*/jobs*"),
      EchoElsewhere: permission("Echo", "live/*/docs/*"),
      Jobs: resource("jobs"),
      Job: resource("{jobId}", "Jobs"),
      Newest: resource("newest", "Jobs"),
      Parts: resource("parts", "Job"),
      Rest: resource("{rest+}", "Jobs"),
      Docs: resource("docs"),
      DocFile: resource("{file+}", "Docs"),
      Closed: resource("closed"),
      JobsGet: method("Jobs", "GET", proxyTo("Echo")),
      JobsPost: method("Jobs", "POST", proxyTo("Echo")),
      JobGet: method("Job", "GET", proxyTo("Echo")),
      NewestGet: method("Newest", "GET", proxyTo("Echo")),
      PartsGet: method("Parts", "GET", {
        ...proxyTo("Echo"),
        RequestValidatorId: { Ref: "Validator" },
        RequestParameters: { "method.request.querystring.page": true, "method.request.querystring.more": false },
      }),
      Validator: {
        Type: "AWS::ApiGateway::RequestValidator",
        Properties: { RestApiId: { Ref: "Api" }, ValidateRequestParameters: true },
      },
      RestAny: method("Rest", "ANY", proxyTo("Echo")),
      DocGet: method("DocFile", "GET", proxyTo("Echo")),
      // No permission lets API Gateway call it.
      ClosedGet: method("Closed", "GET", proxyTo("Stranger")),
      ClosedPut: method("Closed", "PUT", { AuthorizationType: "AWS_IAM", ...proxyTo("Echo") }),
      JobsOptions: method("Jobs", "OPTIONS", {
        Integration: {
          Type: "MOCK",
          RequestTemplates: { "application/json": "{ statusCode: 200 }" },
          IntegrationResponses: [
            {
              StatusCode: "204",
              ResponseParameters: { "method.response.header.Access-Control-Allow-Origin": "'https://example.com'" },
            },
          ],
        },
      }),
      Faulty: gatewayResponse("DEFAULT_5XX", {
        ResponseParameters: { "gatewayresponse.header.X-Trouble": "'behind the front'" },
        ResponseTemplates: {
          "application/json":
            '{"code":500,"message":$context.error.messageString,"type":"$context.error.responseType","path":"$context.path","requestId":"$context.requestId"}',
        },
      }),
    },
    outputs: {
      Url: {
        Value: {
          "Fn::Join": [
            "",
            [
              ...["https://", { Ref: "Api" }, ".execute-api.", { Ref: "AWS::Region" }, ".", { Ref: "AWS::URLSuffix" }],
              ...["/", { Ref: "Stage" }, "/"],
            ],
          ],
        },
      },
    },
  });
  cloud = await bootCloud({
    assemblyDirectory,
    stateDirectory: path.join(temporary, "state"),
    clock: new Clock(),
  });
  base = cloud.api.url;
});
afterEach(() => cloud.faults.clear());
afterAll(async () => {
  doors.close();
  await cloud.close();
  rmSync(temporary, { recursive: true });
});

/** What the function got, by way of the function's own answer. */
async function event(address: string, init?: RequestInit) {
  const response = await fetch(`${base}${address}`, init);
  expect(response.status).toBe(200);
  return JSON.parse(await response.text());
}

/** Lets the function answer like this. */
function answered(answer: unknown, headers: Record<string, string> = {}) {
  return fetch(`${base}/jobs?do=answer`, { method: "POST", body: JSON.stringify(answer), headers });
}

/** With full control over path, header names and repeated headers, which fetch does not give. */
function raw(rawPath: string, headers: readonly string[] = ["Host", "localhost"], httpMethod = "GET") {
  const { hostname, port } = new URL(base);
  return new Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string }>((resolve, reject) => {
    const request = http.request({ hostname, port, path: rawPath, method: httpMethod, headers }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    request.on("error", reject).end();
  });
}

describe("a path", () => {
  const paths: [string, string, object | null][] = [
    ["/jobs", "/jobs", null],
    ["/jobs/", "/jobs", null],
    ["/jobs/newest", "/jobs/newest", null],
    ["/jobs/42", "/jobs/{jobId}", { jobId: "42" }],
    ["/jobs/a%2Fb%20c/parts?page=1", "/jobs/{jobId}/parts", { jobId: "a%2Fb%20c" }],
    // Both `newest` and `{jobId}` could begin it, and only one of them goes on.
    ["/jobs/newest/parts?page=1", "/jobs/{jobId}/parts", { jobId: "newest" }],
    ["/jobs/a/b/c/", "/jobs/{rest+}", { rest: "a/b/c" }],
    ["/docs/a", "/docs/{file+}", { file: "a" }],
  ];
  test.each(paths)("%s means %s", async (address, found, pathParameters) => {
    const got = await event(address);
    expect(got).toMatchObject({ resource: found, path: address.replace(/\?.*/, ""), pathParameters });
    expect(got.requestContext.resourcePath).toBe(found);
  });

  test.each([
    ["GET", "/nowhere"],
    ["GET", "/docs"],
    ["DELETE", "/jobs"],
    ["HEAD", "/jobs"],
    ["TRACE", "/jobs/a/b"],
    ["GET", ""],
  ])("%s %s, which nobody answers, is taken for an unsigned call", async (httpMethod, address) => {
    const { status, headers, body } = await raw(`/live${address}`, undefined, httpMethod);
    expect(status).toBe(403);
    expect(headers["x-amzn-errortype"]).toBe("MissingAuthenticationTokenException");
    if (httpMethod !== "HEAD") expect(JSON.parse(body)).toEqual({ message: "Missing Authentication Token" });
  });

  test("may leave the stage out, as behind a custom domain", async () => {
    const { shortUrl } = cloud.api.list()[0] ?? {};
    const long = await event("/jobs/1");
    const short = await (await fetch(`${shortUrl}/jobs/1`)).json();
    expect([long.path, short.path]).toEqual(["/jobs/1", "/jobs/1"]);
    expect([long.requestContext.path, short.requestContext.path]).toEqual(["/live/jobs/1", "/jobs/1"]);
    expect(short.requestContext.stage).toBe("live");
    expect(cloud.output("Url")).toBe(`${base}/`);
  });
});

describe("the function", () => {
  test("gets the whole of the proxy event", async () => {
    const headers = ["tEsT-Header", "one", "test-header", "two", "User-Agent", "tester", "Host", "127.0.0.1:1"];
    const { body } = await raw("/live/jobs/7?a=1&a=2&b=x+y%2Bz&c&d=%E4%BD%A0&e=%zz", headers);
    const got = JSON.parse(body);
    expect(got).toMatchObject({
      resource: "/jobs/{jobId}",
      path: "/jobs/7",
      httpMethod: "GET",
      pathParameters: { jobId: "7" },
      queryStringParameters: { a: "2", b: "x y+z", c: "", d: "你", e: "%zz" },
      multiValueQueryStringParameters: { a: ["1", "2"], b: ["x y+z"], c: [""], d: ["你"], e: ["%zz"] },
      stageVariables: null,
      body: null,
      isBase64Encoded: false,
      requestContext: {
        accountId: "111122223333",
        domainName: "127.0.0.1:1",
        httpMethod: "GET",
        identity: { sourceIp: "127.0.0.1", userAgent: "tester", userArn: null },
        path: "/live/jobs/7",
        protocol: "HTTP/1.1",
        resourcePath: "/jobs/{jobId}",
        stage: "live",
      },
    });
    expect(got.headers).toMatchObject({
      "tEsT-Header": "two",
      "X-Forwarded-For": "127.0.0.1",
      "X-Forwarded-Proto": "http",
    });
    expect(got.multiValueHeaders["tEsT-Header"]).toEqual(["one", "two"]);
    expect(Object.keys(got.headers).map((name) => name.toLowerCase())).not.toContain("connection");
    const { requestContext } = got;
    expect(requestContext.apiId).toMatch(/^[a-z0-9]{10}$/);
    expect(requestContext.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(requestContext.requestTime).toMatch(/^\d{2}\/[A-Z][a-z]{2}\/\d{4}:\d{2}:\d{2}:\d{2} \+0000$/);
    expect(Math.abs(requestContext.requestTimeEpoch - cloud.clock.now())).toBeLessThan(600_000);
    expect(requestContext).not.toHaveProperty("authorizer");
  });

  test("gets a body as text, or in base64 when its type is binary", async () => {
    const send = (body: string | Uint8Array<ArrayBuffer>, type: string) =>
      event("/jobs", { method: "POST", body, headers: { "content-type": type } });
    expect(await send("grüße", "text/plain")).toMatchObject({ body: "grüße", isBase64Encoded: false });
    const bytes = new Uint8Array([0, 255, 128]);
    for (const type of ["application/octet-stream", "image/png; x=y"]) {
      expect(await send(bytes, type)).toMatchObject({ body: "AP+A", isBase64Encoded: true });
    }
  });

  test("is asked by no one else than whom its policy names", async () => {
    const response = await fetch(`${base}/closed`);
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ message: "Internal server error", type: "API_CONFIGURATION_ERROR" });
    expect(cloud.iam.calls.denied()).toContainEqual(
      expect.objectContaining({ principalArn: "apigateway.amazonaws.com", action: "lambda:InvokeFunction" }),
    );
  });
});

describe("the answer", () => {
  test("has the function's status, headers and body, and those that API Gateway adds", async () => {
    const response = await answered({
      statusCode: "201",
      headers: { "X-One": "1", "X-Both": "lost", "X-Flag": true, "X-Number": 5 },
      multiValueHeaders: { "x-both": ["a", "b"], "Set-Cookie": ["a=1", "b=2"] },
      body: "made",
    });
    expect(response.status).toBe(201);
    expect(await response.text()).toBe("made");
    const { headers } = response;
    expect([headers.get("x-one"), headers.get("x-both"), headers.get("x-flag")]).toEqual(["1", "a, b", "true"]);
    expect(headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(headers.get("content-type")).toBe("application/json");
    expect(headers.get("x-amzn-requestid")).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers.get("x-amz-apigw-id")).toMatch(/=$/);
  });

  test("may be nearly nothing", async () => {
    const response = await answered({});
    expect([response.status, await response.text()]).toEqual([200, ""]);
    expect((await answered({ statusCode: 204 })).headers.get("content-length")).toBeNull();
  });

  test("does not carry headers that are API Gateway's own under their own name", async () => {
    const { headers } = await answered({
      headers: { "WWW-Authenticate": "Bearer", Date: "never", "Content-Length": "99" },
    });
    expect(headers.get("www-authenticate")).toBeNull();
    expect(headers.get("x-amzn-remapped-www-authenticate")).toBe("Bearer");
    expect(headers.get("x-amzn-remapped-date")).toBe("never");
  });

  test("in base64 is decoded for those who accept a binary type, and for no one else", async () => {
    const answer = { statusCode: 200, headers: { "content-type": "image/png" }, body: "AP+A", isBase64Encoded: true };
    const binary = await answered(answer, { accept: "image/png, text/html" });
    expect([...new Uint8Array(await binary.arrayBuffer())]).toEqual([0, 255, 128]);
    expect(await (await answered(answer, { accept: "text/html, image/png" })).text()).toBe("AP+A");
  });

  test.each([
    ["a text", "hello"],
    ["null", null],
    ["an object as body", { statusCode: 200, body: { a: 1 } }],
    ["a member that is not known", { statusCode: 200, result: 1 }],
    ["a status that is none", { statusCode: "soon" }],
    ["a header that HTTP cannot carry", { headers: { "x-bad": "a\nb" } }],
  ])("is a 502 when the function returns %s", async (_name, answer) => {
    const response = await answered(answer);
    expect(response.status).toBe(502);
    expect(response.headers.get("x-trouble")).toBe("behind the front");
    expect(await response.json()).toMatchObject({ code: 500, message: "Internal server error", path: "/live/jobs" });
  });

  test("is a 502 when the function throws, and a 504 when it takes too long, while the function goes on", async () => {
    const thrown = await fetch(`${base}/jobs?do=throw`);
    expect([thrown.status, (await thrown.json()).type]).toEqual([502, "INTEGRATION_FAILURE"]);
    const asked = fetch(`${base}/jobs?do=wait&door=${doors.urlOf("wait")}`);
    await doors.knocked("wait");
    cloud.clock.advance(29_000);
    const late = await asked;
    expect(late.status).toBe(504);
    expect(await late.json()).toMatchObject({ message: "Endpoint request timed out", type: "INTEGRATION_TIMEOUT" });
    doors.open("wait");
    await expect
      .poll(() => cloud.lambda.lastInvocations.at(-1))
      .toEqual({ functionName: "echo", outgoingCalls: 1, requestId: expect.any(String) });
  });

  test("refuses a request that is too large, for API Gateway or for Lambda", async () => {
    const send = (bytes: number) => fetch(`${base}/jobs`, { method: "POST", body: new Uint8Array(bytes).fill(97) });
    const large = await send(10_485_761);
    expect(large.status).toBe(413);
    expect(await large.json()).toEqual({ message: "HTTP content length exceeded 10485760 bytes." });
    const middle = await send(7_000_000);
    expect([middle.status, await middle.json()]).toEqual([413, { message: "Request Too Long" }]);
  });

  test("of a MOCK is as the template writes it", async () => {
    const response = await fetch(`${base}/jobs`, { method: "OPTIONS" });
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe("https://example.com");
  });

  test("names parameters that the validator misses", async () => {
    const response = await fetch(`${base}/jobs/1/parts?more=1`);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ message: "Missing required request parameters: [page]" });
  });

  test("of a method that cannot be carried out here is a 500, which boot has named", async () => {
    expect((await fetch(`${base}/closed`, { method: "PUT" })).status).toBe(500);
    expect(cloud.unknown).toContain(
      "AWS::ApiGateway::Method (ClosedPut): the authorization AWS_IAM is not built locally; the method answers 500.",
    );
    expect(cloud.unknown.filter((sentence) => sentence.includes("ApiGateway"))).toHaveLength(1);
  });
});

describe("the fault rig", () => {
  test("throttles, refuses and cuts off calls of a method", async () => {
    const operation = "GET /jobs/{jobId}";
    cloud.faults.add(
      { service: "apigateway", operation, effect: { kind: "throttle" } },
      { service: "apigateway", operation, fromCall: 2, effect: { kind: "error", status: 503, code: "Busy" } },
      { service: "apigateway", operation, fromCall: 3, effect: { kind: "reset" } },
      { service: "apigateway", operation, fromCall: 4, effect: { kind: "reset-after-work" } },
    );
    const throttled = await fetch(`${base}/jobs/1`);
    expect([throttled.status, await throttled.json()]).toEqual([429, { message: "Too Many Requests" }]);
    expect((await fetch(`${base}/jobs/1`)).status).toBe(503);
    await expect(raw("/live/jobs/1")).rejects.toThrow();
    const before = cloud.lambda.lastInvocations.length;
    await expect(raw("/live/jobs/1")).rejects.toThrow();
    expect(cloud.lambda.lastInvocations.length).toBe(before + 1);
    expect((await fetch(`${base}/jobs/1`)).status).toBe(200);
  });
});
