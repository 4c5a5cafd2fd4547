// REQUEST authorizers over real HTTP: whom they are asked about, what their policies allow, how long their word is kept.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bootCloud, type LocalCloud } from "../../../local/cloud.ts";
import { Clock } from "../../../local/rig/clock.ts";
import {
  api,
  gatewayResponse,
  invocationUri,
  method,
  permission,
  proxyTo,
  ref,
  resource,
  writeAssembly,
} from "./small-assembly.ts";

/** Decides by the token's first word. */
const authorizer = `
const policy = (Effect, Resource, context) => ({
  principalId: "ann", policyDocument: { Version: "2012-10-17", Statement: [{ Effect, Action: "execute-api:Invoke", Resource }] }, context });
const answers = {
  allow: () => policy("Allow", "*", { role: "admin", level: 3, trusted: true }),
  reader: (event) => policy("Allow", event.methodArn.replace(/\\/live\\/.*/, "/live/GET/*")),
  denied: () => policy("Deny", "*"),
  silent: () => ({ principalId: "ann", policyDocument: { Version: "2012-10-17", Statement: [] } }),
  unknown: () => { throw new Error("Unauthorized"); },
  broken: () => { throw new Error("no database"); },
  nested: () => policy("Allow", "*", { roles: ["admin"] }),
  shapeless: () => ({ allowed: true }),
  show: (event) => policy("Allow", "*", { event: JSON.stringify(event) }),
};
export const handler = async (event) => answers[event.headers.authorization?.split(" ")[0] ?? "allow"](event);
`;
const echo = "export const handler = async (event) => ({ statusCode: 200, body: JSON.stringify(event) });";

const temporary = mkdtempSync(path.join(tmpdir(), "authorizer-"));
const clock = new Clock();
let cloud: LocalCloud;

function authorizerOf(ttlSeconds: number, identitySource: string, functionId = "Guard"): object {
  return {
    Type: "AWS::ApiGateway::Authorizer",
    Properties: {
      ...{ RestApiId: ref("Api"), Name: "guard", Type: "REQUEST", IdentitySource: identitySource },
      ...{ AuthorizerUri: invocationUri(functionId), AuthorizerResultTtlInSeconds: ttlSeconds },
    },
  };
}

const guardedBy = (id: string) => ({ AuthorizationType: "CUSTOM", AuthorizerId: ref(id), ...proxyTo("Echo") });

beforeAll(async () => {
  const assemblyDirectory = writeAssembly(mkdtempSync(path.join(temporary, "cdk-")), {
    functions: { Echo: echo, Guard: authorizer, Stranger: authorizer },
    resources: {
      ...api(),
      EchoPermission: permission("Echo"),
      GuardPermission: permission("Guard", "authorizers/*"),
      Kept: authorizerOf(300, "method.request.header.Authorization"),
      Fresh: authorizerOf(0, "method.request.header.Authorization, method.request.querystring.key"),
      Forbidden: authorizerOf(0, "method.request.header.Authorization", "Stranger"),
      Jobs: resource("jobs"),
      Alerts: resource("alerts"),
      Locked: resource("locked"),
      JobsGet: method("Jobs", "GET", guardedBy("Kept")),
      JobsPost: method("Jobs", "POST", guardedBy("Kept")),
      AlertsGet: method("Alerts", "GET", guardedBy("Fresh")),
      LockedGet: method("Locked", "GET", guardedBy("Forbidden")),
      Denied: gatewayResponse("ACCESS_DENIED", {
        StatusCode: "404",
        ResponseTemplates: { "application/json": '{"code":404,"why":"$context.error.message"}' },
      }),
      Unsigned: gatewayResponse("DEFAULT_4XX", {
        ResponseParameters: {
          "gatewayresponse.header.WWW-Authenticate": "'Bearer'",
          "gatewayresponse.header.X-Request": "context.requestId",
          "gatewayresponse.header.X-Origin": "method.request.header.Origin",
        },
        ResponseTemplates: {
          "application/json":
            '{"code":"$context.error.responseType","message":$context.error.messageString,"who":"$context.identity.sourceIp","none":"$context.nothing"}',
        },
      }),
    },
  });
  cloud = await bootCloud({ assemblyDirectory, stateDirectory: path.join(temporary, "state"), clock });
});
afterAll(async () => {
  await cloud.close();
  rmSync(temporary, { recursive: true });
});

const asked = () => cloud.lambda.lastInvocations.filter(({ functionName }) => functionName === "guard").length;
const call = (address: string, token?: string, httpMethod = "GET") =>
  fetch(`${cloud.api.url}${address}`, {
    method: httpMethod,
    headers: { origin: "https://example.com", ...(token === undefined ? {} : { authorization: token }) },
  });

describe("an authorizer", () => {
  test("gives the function its context, as texts", async () => {
    const response = await call("/jobs", "allow one");
    expect(response.status).toBe(200);
    const { requestContext } = JSON.parse(await response.text());
    expect(requestContext.authorizer).toEqual({
      ...{ role: "admin", level: "3", trusted: "true", principalId: "ann", integrationLatency: expect.any(Number) },
    });
  });

  test("gets the request it is to judge", async () => {
    const response = await call("/alerts?key=1&key=2", "show it");
    const { authorizer: context } = JSON.parse(await response.text()).requestContext;
    const event = JSON.parse(context.event);
    const [running] = cloud.api.list();
    expect(event).toMatchObject({
      type: "REQUEST",
      methodArn: `arn:aws:execute-api:eu-central-1:111122223333:${running?.apiId}/live/GET/alerts`,
      ...{ resource: "/alerts", path: "/alerts", httpMethod: "GET", pathParameters: null },
      headers: { authorization: "show it" },
      multiValueQueryStringParameters: { key: ["1", "2"] },
      requestContext: { stage: "live", resourcePath: "/alerts", identity: { sourceIp: "127.0.0.1" } },
    });
    expect(event).not.toHaveProperty("body");
  });

  test("is not asked when what it would look at is missing", async () => {
    const before = asked();
    for (const response of [await call("/jobs"), await call("/alerts", "allow"), await call("/alerts?key=", "allow")]) {
      expect(response.status).toBe(401);
    }
    const response = await call("/jobs");
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
    expect(response.headers.get("x-request")).toBe(response.headers.get("x-amzn-requestid"));
    expect(response.headers.get("x-origin")).toBe("https://example.com");
    const expected = { code: "UNAUTHORIZED", message: "Unauthorized", who: "127.0.0.1", none: "" };
    expect(await response.json()).toEqual(expected);
    expect(asked()).toBe(before);
  });

  test("is taken at its word for its time, for every method, and for the same identity only", async () => {
    const before = asked();
    const statuses = async (token: string) => [
      (await call("/jobs", token)).status,
      (await call("/jobs", token, "POST")).status,
    ];
    expect(await statuses("reader kept")).toEqual([200, 404]);
    expect(await statuses("reader kept")).toEqual([200, 404]);
    expect(asked()).toBe(before + 1);
    await call("/jobs", "reader other");
    expect(asked()).toBe(before + 2);
    clock.advance(300_001);
    await call("/jobs", "reader kept");
    expect(asked()).toBe(before + 3);
  });

  test("is asked each time when its word is not kept", async () => {
    const before = asked();
    for (const _ of [1, 2]) expect((await call("/alerts?key=1", "allow")).status).toBe(200);
    expect(asked()).toBe(before + 2);
  });

  test.each([
    ["denied", 404, { code: 404, why: "User is not authorized to access this resource with an explicit deny" }],
    ["silent", 404, { code: 404, why: "User is not authorized to access this resource" }],
    ["unknown", 401, { code: "UNAUTHORIZED" }],
    ["broken", 500, { message: null }],
    ["nested", 500, { message: null }],
    ["shapeless", 500, { message: null }],
  ])("that is %s leads to %i", async (token, status, body) => {
    const response = await call("/jobs", token);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject(body);
  });

  test("whose function does not let API Gateway in is a fault of the configuration", async () => {
    const response = await call("/locked", "allow");
    expect([response.status, response.headers.get("x-amzn-errortype")]).toEqual([
      500,
      "AuthorizerConfigurationException",
    ]);
  });
});

test("an unknown path is answered as the template's DEFAULT_4XX says, with its own status", async () => {
  const response = await call("/nowhere");
  expect(response.status).toBe(403);
  expect(await response.json()).toMatchObject({ code: "MISSING_AUTHENTICATION_TOKEN" });
});
