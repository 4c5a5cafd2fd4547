// The relay's admin API as operators and holders of keys use it: real templates, gateway, functions, roles, tables and KMS.
import { ScanCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AnswerOf, Operation } from "../../cli/api/operations.ts";
import { type ApiAnswer, ConsoleRig } from "../console/console-rig.ts";
import { stopSchedules } from "../stop-schedules.ts";

const dollar = 1_000_000_000;

/** For what follows by itself, on a machine that does much else. */
const patience = { timeout: 60_000, interval: 200 };

let rig: ConsoleRig;
let relayUrl: string;
let upstreamKey: string;

beforeAll(async () => {
  rig = await ConsoleRig.start();
  await stopSchedules(rig.cloud);
  relayUrl = rig.cloud.api.urlOf("RelayApi/Api");
  upstreamKey = rig.cloud.aiUpstream.issueKey("anthropic", "main");
});

afterAll(async () => {
  await rig?.close();
});

/** `data` of a success, as the route's own schema says it; anything else fails the test with what was answered. */
async function ok<Name extends Operation>(_operation: Name, answer: Promise<ApiAnswer>): Promise<AnswerOf<Name>> {
  const { status, text, envelope } = await answer;
  expect(status, text).toBeLessThan(300);
  return envelope.data as unknown as AnswerOf<Name>;
}

const get = (path: string, as = "viewer") => rig.call(`/api/relay${path}`, { as });
const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}, as = "operator") =>
  rig.call(`/api/relay${path}`, { method, as, headers, ...(body !== undefined && { body }) });
const post = (path: string, body?: unknown, headers: Record<string, string> = {}) => send("POST", path, body, headers);
const mine = (key: string, path = "/me", headers: Record<string, string> = { "x-api-key": key }) =>
  rig.call(`/api/relay${path}`, { headers });

/** Replaces what a GET shows, as whoever has just seen it. */
async function put<Name extends Operation>(
  _operation: Name,
  path: string,
  change: (before: AnswerOf<Name>) => unknown,
  as = "operator",
): Promise<ApiAnswer> {
  const before = await get(path, "operator");
  const body = change(before.envelope.data as unknown as AnswerOf<Name>);
  return send("PUT", path, body, { "If-Match": before.headers.get("etag") ?? "" }, as);
}

/** What a PUT of a key takes of what a GET shows. */
const bodyOf = ({ name, owner, tags, expiry, policy }: AnswerOf<"getRelayKey">) => ({
  name,
  owner,
  tags,
  expiry,
  policy,
});

const accountBody = () => ({
  name: "main",
  provider: "anthropic-compatible",
  settings: { baseUrl: rig.cloud.aiUpstream.baseUrl("anthropic") },
  credential: { apiKey: upstreamKey },
});

const ask = (key: string, text = "Say hi.") =>
  fetch(`${relayUrl}/v1/messages`, {
    method: "POST",
    headers: { "x-api-key": key, "anthropic-version": "2023-06-01", "content-type": "application/json" },
    body: JSON.stringify({ model: "claude-sonnet-4-5", max_tokens: 50, messages: [{ role: "user", content: text }] }),
  });

async function everythingStored(): Promise<string> {
  const tables = ["RelayKeys", "RelayAccounts", "Idempotency", "Audit"].map((name) =>
    rig.cloud.output(`${name}TableName`),
  );
  const scans = await Promise.all(tables.map((TableName) => rig.documents.send(new ScanCommand({ TableName }))));
  return scans.map(({ Items }) => JSON.stringify(Items)).join("\n");
}

describe("an upstream account", { timeout: 120_000 }, () => {
  it("is added with a credential that no answer and no table shows, and shows what its upstream says of it", async () => {
    const added = await ok("createRelayAccount", post("/accounts", accountBody(), { "Idempotency-Key": "account-1" }));
    expect(added).toMatchObject({ name: "main", platform: "anthropic", hasCredential: true, serving: { now: true } });
    const again = await ok("createRelayAccount", post("/accounts", accountBody(), { "Idempotency-Key": "account-1" }));
    expect(again.accountId).toBe(added.accountId);

    const tested = await ok("testRelayAccount", post(`/accounts/${added.accountId}/test`));
    expect(tested).toMatchObject({ ok: true, status: 200, state: "healthy" });
    expect(await ok("getRelayAccount", get(`/accounts/${added.accountId}`))).toMatchObject({ lastTest: { ok: true } });

    const listed = await ok("listRelayAccounts", get("/accounts?platform=anthropic"));
    expect(listed.items.map(({ accountId }) => accountId)).toEqual([added.accountId]);
    for (const text of [JSON.stringify(added), JSON.stringify(listed), await everythingStored()]) {
      expect(text).not.toContain(upstreamKey);
    }
  });

  it("that its upstream refuses says so in its test, and is well again with another credential", async () => {
    const { accountId } = await ok(
      "createRelayAccount",
      post("/accounts", { ...accountBody(), name: "wrong", credential: { apiKey: "sk-ant-of-nobody" } }),
    );
    const tested = await ok("testRelayAccount", post(`/accounts/${accountId}/test`));
    expect(tested).toMatchObject({ ok: false, status: 401, state: "unauthorised" });
    expect(JSON.stringify(tested)).not.toContain("sk-ant-of-nobody");
    expect(await ok("getRelayAccount", get(`/accounts/${accountId}`))).toMatchObject({
      serving: { now: false, reason: "unauthorised" },
      condition: { state: "unauthorised" },
    });
    const { items } = await ok("listRelayAccountErrors", get(`/accounts/${accountId}/errors`));
    expect(items[0]).toMatchObject({ state: "unauthorised", count: 1, said: expect.stringMatching(/./) });

    await ok("resetRelayAccount", post(`/accounts/${accountId}/reset`));
    expect((await ok("getRelayAccount", get(`/accounts/${accountId}`))).condition.state).toBe("healthy");
    await ok(
      "replaceRelayCredential",
      send("PUT", `/accounts/${accountId}/credential`, { credential: { apiKey: upstreamKey } }),
    );
    expect(await ok("testRelayAccount", post(`/accounts/${accountId}/test`))).toMatchObject({ ok: true, status: 200 });
    expect(await ok("deleteRelayAccount", send("DELETE", `/accounts/${accountId}`))).toEqual({
      accountId,
      name: "wrong",
    });
    expect((await get(`/accounts/${accountId}`)).status).toBe(404);
    expect(await everythingStored()).not.toContain(`cred#${accountId}`);
  });

  it.each([
    ["https://169.254.169.254/latest", 409, "AddressRefused"],
    ["https://10.1.2.3", 409, "AddressRefused"],
    ["https://[fd00:ec2::254]", 409, "AddressRefused"],
    ["ftp://example.com", 400, "InputInvalid"],
    ["nonsense", 400, "InputInvalid"],
  ])("is never pointed at %s", async (baseUrl, status, name) => {
    const { envelope } = await post("/accounts", { ...accountBody(), settings: { baseUrl } });
    expect([envelope.code, envelope.data.name], envelope.message).toEqual([status, name]);
    expect(envelope.data.fields).toEqual([{ field: "body.settings.baseUrl", problem: expect.stringMatching(/./) }]);
  });

  it("is never sent through a private proxy, and does not send its credential to another address", async () => {
    const proxy = { type: "http", host: "192.168.0.1", port: 3128 };
    const refused = await post("/accounts", { ...accountBody(), proxy });
    expect(refused.envelope.data).toMatchObject({ name: "AddressRefused", fields: [{ field: "body.proxy.host" }] });

    const { items } = await ok("listRelayAccounts", get("/accounts"));
    const accountId = items.find(({ name }) => name === "main")?.accountId ?? "";
    const stolen = await put("getRelayAccount", `/accounts/${accountId}`, () => {
      const { credential: _, ...settings } = accountBody();
      return { ...settings, settings: { baseUrl: "https://evil.example.com" } };
    });
    expect([stolen.status, stolen.envelope.data.fields]).toEqual([
      400,
      [{ field: "body.credential", problem: expect.stringMatching(/give it anew/) }],
    ]);
  });

  it("is changed by whoever has seen it as it is, and only then", async () => {
    const { items } = await ok("listRelayAccounts", get("/accounts"));
    const accountId = items[0]?.accountId ?? "";
    const { credential: _, ...settings } = accountBody();
    const weighed = await put("getRelayAccount", `/accounts/${accountId}`, () => ({
      ...settings,
      weight: 7,
      groups: ["team"],
    }));
    expect(weighed.envelope.data).toMatchObject({ weight: 7, groups: ["team"], version: 2 });
    const late = await send("PUT", `/accounts/${accountId}`, settings, { "If-Match": '"1"' });
    expect(late.status).toBe(412);
    expect((await send("PUT", `/accounts/${accountId}`, settings)).status).toBe(428);
  });

  it("belongs to groups, which go when nothing is in them", async () => {
    const set = await ok("putRelayGroup", send("PUT", "/groups/team", { algorithm: "response-time" }));
    expect(set).toMatchObject({ group: "team", algorithm: "response-time", accounts: [{ name: "main" }] });
    expect((await send("DELETE", "/groups/team")).envelope).toMatchObject({
      code: 409,
      message: expect.stringMatching(/main is in/),
    });
    await ok("putRelayGroup", send("PUT", "/groups/empty", {}));
    await ok("deleteRelayGroup", send("DELETE", "/groups/empty"));
    expect((await ok("listRelayGroups", get("/groups"))).items.map(({ group }) => group)).toEqual(["team"]);
  });

  it("asks for what its provider's schemas say, which forms are made from", async () => {
    const { items } = await ok("listRelayProviders", get("/providers"));
    const names = items.map(({ provider }) => provider);
    expect(names).toEqual(
      expect.arrayContaining(["anthropic", "anthropic-compatible", "openai", "openai-compatible", "gemini"]),
    );
    for (const { settings, credential } of items) {
      expect([settings.type, credential.type]).toEqual(["object", "object"]);
      expect(credential.properties).toHaveProperty("apiKey");
    }
  });
});

describe("a client key", { timeout: 120_000 }, () => {
  it("is shown once, or again to the same request, and stored nowhere", async () => {
    const body = { name: "alice", owner: "team a", tags: ["dev"], policy: { spend: { day: 5 * dollar } } };
    const first = await post("/keys", body, { "Idempotency-Key": "key-1" });
    const again = await post("/keys", body, { "Idempotency-Key": "key-1" });
    expect([first.status, again.status, again.headers.get("idempotency-replayed")]).toEqual([201, 201, "true"]);
    const { key, keyId } = first.envelope.data as unknown as AnswerOf<"createRelayKey">;
    expect(again.envelope.data).toMatchObject({ key, keyId });
    expect((await post("/keys", { ...body, name: "bob" }, { "Idempotency-Key": "key-1" })).status).toBe(422);

    expect(key).toMatch(/^cwk_/);
    const other = await ok("createRelayKey", post("/keys", body, { "Idempotency-Key": "key-2" }));
    expect(other.key).not.toBe(key);
    const stored = await everythingStored();
    for (const text of [key, other.key, key.slice(16)]) expect(stored).not.toContain(text);
    const shown = await ok("getRelayKey", get(`/keys/${keyId}`));
    expect(shown).not.toHaveProperty("key");
    expect(shown).toMatchObject({ name: "alice", state: "active", maskedKey: expect.stringContaining(key.slice(-4)) });
    expect(shown.limits[0]).toMatchObject({
      limit: "spend",
      window: "day",
      most: 5 * dollar,
      used: 0,
      resetAt: expect.any(String),
    });
  });

  it("serves requests, and its holder sees what is left and what was used, and nothing of anybody else", async () => {
    const { key, keyId } = await ok(
      "createRelayKey",
      post("/keys", { name: "holder", policy: { spend: { day: dollar } } }),
    );
    const answer = await ask(key);
    expect(answer.status, await answer.clone().text()).toBe(200);
    const used = await rig.cloud.aiUpstream.requests.at(-1);
    expect(used?.key).toBe("main");

    const me = await ok("getOwnRelayKey", mine(key));
    expect(me).toMatchObject({ keyId, name: "holder", platforms: ["anthropic", "openai", "gemini"] });
    expect(me.limits[0]).toMatchObject({ limit: "spend", window: "day", most: dollar });
    for (const header of ["x-goog-api-key", "api-key"])
      expect((await mine(key, "/me", { [header]: key })).status).toBe(200);
    expect((await mine(key, "/me", { Authorization: `Bearer ${key}` })).status).toBe(200);
    const from = encodeURIComponent(new Date(rig.cloud.clock.now() - 3_600_000).toISOString());
    const usage = await ok("getOwnRelayUsage", mine(key, `/me/usage?from=${from}&groupBy=day`));
    expect(Object.keys(usage.total)).not.toContain("realNanoUsd");
    expect((await mine(key, `/me/usage?from=${from}&groupBy=account`)).status).toBe(400);
    expect((await mine(key, `/me/usage?from=${from}&keyId=other`)).status).toBe(400);

    const records = await ok("listRelayRecords", get(`/records?keyId=${keyId}`));
    expect(records.items[0]).toMatchObject({ keyId, outcome: "ok", modelAsked: "claude-sonnet-4-5", status: 200 });
    expect(JSON.stringify(records)).not.toContain("Say hi");
  });

  it("opens nothing of the admin side, and no token opens its own", async () => {
    const { key } = await ok("createRelayKey", post("/keys", { name: "curious" }));
    for (const path of ["/keys", "/accounts", "/usage?from=2026-11-01T00:00:00Z", "/settings"]) {
      expect((await mine(key, path, { Authorization: `Bearer ${key}` })).status).toBe(401);
    }
    expect((await rig.call("/api/relay/me", { as: "admin" })).status).toBe(401);
    expect((await rig.call("/api/relay/me")).status).toBe(401);
  });

  it("that is switched off, deleted or rotated is refused from then on, and comes back as it was", async () => {
    const { key, keyId } = await ok("createRelayKey", post("/keys", { name: "off" }));
    await ok("disableRelayKey", post(`/keys/${keyId}/disable`));
    expect([(await ask(key)).status, (await mine(key)).envelope.message]).toEqual([403, "This key is switched off."]);
    expect((await ok("listRelayKeys", get("/keys?enabled=false"))).items.map((item) => item.keyId)).toContain(keyId);
    await ok("enableRelayKey", post(`/keys/${keyId}/enable`));
    expect((await ask(key)).status).toBe(200);

    expect((await ok("deleteRelayKey", send("DELETE", `/keys/${keyId}`))).state).toBe("deleted");
    expect([(await ask(key)).status, (await mine(key)).status]).toEqual([401, 401]);
    expect((await ok("listRelayKeys", get("/keys"))).items.map((item) => item.keyId)).not.toContain(keyId);
    expect((await ok("listRelayKeys", get("/keys?deleted=true"))).items.map((item) => item.keyId)).toEqual([keyId]);
    expect((await ok("restoreRelayKey", post(`/keys/${keyId}/restore`))).state).toBe("active");
    expect((await ask(key)).status).toBe(200);

    const rotated = await ok(
      "rotateRelayKey",
      post(`/keys/${keyId}/rotate`, { overlapHours: 1 }, { "Idempotency-Key": "rotate-1" }),
    );
    const again = await ok(
      "rotateRelayKey",
      post(`/keys/${keyId}/rotate`, { overlapHours: 1 }, { "Idempotency-Key": "rotate-1" }),
    );
    expect(again).toEqual(rotated);
    expect([(await ask(key)).status, (await ask(rotated.key)).status]).toEqual([200, 200]);
    const last = await ok("rotateRelayKey", post(`/keys/${keyId}/rotate`, { overlapHours: 0 }));
    const statuses = await Promise.all([key, rotated.key, last.key].map(async (text) => (await mine(text)).status));
    expect(statuses).toEqual([401, 401, 200]);
  });

  it("is changed by whoever has seen it, and its new limits count at once", async () => {
    const { key, keyId } = await ok("createRelayKey", post("/keys", { name: "poor", tags: ["a"] }));
    const changed = await put("getRelayKey", `/keys/${keyId}`, (before) => ({
      ...bodyOf(before),
      tags: ["b"],
      policy: { ...before.policy, spend: { ...before.policy.spend, total: 1 } },
    }));
    expect(changed.status, changed.text).toBe(200);
    const refused = await ask(key);
    expect([refused.status, await refused.text()]).toEqual([
      expect.any(Number),
      expect.stringMatching(/limit|budget/i),
    ]);
    expect(refused.status).toBeGreaterThanOrEqual(400);
    expect((await ok("listRelayKeys", get("/keys?tag=b"))).items.map((item) => item.keyId)).toEqual([keyId]);
    const late = await send("PUT", `/keys/${keyId}`, { name: "late" }, { "If-Match": '"1"' });
    expect(late.status).toBe(412);
  });

  it("is refused by field and cure where the policy is wrong", async () => {
    const policy = { addresses: ["nowhere"], concurrency: 0, models: Array.from({ length: 201 }, () => "m") };
    const { status, text } = await post("/keys", { name: "wrong", policy });
    const { fields } = JSON.parse(text).data as { fields: { field: string; problem: string }[] };
    expect([status, Object.fromEntries(fields.map(({ field, problem }) => [field, problem]))]).toEqual([
      400,
      {
        "body.policy.addresses.0": "Give an IP address, or a range such as 10.0.0.0/8.",
        "body.policy.concurrency": "Give at least 1.",
        "body.policy.models": "Give at most 200 entries.",
      },
    ]);
  });

  it("has a balance that is topped up once for each request", async () => {
    const { key, keyId } = await ok("createRelayKey", post("/keys", { name: "prepaid", policy: { prepaid: true } }));
    expect((await ask(key)).status).toBeGreaterThanOrEqual(400);
    const body = { kind: "top-up", nanoUsd: 2 * dollar, note: "order 7" };
    for (const _ of [1, 2]) {
      const entry = await ok(
        "changeRelayBalance",
        post(`/keys/${keyId}/balance`, body, { "Idempotency-Key": "order-7" }),
      );
      expect(entry).toMatchObject({ nanoUsd: 2 * dollar, balanceNanoUsd: 2 * dollar });
    }
    expect((await ask(key)).status).toBe(200);
    await ok(
      "changeRelayBalance",
      post(`/keys/${keyId}/balance`, { kind: "adjustment", nanoUsd: -1, note: "a cent too much" }),
    );
    const notPrepaid = await post("/keys", { name: "not prepaid", balanceNanoUsd: 5 });
    expect([notPrepaid.status, notPrepaid.text]).toEqual([400, expect.stringContaining("Only a prepaid key")]);
    const page = await ok("listRelayBalance", get(`/keys/${keyId}/balance?limit=1`));
    expect(page.items).toEqual([expect.objectContaining({ kind: "adjustment", nanoUsd: -1, note: "a cent too much" })]);
    expect(page.balanceNanoUsd).toBeLessThan(2 * dollar);
    const rest = await ok("listRelayBalance", get(`/keys/${keyId}/balance?limit=1&cursor=${page.cursor}`));
    expect(rest.items).toEqual([expect.objectContaining({ kind: "top-up", note: "order 7" })]);
    for (const wrong of [
      { ...body, nanoUsd: -5 },
      { ...body, nanoUsd: 0 },
      { kind: "adjustment", nanoUsd: 5 },
      { ...body, nanoUsd: 0.5 },
    ]) {
      expect((await post(`/keys/${keyId}/balance`, wrong)).status).toBe(400);
    }
  });

  it("is made with many others at once, and listed page by page", async () => {
    const names = Array.from({ length: 12 }, (_, index) => `bulk ${index}`);
    const made = await ok(
      "createRelayKeys",
      post("/keys/bulk", { names, tags: ["bulk"] }, { "Idempotency-Key": "bulk-1" }),
    );
    const again = await ok(
      "createRelayKeys",
      post("/keys/bulk", { names, tags: ["bulk"] }, { "Idempotency-Key": "bulk-1" }),
    );
    expect(made.items.map(({ name }) => name)).toEqual(names);
    expect(again).toEqual(made);
    const found: string[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const page: AnswerOf<"listRelayKeys"> = await ok(
        "listRelayKeys",
        get(`/keys?tag=bulk&limit=5${cursor === "" ? "" : `&cursor=${cursor}`}`),
      );
      found.push(...page.items.map(({ name }) => name));
      cursor = page.cursor;
    }
    expect(found.sort()).toEqual(names.toSorted());
    expect((await post("/keys/bulk", { names: ["x", "x"] })).status).toBe(400);
  });

  it("is made once by a call that fails half way and is sent again, and not at all by one that cannot be", async () => {
    const names = Array.from({ length: 12 }, (_, index) => `half ${index}`);
    const tagged = async (tag: string, more = "") =>
      (await ok("listRelayKeys", get(`/keys?tag=${tag}&limit=50${more}`))).items;
    const failHalfWay = async (tag: string, headers: Record<string, string>) => {
      const effect = { kind: "error", status: 400, code: "ValidationException" } as const;
      rig.faults.add({ service: "dynamodb", operation: "TransactWriteItems", fromCall: 5, effect });
      const failed = await post("/keys/bulk", { names, tags: [tag] }, headers);
      expect(failed.status).toBeGreaterThanOrEqual(500);
      rig.faults.clear();
    };
    const key = { "Idempotency-Key": "half-way" };
    await failHalfWay("again", key);
    const first = await tagged("again");
    expect(first.length).toBeGreaterThan(0);
    const made = await ok("createRelayKeys", post("/keys/bulk", { names, tags: ["again"] }, key));
    expect(made.items.map(({ name }) => name)).toEqual(names);
    const all = await tagged("again");
    expect(all.map(({ name }) => name).sort()).toEqual(names.toSorted());
    expect(all).toEqual(expect.arrayContaining(first.map(({ keyId }) => expect.objectContaining({ keyId }))));
    for (const { key: text } of made.items) expect((await mine(text)).status).toBe(200);

    // Nobody could ever be shown their texts.
    await failHalfWay("never", {});
    expect(await tagged("never")).toEqual([]);
    expect((await tagged("never", "&deleted=true")).length).toBeGreaterThan(0);
  });

  it.each([
    [{}, "body.name"],
    [{ name: " " }, "body.name"],
    [{ name: "x", policy: { spend: { day: 0.5 } } }, "body.policy.spend.day"],
    [{ name: "x", policy: { addresses: ["10.0.0.0/33"] } }, "body.policy.addresses.0"],
    [{ name: "x", policy: { timeZone: "Mars" } }, "body.policy.timeZone"],
    [{ name: "x", policy: { concurrency: 101 } }, "body.policy.concurrency"],
    [{ name: "x", policy: { boundTo: { kind: "account", accountId: "acc-none" } } }, "body.policy.boundTo.accountId"],
    [{ name: "x", policy: { familySpend: { opsu: { week: 1 } } } }, "body.policy.familySpend.opsu"],
    [{ name: "x", secret: "cwk_mine" }, "body.secret"],
  ])("is refused with the field that is wrong: %j", async (body, field) => {
    const { status, envelope } = await post("/keys", body);
    expect(status).toBe(400);
    expect((envelope.data.fields as { field: string }[]).map((each) => each.field)).toEqual([field]);
  });
});

describe("prices, settings and usage", { timeout: 120_000 }, () => {
  it("a price is overridden for those who come after, and the override is taken back", async () => {
    const [before] = (await ok("listRelayPrices", get("/prices?model=claude-sonnet-4-5"))).items;
    expect(before).toMatchObject({ origin: "table", priceId: null, source: expect.stringMatching(/^http/) });
    const {
      priceId: _id,
      origin: _origin,
      version: _version,
      isInEffect: _is,
      effectiveFrom: _from,
      ...price
    } = before ?? (undefined as never);
    const body = { ...price, model: "claude-sonnet-4-5", rates: { ...price.rates, input: 1 }, source: "contract 7" };
    expect((await send("PUT", "/prices", body)).status).toBe(403);
    const made = await ok("putRelayPrice", send("PUT", "/prices", body, {}, "admin"));
    expect((await ok("listRelayPrices", get("/prices?model=claude-sonnet-4-5"))).items).toEqual([made]);
    await ok("deleteRelayPrice", send("DELETE", `/prices/${made.priceId}`, undefined, {}, "admin"));
    expect((await ok("listRelayPrices", get("/prices?model=claude-sonnet-4-5"))).items).toEqual([before]);
    expect((await send("DELETE", `/prices/${made.priceId}`, undefined, {}, "admin")).status).toBe(404);
  });

  it("settings are changed by whoever has seen them, and written down", async () => {
    const changed = await put("getRelaySettings", "/settings", (before) => ({ ...before, stickyMinutes: 5 }), "admin");
    expect([changed.status, changed.envelope.data.stickyMinutes], changed.text).toEqual([200, 5]);
    expect((await ok("getRelaySettings", get("/settings", "operator"))).stickyMinutes).toBe(5);
    expect((await send("PUT", "/settings", {}, { "If-Match": '"0"' }, "admin")).status).toBe(412);
    const [entry] = (await rig.audited()).filter(({ operation }) => operation === "changeRelaySettings");
    expect(entry).toMatchObject({ outcome: "PreconditionFailed" });
  });

  it("usage is not summed anew of a time whose records were kept for less time than they are now", async () => {
    for (const recordDays of [1, 90]) {
      const changed = await put("getRelaySettings", "/settings", (before) => ({ ...before, recordDays }), "admin");
      expect(changed.status, changed.text).toBe(200);
    }
    const [from, to] = [3, 2].map((days) => new Date(rig.cloud.clock.now() - days * 86_400_000).toISOString());
    const refused = await send("POST", "/usage/rebuild", { from, to }, {}, "admin");
    expect([refused.status, refused.envelope.data.name]).toEqual([409, "RecordsExpired"]);
  });

  it("usage is summed from the records, as JSON and as CSV, and again when somebody wants it so", async () => {
    const { key, keyId } = await ok("createRelayKey", post("/keys", { name: "counted" }));
    const answers = await Promise.all([ask(key), ask(key), ask(key)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    await Promise.all(answers.map((answer) => answer.text()));
    const records = await vi.waitFor(async () => {
      const { items } = await ok("listRelayRecords", get(`/records?keyId=${keyId}`));
      expect(items).toHaveLength(3);
      return items;
    }, patience);
    const times = records.map(({ startedAt }) => startedAt).sort();
    const from = times[0] ?? "";
    const to = new Date(Date.parse(times.at(-1) ?? "") + 1).toISOString();
    const charged = records.reduce((sum, { chargedNanoUsd }) => sum + chargedNanoUsd, 0);
    await ok("rebuildRelayUsage", send("POST", "/usage/rebuild", { from, to }, {}, "admin"));
    const question = `from=${encodeURIComponent(from)}&groupBy=key,model&keyId=${keyId}`;
    await vi.waitFor(async () => {
      const { total, rows } = await ok("getRelayUsage", get(`/usage?${question}`));
      expect(total).toMatchObject({ requests: 3, chargedNanoUsd: charged });
      expect(rows).toEqual([expect.objectContaining({ key: keyId, model: "claude-sonnet-4-5", requests: 3 })]);
    }, patience);
    const csv = await get(`/usage.csv?${question}`);
    expect(csv.headers.get("content-type")).toBe("text/csv; charset=utf-8");
    expect(csv.text.split("\r\n").slice(0, 2)).toEqual([
      expect.stringMatching(/^key,model,requests,/),
      expect.stringMatching(new RegExp(`^${keyId},claude-sonnet-4-5,3,`)),
    ]);
    const own = await ok("getOwnRelayUsage", mine(key, `/me/usage?from=${encodeURIComponent(from)}&groupBy=model`));
    expect(own.total).toMatchObject({ requests: 3, chargedNanoUsd: charged });

    const old = await send(
      "POST",
      "/usage/rebuild",
      { from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z" },
      {},
      "admin",
    );
    expect([old.status, old.envelope.data.name]).toEqual([409, "RecordsExpired"]);
  });

  it("records are exported as a job that says where they are", async () => {
    const from = new Date(rig.cloud.clock.now() - 3_600_000).toISOString();
    const to = new Date(rig.cloud.clock.now() + 3_600_000).toISOString();
    const begun = await post("/usage/export", { from, to, format: "csv" });
    expect([begun.status, begun.headers.get("location")]).toEqual([
      202,
      expect.stringMatching(/\/api\/jobs\/[0-9a-f]{32}$/),
    ]);
    const { jobId } = begun.envelope.data as unknown as AnswerOf<"exportRelayUsage">;
    await vi.waitFor(async () => {
      const job = await ok("getJob", rig.call(`/api/jobs/${jobId}`, { as: "viewer" }));
      expect(job).toMatchObject({
        kind: "relay-usage-export",
        state: "succeeded",
        sentence: expect.stringContaining(`${jobId}.csv`),
      });
    }, patience);
    expect((await post("/usage/export", { from: to, to: from })).status).toBe(400);
  });
});

it("every change is in the audit, with no secret in it", async () => {
  const entries = await rig.audited();
  const operations = new Set(entries.map(({ operation }) => operation));
  for (const operation of [
    "createRelayAccount",
    "replaceRelayCredential",
    "createRelayKey",
    "rotateRelayKey",
    "changeRelayBalance",
    "putRelayPrice",
  ]) {
    expect(operations).toContain(operation);
  }
  expect(JSON.stringify(entries)).not.toMatch(/cwk_[0-9a-z]{12}[0-9A-Za-z]{38}|sk-ant/);
});
