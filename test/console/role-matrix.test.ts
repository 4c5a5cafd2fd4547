// Who may call what: each role, machine and stranger on every route of every room, through the real front and authorizer.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mayCall, type Role, type Route, roles } from "../../lambdas/shared/routes.ts";
import { allRoutes } from "../../lib/routes.ts";
import { ConsoleRig, metricsToken } from "./console-rig.ts";

let rig: ConsoleRig;
/** Access tokens by who has them. */
const tokens = new Map<string, string>();

beforeAll(async () => {
  rig = await ConsoleRig.start();
  for (const role of roles) tokens.set(role, await rig.cloud.signIn.tokenFor(role));
  tokens.set("machine viewer", await rig.cloud.signIn.machineToken(["causeway/viewer"]));
  tokens.set("machine operator", await rig.cloud.signIn.machineToken(["causeway/operator"]));
});

afterAll(async () => {
  await rig?.close();
});

/** Nothing that is there is named, and nothing is sent: whoever may, changes nothing. */
const pathOf = (route: Route) => route.path.replace(/\{\w+\}/g, "no-such-thing");

async function statusFor(route: Route, method: string, token: string | undefined): Promise<number> {
  const answer = await rig.call(pathOf(route), { method, ...(token !== undefined && { as: token }) });
  return answer.status;
}

const guarded = allRoutes.filter(({ access }) => roles.some((role) => role === access));
const named = (routes: readonly Route[]) => routes.map((route) => [`${route.method} ${route.path}`, route] as const);

describe("a stranger", () => {
  it.each(named(guarded))("may not %s", async (_name, route) => {
    expect(await statusFor(route, route.method, undefined)).toBe(401);
    if (route.method === "GET") expect(await statusFor(route, "HEAD", undefined)).toBe(401);
  });

  it.each(named(allRoutes.filter(({ access }) => access === "public")))("may %s", async (_name, route) => {
    expect([200, 404]).toContain(await statusFor(route, route.method, undefined));
  });
});

describe.each([
  ["viewer", "viewer"],
  ["operator", "operator"],
  ["admin", "admin"],
  ["machine viewer", "viewer"],
  ["machine operator", "operator"],
] as const)("%s", (who, role: Role) => {
  it.each(named(guarded))("is let in or refused by the route's data: %s", async (_name, route) => {
    const status = await statusFor(route, route.method, tokens.get(who));
    if (mayCall(route.access, { roles: [role] })) expect([401, 403]).not.toContain(status);
    else expect(status).toBe(403);
    expect(status).not.toBe(500);
  });
});

describe("the metrics", () => {
  it("are for whoever has their token: no role helps", async () => {
    for (const [, token] of tokens) expect((await rig.call("/metrics", { as: token })).status).toBe(401);
    const answer = await rig.call("/metrics", { headers: { Authorization: `Bearer ${metricsToken}` } });
    expect([answer.status, answer.text.endsWith("# EOF\n")]).toEqual([200, true]);
  });
});

describe("what belongs to the holder of a client key", () => {
  const ofHolders = named(allRoutes.filter(({ access }) => access === "relay-key"));
  let key: string;
  beforeAll(async () => {
    ({ key } = await rig.relayKey("role matrix"));
  });
  /** With what each needs in its query. */
  const addressOf = (route: Route) =>
    `${pathOf(route)}${route.query === undefined ? "" : "?from=2026-11-01T00:00:00Z"}`;

  it.each(ofHolders)("is for whoever has the key, in any header that clients use: %s", async (_name, route) => {
    for (const header of ["x-api-key", "x-goog-api-key", "api-key"]) {
      expect((await rig.call(addressOf(route), { headers: { [header]: key } })).status).toBe(200);
    }
    expect((await rig.call(addressOf(route), { headers: { Authorization: `Bearer ${key}` } })).status).toBe(200);
    expect((await rig.call(addressOf(route), { method: "HEAD", headers: { "x-api-key": key } })).status).toBe(200);
  });

  it.each(ofHolders)("is for nobody else, and no role helps: %s", async (_name, route) => {
    expect((await rig.call(addressOf(route))).status).toBe(401);
    for (const [, token] of tokens) expect((await rig.call(addressOf(route), { as: token })).status).toBe(401);
  });

  it.each(named(guarded))("is all that the key opens: not %s", async (_name, route) => {
    const headers = { Authorization: `Bearer ${key}`, "x-api-key": key };
    expect((await rig.call(pathOf(route), { method: route.method, headers })).status).toBe(401);
  });
});

describe("a change that was refused", () => {
  it("is in the audit, by whom and what", async () => {
    const refused = (await rig.audited()).filter(({ outcome }) => outcome === "Forbidden");
    const operations = allRoutes.filter(({ method }) => method !== "GET").map(({ operation }) => operation);
    expect(new Set(refused.map(({ operation }) => operation))).toEqual(new Set(operations));
    expect(new Set(refused.map(({ name }) => name))).toContain("viewer");
  });
});
