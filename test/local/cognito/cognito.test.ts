// The issuer over real HTTP, as its clients use it: discovery, code with PKCE, refresh, client credentials, links, restarts.
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { createRemoteJWKSet, decodeProtectedHeader, type JWTPayload, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bootCloud, type LocalCloud } from "../../../local/cloud.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { writeAssembly } from "../api-gateway/small-assembly.ts";
import { cliCallback, poolApp } from "./pool-app.ts";

const temporary = mkdtempSync(path.join(tmpdir(), "cognito-"));
const stateDirectory = path.join(temporary, "state");
const assemblyDirectory = writeAssembly(mkdtempSync(path.join(temporary, "cdk-")), poolApp);
const clock = new Clock({ startAtMilliseconds: Date.parse("2031-05-06T07:08:09Z") });
let cloud: LocalCloud;

beforeAll(async () => {
  cloud = await bootCloud({ assemblyDirectory, stateDirectory, clock });
});
afterAll(async () => {
  await cloud.close();
  rmSync(temporary, { recursive: true });
});

const now = () => Math.floor(clock.now() / 1000);

async function verified(token: string): Promise<JWTPayload> {
  const keys = createRemoteJWKSet(new URL(`${cloud.signIn.issuer}/.well-known/jwks.json`));
  const options = { issuer: cloud.signIn.issuer, currentDate: new Date(clock.now()), algorithms: ["RS256"] };
  return (await jwtVerify(token, keys, options)).payload;
}

interface AskedFor {
  readonly cookie?: string;
  readonly parameters?: Readonly<Record<string, string | undefined>>;
}

/** What a client sends a person to. Undefined takes a parameter away. */
function authorizeUrl(parameters: AskedFor["parameters"] = {}): URL {
  const url = new URL("/oauth2/authorize", cloud.signIn.url);
  const usual = {
    ...{ client_id: cloud.output("PeopleId"), response_type: "code", redirect_uri: cliCallback, state: "s t+1" },
    ...{ code_challenge: challenge, code_challenge_method: "S256", scope: "openid email", nonce: "n1" },
  };
  for (const [name, value] of Object.entries({ ...usual, ...parameters })) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

const verifier = randomBytes(32).toString("base64url");
const challenge = createHash("sha256").update(verifier).digest("base64url");

function authorize({ cookie, parameters }: AskedFor = {}) {
  return fetch(authorizeUrl(parameters), { redirect: "manual", headers: cookie === undefined ? {} : { cookie } });
}

/** As the sign-in page's button does. Returns where the person is sent, and the session's cookie. */
async function signInAs(username: string, parameters: AskedFor["parameters"] = {}) {
  const first = await authorize({ parameters });
  const login = new URL(first.headers.get("location") ?? "", cloud.signIn.url);
  expect(login.pathname).toBe("/login");
  const form = new URLSearchParams({ username });
  const response = await fetch(login, { method: "POST", body: form, redirect: "manual" });
  expect(response.status).toBe(302);
  const [cookie = ""] = response.headers.getSetCookie().map((each) => each.split(";")[0]);
  return { target: new URL(response.headers.get("location") ?? ""), cookie };
}

async function codeFor(username: string, parameters: AskedFor["parameters"] = {}): Promise<string> {
  return (await signInAs(username, parameters)).target.searchParams.get("code") ?? "";
}

async function token(form: Record<string, string>, headers: Record<string, string> = {}) {
  const body = new URLSearchParams(form);
  const response = await fetch(`${cloud.signIn.url}/oauth2/token`, { method: "POST", body, headers });
  return { status: response.status, headers: response.headers, answer: JSON.parse(await response.text()) };
}

function exchange(code: string, more: Record<string, string> = {}) {
  const people = { client_id: cloud.output("PeopleId"), redirect_uri: cliCallback };
  return token({ grant_type: "authorization_code", code, code_verifier: verifier, ...people, ...more });
}

const basic = (id: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`,
});

describe("the templates", () => {
  test("are told the issuer's address, by parameters and by attributes", () => {
    const poolId = cloud.output("PoolId");
    expect(poolId).toMatch(/^eu-central-1_local[0-9a-z]{9}$/);
    expect(cloud.output("Issuer")).toBe(cloud.signIn.issuer);
    expect(cloud.signIn.issuer).toBe(`${cloud.signIn.url}/${poolId}`);
    expect(cloud.output("ProviderUrl")).toBe(cloud.signIn.issuer);
    expect(cloud.output("SignIn")).toBe(cloud.signIn.url);
    expect(cloud.output("ProviderName")).toBe(`cognito-idp.eu-central-1.amazonaws.com/${poolId}`);
    expect(cloud.output("PoolArn")).toBe(`arn:aws:cognito-idp:eu-central-1:111122223333:userpool/${poolId}`);
    expect(cloud.output("PeopleId")).toMatch(/^[0-9a-z]{26}$/);
    expect(cloud.output("Names")).toBe("small house admin ann@example.com");
    expect(cloud.unknown).toEqual([]);
  });

  test("get one local user for each group, beside their own", () => {
    const users = cloud.signIn.users().map(({ username, email, groups }) => ({ username, email, groups }));
    expect(users).toEqual([
      { username: "admin", email: "admin@example.com", groups: ["admin"] },
      { username: "operator", email: "operator@example.com", groups: ["operator"] },
      { username: "ann@example.com", email: "ann@example.com", groups: ["admin", "operator"] },
    ]);
  });
});

describe("discovery", () => {
  test("tells addresses and keys, of the pool and at the root", async () => {
    for (const base of [cloud.signIn.issuer, cloud.signIn.url]) {
      const document = await (await fetch(`${base}/.well-known/openid-configuration`)).json();
      expect(document).toMatchObject({
        issuer: cloud.signIn.issuer,
        jwks_uri: `${cloud.signIn.issuer}/.well-known/jwks.json`,
        token_endpoint: `${cloud.signIn.url}/oauth2/token`,
      });
    }
    const response = await fetch(`${cloud.signIn.issuer}/.well-known/jwks.json`);
    const { keys } = JSON.parse(await response.text());
    expect(keys).toEqual([
      { alg: "RS256", e: "AQAB", kid: expect.any(String), kty: "RSA", n: expect.any(String), use: "sig" },
    ]);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect((await fetch(`${cloud.signIn.url}/eu-central-1_nobody/.well-known/jwks.json`)).status).toBe(400);
  });
});

describe("code with PKCE", () => {
  test("leads to Cognito's tokens", async () => {
    const { target } = await signInAs("ann@example.com");
    expect(`${target.origin}${target.pathname}`).toBe(cliCallback);
    expect(target.searchParams.get("state")).toBe("s t+1");
    const { status, headers, answer } = await exchange(target.searchParams.get("code") ?? "");
    expect(status).toBe(200);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(answer).toMatchObject({ token_type: "Bearer", expires_in: 1800, refresh_token: expect.any(String) });
    const access = await verified(answer.access_token);
    const common = {
      ...{ iss: cloud.signIn.issuer, "cognito:groups": ["admin", "operator"], origin_jti: expect.any(String) },
      ...{ jti: expect.any(String), event_id: expect.any(String), sub: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    };
    const clientId = cloud.output("PeopleId");
    expect(access).toEqual({
      ...common,
      ...{ version: 2, client_id: clientId, token_use: "access", scope: "openid email", username: "ann@example.com" },
      ...{ auth_time: expect.any(Number), iat: expect.any(Number), exp: (access.iat ?? 0) + 1800 },
    });
    expect(Math.abs((access.iat ?? 0) - now())).toBeLessThan(60);
    const id = await verified(answer.id_token);
    expect(id).toEqual({
      ...common,
      ...{ aud: clientId, token_use: "id", email: "ann@example.com", email_verified: true, nonce: "n1" },
      ...{ "cognito:username": "ann@example.com", at_hash: expect.any(String) },
      ...{ auth_time: access.auth_time, iat: access.iat, exp: access.exp },
    });
    expect([id.sub, id.origin_jti]).toEqual([access.sub, access.origin_jti]);
    expect(decodeProtectedHeader(answer.id_token)).toEqual({ alg: "RS256", kid: expect.any(String) });
  });

  test("gives a code that works once, for its client, its address and its verifier, for five minutes", async () => {
    const invalid = { status: 400, answer: { error: "invalid_grant" } };
    const code = await codeFor("operator");
    expect((await exchange(code)).status).toBe(200);
    expect(await exchange(code)).toMatchObject(invalid);
    expect(await exchange(await codeFor("operator"), { code_verifier: "another" })).toMatchObject(invalid);
    expect(await exchange(await codeFor("operator"), { redirect_uri: "http://localhost:1/" })).toMatchObject(invalid);
    expect(await exchange("no-such-code")).toMatchObject(invalid);
    const late = await codeFor("operator");
    clock.advance(300_001);
    expect(await exchange(late)).toMatchObject(invalid);
    const machine = cloud.signIn.clients().find(({ secret }) => secret !== undefined);
    const stolen = { client_id: machine?.clientId ?? "", client_secret: machine?.secret ?? "" };
    expect(await exchange(await codeFor("operator"), stolen)).toMatchObject({
      answer: { error: "unauthorized_client" },
    });
    expect(await exchange("x", { client_id: "nobody" })).toMatchObject({
      status: 400,
      answer: { error: "invalid_client" },
    });
  });

  test("gives no id token to who does not ask for OpenID Connect", async () => {
    const { answer } = await exchange(await codeFor("operator", { scope: "email" }));
    expect(answer).not.toHaveProperty("id_token");
    expect((await verified(answer.access_token)).scope).toBe("email");
  });

  test("asks a person once an hour", async () => {
    const { cookie } = await signInAs("operator");
    const again = await authorize({ cookie, parameters: { prompt: "none" } });
    expect(again.headers.get("location")).toContain(`${cliCallback}?code=`);
    expect((await authorize({ cookie, parameters: { prompt: "login" } })).headers.get("location")).toMatch(
      /^\/login\?/,
    );
    const unknown = await authorize({ parameters: { prompt: "none" } });
    expect(new URL(unknown.headers.get("location") ?? "").searchParams.get("error")).toBe("login_required");
    clock.advance(3_600_001);
    expect((await authorize({ cookie })).headers.get("location")).toMatch(/^\/login\?/);
  });

  test.each([
    [{ response_type: "token" }, "unsupported_response_type"],
    [{ code_challenge_method: "plain" }, "invalid_request"],
    [{ code_challenge: "short" }, "invalid_request"],
    [{ scope: "openid house/operator" }, "invalid_scope"],
  ])("sends %j back as %s, with the state", async (parameters, error) => {
    const response = await authorize({ parameters });
    const target = new URL(response.headers.get("location") ?? "");
    expect(`${target.origin}${target.pathname}`).toBe(cliCallback);
    expect(Object.fromEntries(target.searchParams)).toMatchObject({ error, state: "s t+1" });
  });

  test.each([
    [{ client_id: "<script>" }, "There is no client"],
    [{ client_id: undefined }, "client_id is missing"],
    [{ redirect_uri: "https://evil.example/" }, "redirect_mismatch"],
    [{ redirect_uri: `${cliCallback}/more` }, "redirect_mismatch"],
  ])("sends %j nowhere, and says why", async (parameters, words) => {
    const response = await authorize({ parameters });
    expect(response.status).toBe(400);
    expect(response.headers.get("location")).toBeNull();
    const text = await response.text();
    expect(text).toContain(words);
    expect(text).not.toContain("<script>");
  });

  test("comes back to the API with and without the stage", async () => {
    const { url, shortUrl } = cloud.api.list()[0] ?? { url: "", shortUrl: "" };
    for (const address of [`${url}/docs/oauth2-redirect.html`, `${shortUrl}/docs/oauth2-redirect.html`]) {
      const { target } = await signInAs("admin", { redirect_uri: address });
      expect(`${target.origin}${target.pathname}`).toBe(address);
    }
  });
});

describe("a refresh token", () => {
  const refresh = (refreshToken: string, clientId = cloud.output("PeopleId")) =>
    token({ grant_type: "refresh_token", refresh_token: refreshToken, client_id: clientId });

  test("gives fresh tokens of the same sign-in, for its days, until it is revoked", async () => {
    const first = (await exchange(await codeFor("operator"))).answer;
    clock.advance(86_400_000);
    const { status, answer } = await refresh(first.refresh_token);
    expect(status).toBe(200);
    expect(answer).not.toHaveProperty("refresh_token");
    const [before, after] = [JSON.parse(atob(first.access_token.split(".")[1])), await verified(answer.access_token)];
    expect([after.origin_jti, after.auth_time]).toEqual([before.origin_jti, before.auth_time]);
    expect(after.exp).toBeGreaterThan(now());
    expect((await refresh(first.refresh_token, "nobody")).answer).toEqual({ error: "invalid_client" });
    const body = new URLSearchParams({ token: first.refresh_token, client_id: cloud.output("PeopleId") });
    expect((await fetch(`${cloud.signIn.url}/oauth2/revoke`, { method: "POST", body })).status).toBe(200);
    expect((await refresh(first.refresh_token)).answer).toEqual({ error: "invalid_grant" });
    const late = (await exchange(await codeFor("operator"))).answer;
    clock.advance(7 * 86_400_000 + 1);
    expect((await refresh(late.refresh_token)).answer).toEqual({ error: "invalid_grant" });
  });
});

describe("client credentials", () => {
  test("give a token with scopes and no user, for the secret in the header or in the form", async () => {
    const { clientId = "", secret = "" } = cloud.signIn.clients().find((client) => client.secret !== undefined) ?? {};
    expect(clientId).toBe(cloud.output("MachinesId"));
    const grant = { grant_type: "client_credentials", scope: "house/viewer" };
    const inHeader = await token(grant, basic(clientId, secret));
    const inForm = await token({ ...grant, client_id: clientId, client_secret: secret });
    for (const { status, answer } of [inHeader, inForm]) {
      expect([status, Object.keys(answer).sort()]).toEqual([200, ["access_token", "expires_in", "token_type"]]);
      const claims = await verified(answer.access_token);
      expect(claims).toMatchObject({ sub: clientId, client_id: clientId, token_use: "access", scope: "house/viewer" });
      expect(claims).not.toHaveProperty("username");
    }
    const all = await token({ grant_type: "client_credentials" }, basic(clientId, secret));
    expect((await verified(all.answer.access_token)).scope).toBe("house/viewer house/operator");
    const refused = async (form: Record<string, string>, headers: Record<string, string>) =>
      (await token({ grant_type: "client_credentials", ...form }, headers)).answer.error;
    expect(await refused({}, basic(clientId, "wrong"))).toBe("invalid_client");
    expect(await refused({ client_id: clientId }, {})).toBe("invalid_client");
    expect(await refused({ client_id: "other" }, basic(clientId, secret))).toBe("invalid_client");
    expect(await refused({ scope: "house/admin" }, basic(clientId, secret))).toBe("invalid_scope");
    expect(await refused({ client_id: cloud.output("PeopleId") }, {})).toBe("unauthorized_client");
    expect((await token({ grant_type: "password" })).answer).toEqual({ error: "unsupported_grant_type" });
    expect((await token({})).answer).toEqual({ error: "invalid_request" });
  });
});

describe("the rest of the endpoints", () => {
  test("userInfo tells whose access token it is, and refuses others", async () => {
    const ask = async (bearer: string) => {
      const headers = { authorization: `Bearer ${bearer}` };
      const response = await fetch(`${cloud.signIn.url}/oauth2/userInfo`, { headers });
      return { status: response.status, answer: JSON.parse(await response.text()) };
    };
    const known = await ask(await cloud.signIn.tokenFor("operator"));
    expect(known).toMatchObject({ status: 200, answer: { username: "operator", email: "operator@example.com" } });
    for (const other of [
      await cloud.signIn.tokenFor("operator", { kind: "id" }),
      await cloud.signIn.tokenFor("operator", { expired: true }),
      await cloud.signIn.tokenFor("operator", { foreignKey: true }),
      await cloud.signIn.tokenFor("operator", { scopes: ["email"] }),
      "nonsense",
    ]) {
      expect(await ask(other)).toMatchObject({ status: 401, answer: { error: "invalid_token" } });
    }
  });

  test("a one-time link signs the admin in, once, and goes where it was made for", async () => {
    const link = cloud.signIn.oneTimeLink(`${cloud.api.url}/`);
    const first = await fetch(link, { redirect: "manual" });
    expect([first.status, first.headers.get("location")]).toEqual([302, `${cloud.api.url}/`]);
    const [cookie = ""] = first.headers.getSetCookie();
    expect(cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Lax$/);
    const target = (await authorize({ cookie: cookie.split(";")[0] ?? "" })).headers.get("location") ?? "";
    const { answer } = await exchange(new URL(target).searchParams.get("code") ?? "");
    expect((await verified(answer.access_token)).username).toBe("admin");
    const second = await fetch(link, { redirect: "manual" });
    expect([second.status, second.headers.getSetCookie()]).toEqual([410, []]);
    const inRequest = new URL(cloud.signIn.oneTimeLink()).searchParams.get("one_time") ?? "";
    const direct = await authorize({ parameters: { one_time: inRequest } });
    expect(direct.headers.get("location")).toContain("?code=");
    expect((await authorize({ parameters: { one_time: inRequest } })).status).toBe(410);
    const late = cloud.signIn.oneTimeLink();
    clock.advance(86_400_001);
    expect((await fetch(late)).status).toBe(410);
  });

  test("signing out ends the session, and leads only where the client says", async () => {
    const { cookie } = await signInAs("operator");
    const signOut = (target: string) => {
      const query = new URLSearchParams({ client_id: cloud.output("PeopleId"), logout_uri: target });
      return fetch(`${cloud.signIn.url}/logout?${query}`, { headers: { cookie }, redirect: "manual" });
    };
    expect((await signOut("https://evil.example/")).status).toBe(400);
    const response = await signOut(`${cloud.api.url}/`);
    expect(response.headers.get("location")).toBe(`${cloud.api.url}/`);
    expect(response.headers.getSetCookie()[0]).toContain("Max-Age=0");
    expect((await authorize({ cookie })).headers.get("location")).toMatch(/^\/login\?/);
  });

  test("forms from other sites, other names of the machine and unknown users get nothing", async () => {
    const login = new URL(authorizeUrl().href.replace("/oauth2/authorize", "/login"));
    const send = (username: string, headers: Record<string, string>) =>
      fetch(login, { method: "POST", body: new URLSearchParams({ username }), headers, redirect: "manual" });
    expect((await send("admin", { origin: "https://evil.example" })).status).toBe(403);
    expect((await send("root", {})).status).toBe(400);
    const { port } = new URL(cloud.signIn.url);
    const status = await new Promise((resolve, reject) => {
      const options = { port, host: "127.0.0.1", path: "/login", headers: { host: `rebound.example:${port}` } };
      http.get(options, (response) => resolve(response.resume().statusCode)).on("error", reject);
    });
    expect(status).toBe(421);
    const huge = await token({ grant_type: "authorization_code", code: "x".repeat(70_000) });
    expect(huge).toMatchObject({ status: 400, answer: { error: "invalid_request" } });
    expect((await fetch(`${cloud.signIn.url}/oauth2/nothing`)).status).toBe(404);
  });

  test("may be called from pages of other origins, with the headers that Swagger sends", async () => {
    const response = await fetch(`${cloud.signIn.url}/oauth2/token`, {
      method: "OPTIONS",
      headers: { origin: "http://127.0.0.1:1", "access-control-request-headers": "x-requested-with" },
    });
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect(response.headers.get("access-control-allow-headers")).toBe("x-requested-with");
  });
});

describe("for tests there are tokens", () => {
  test("of every wrong kind", async () => {
    const { tokenFor } = cloud.signIn;
    expect(await verified(await tokenFor("operator"))).toMatchObject({ token_use: "access", username: "operator" });
    expect(await verified(await tokenFor("ann@example.com", { kind: "id" }))).toMatchObject({ token_use: "id" });
    expect(await verified(await tokenFor("admin", { audience: "other" }))).toMatchObject({ client_id: "other" });
    expect(await verified(await tokenFor("admin", { claims: { "cognito:groups": [] } }))).toMatchObject({
      "cognito:groups": [],
    });
    await expect(tokenFor("admin", { expired: true }).then(verified)).rejects.toMatchObject({
      code: "ERR_JWT_EXPIRED",
    });
    await expect(tokenFor("admin", { issuer: "https://x" }).then(verified)).rejects.toThrow(/"iss" claim/);
    await expect(tokenFor("admin", { foreignKey: true }).then(verified)).rejects.toThrow(
      "signature verification failed",
    );
    await expect(tokenFor("nobody")).rejects.toThrow("The user pool has no user or group nobody.");
  });

  test("of machines", async () => {
    const { machineToken } = cloud.signIn;
    expect(await verified(await machineToken(["house/operator"]))).toMatchObject({ scope: "house/operator" });
    await expect(machineToken(["house/admin"])).rejects.toThrow("No client may have client credentials");
    await expect(machineToken(["house/viewer"], { expired: true }).then(verified)).rejects.toThrow(/exp/);
  });
});

test("the fault rig makes the issuer fail", async () => {
  cloud.faults.add({
    service: "cognito",
    operation: "jwks.json",
    effect: { kind: "error", status: 503, code: "Down" },
  });
  expect((await fetch(`${cloud.signIn.issuer}/.well-known/jwks.json`)).status).toBe(503);
  expect((await fetch(`${cloud.signIn.issuer}/.well-known/jwks.json`)).status).toBe(200);
});

test("after a restart at the same ports, keys, secrets, sessions and refresh tokens are as before", async () => {
  const { frontPorts } = cloud;
  const { cookie } = await signInAs("operator");
  const [old, clients] = [(await exchange(await codeFor("operator"))).answer, cloud.signIn.clients()];
  expect(statSync(path.join(stateDirectory, "cognito", "keys.json")).mode & 0o077).toBe(0);
  await cloud.close();
  cloud = await bootCloud({ assemblyDirectory, stateDirectory, clock, frontPorts });
  expect(cloud.frontPorts).toEqual(frontPorts);
  expect(await verified(old.access_token)).toMatchObject({ username: "operator" });
  expect(cloud.signIn.clients()).toEqual(clients);
  expect((await authorize({ cookie })).headers.get("location")).toContain("?code=");
  const form = { grant_type: "refresh_token", refresh_token: old.refresh_token, client_id: cloud.output("PeopleId") };
  expect((await token(form)).status).toBe(200);
});
