// Tokens that are not valid here, each kind of them, at the real front; and addresses and methods that are not there.
import { generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConsoleRig } from "./console-rig.ts";

let rig: ConsoleRig;

beforeAll(async () => {
  rig = await ConsoleRig.start();
});

afterAll(async () => {
  await rig?.close();
});

const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** The claims of a good token of this role. */
async function goodClaims(): Promise<Record<string, unknown>> {
  const [, payload = ""] = (await rig.cloud.signIn.tokenFor("admin")).split(".");
  return JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
}

const wrongTokens: readonly (readonly [what: string, make: () => Promise<string>])[] = [
  ["has expired", () => rig.cloud.signIn.tokenFor("admin", { expired: true })],
  ["is an id token", () => rig.cloud.signIn.tokenFor("admin", { kind: "id" })],
  ["was signed by another key", () => rig.cloud.signIn.tokenFor("admin", { foreignKey: true })],
  ["is another issuer's", () => rig.cloud.signIn.tokenFor("admin", { issuer: "https://elsewhere.example" })],
  ["was made for another client", () => rig.cloud.signIn.tokenFor("admin", { audience: "another-client" })],
  ["is a machine's that has expired", () => rig.cloud.signIn.machineToken(["causeway/operator"], { expired: true })],
  ["is signed by nobody", async () => `${base64({ alg: "none", typ: "JWT" })}.${base64(await goodClaims())}.`],
  [
    "is signed with a secret instead of a key",
    async () => new SignJWT(await goodClaims()).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from("0".repeat(32))),
  ],
  [
    "is signed by a key of another kind",
    async () => {
      const { privateKey } = await generateKeyPair("ES256");
      return new SignJWT(await goodClaims()).setProtectedHeader({ alg: "ES256", kid: "1" }).sign(privateKey);
    },
  ],
  [
    "has one letter of its signature changed",
    async () => {
      const [head, claims, signature = ""] = (await rig.cloud.signIn.tokenFor("admin")).split(".");
      return `${head}.${claims}.${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
    },
  ],
  [
    "has claims that were changed",
    async () => {
      const [head, , signature] = (await rig.cloud.signIn.tokenFor("viewer")).split(".");
      return `${head}.${base64({ ...(await goodClaims()), "cognito:groups": ["admin"] })}.${signature}`;
    },
  ],
  ["is no token", async () => "not.a.token"],
  ["is too long", async () => `${"x".repeat(9000)}.y.z`],
];

describe("a token that", () => {
  it.each(wrongTokens)("%s is a 401 in the API's own envelope", async (_what, make) => {
    const answer = await rig.call("/api/jobs", { as: await make() });
    expect(answer.status).toBe(401);
    expect(answer.envelope).toMatchObject({
      code: 401,
      data: { name: "Unauthenticated", fields: [], retryable: false, requestId: expect.any(String) },
    });
    expect(answer.headers.get("www-authenticate")).toContain("Bearer");
  });

  it("is not sent as a bearer is none", async () => {
    const token = await rig.cloud.signIn.tokenFor("admin");
    for (const header of [token, `Basic ${token}`, `Bearer: ${token}`, "Bearer", `Bearer ${token} ${token}`]) {
      const answer = await rig.call("/api/jobs", { headers: { Authorization: header } });
      expect([header.slice(0, 8), answer.status]).toEqual([header.slice(0, 8), 401]);
    }
    expect((await rig.call("/api/jobs", { headers: { Authorization: `bearer ${token}` } })).status).toBe(200);
  });

  it("has groups that are no roles may nothing", async () => {
    const nobody = await rig.cloud.signIn.tokenFor("admin", { claims: { "cognito:groups": ["guests"] } });
    expect((await rig.call("/api/jobs", { as: nobody })).status).toBe(403);
  });

  it("is a person's gets no role from a scope, and is a machine's none from a group", async () => {
    const person = await rig.cloud.signIn.tokenFor("viewer", { claims: { scope: "openid causeway/admin" } });
    expect((await rig.call("/api/audit", { as: person })).status).toBe(403);
    const machine = await rig.cloud.signIn.machineToken(["causeway/viewer"]);
    expect((await rig.call("/api/config", { as: machine })).status).toBe(403);
  });
});

describe("what API Gateway and the framework answer together", () => {
  it.each(["/", "/api", "/api/nothing", "/docs/nothing.js", "/api/jobs/a/b/c"])("%s is a 404", async (path) => {
    const answer = await rig.call(path);
    expect([answer.status, answer.envelope.data.name]).toEqual([404, "NotFound"]);
  });

  it("405 says which methods there are, and OPTIONS opens nothing to other origins", async () => {
    const refused = await rig.call("/api/jobs", { method: "DELETE" });
    expect([refused.status, refused.headers.get("allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
    const options = await rig.call("/api/jobs/x/cancel", {
      method: "OPTIONS",
      headers: { Origin: "https://elsewhere.example", "Access-Control-Request-Method": "POST" },
    });
    expect([options.status, options.headers.get("allow")]).toEqual([204, "POST, OPTIONS"]);
    expect([...options.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  it("HEAD has the headers of GET, and no body", async () => {
    const head = await rig.call("/openapi.json", { method: "HEAD" });
    expect([head.status, head.text, head.headers.get("content-type")]).toEqual([
      200,
      "",
      "application/json; charset=utf-8",
    ]);
  });

  it("health answers without a token, and every answer carries API Gateway's request id", async () => {
    const answer = await rig.call("/api/health");
    expect(answer.envelope).toMatchObject({ code: 0, data: { status: "ok" } });
    expect(answer.headers.get("x-request-id")).toBe(answer.headers.get("x-amzn-requestid"));
  });

  it("a fault of the authorizer is a 503, never a 401", async () => {
    rig.faults.add({ service: "lambda", resourceIncludes: "AuthorizeRequest", effect: { kind: "throttle" } });
    const answer = await rig.call("/api/jobs", { as: await rig.cloud.signIn.tokenFor("operator") });
    rig.faults.clear();
    expect([answer.status, answer.envelope.data]).toMatchObject([503, { name: "AwsUnavailable", retryable: true }]);
  });
});
