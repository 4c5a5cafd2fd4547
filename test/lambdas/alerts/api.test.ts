// The routes of alerts as a caller meets them: rules read and changed under their ETag, deliveries listed, channels tried.
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { ChannelAddressesStore } from "../../../lambdas/alerts/channel-addresses.store.ts";
import { DeliveriesStore } from "../../../lambdas/alerts/deliveries.store.ts";
import type { Rule } from "../../../lambdas/alerts/rule.ts";
import { handler as sendTest } from "../../../lambdas/alerts/send-test-alert.lambda.ts";
import { handler as serveApi } from "../../../lambdas/alerts/serve-alerts-api.lambda.ts";
import { createSecretsManagerService } from "../../../local/secrets-manager/secrets-manager.ts";
import { startServiceRig } from "../../local/service-rig.ts";
import { callHttp, type HttpCall } from "../shared/http-call.ts";
import { type HttpTables, httpTables, startHttpTables } from "../shared/http-tables.ts";
import { type HttpPlace, openPlace, robotSays } from "./channels/channel-stages.ts";
import { ruleFor, standardRules } from "./sample-events.ts";
import { deliveriesOf } from "./sample-messages.ts";

const defaults = { suppressionMinutes: 60, recoveryNotice: true, quietHours: null };

let tables: HttpTables;
let robot: HttpPlace;
let secrets: Awaited<ReturnType<typeof startSecrets>>;

function startSecrets() {
  return startServiceRig((context) => ({ secrets: createSecretsManagerService(context) }));
}

beforeAll(async () => {
  tables = await startHttpTables({ ...httpTables, Alerts: { partition: "partition", sort: "item" } });
  robot = await openPlace(robotSays(0, "ok"));
  secrets = await startSecrets();
  const channels = [
    { name: "wecom", type: "wecom" },
    { name: "hook", type: "webhook" },
    { name: "log", type: "console" },
  ];
  secrets.services.secrets.createSecret({
    name: "/test/alerts/wecom",
    secretString: JSON.stringify({ url: `${robot.url}/?key=secret-key` }),
  });
  const environment = {
    ALERTS_TABLE: "Alerts",
    AUDIT_TABLE: "Audit",
    IDEMPOTENCY_TABLE: "Idempotency",
    CHANNELS: JSON.stringify(channels),
    RULE_DEFAULTS: JSON.stringify(defaults),
    STAGE: "test",
    LANGUAGE: "en",
    TIME_ZONE: "UTC",
    PUBLIC_URL: "https://causeway.example.com/",
    RUNBOOK_URL: "docs/runbook.md",
    SECRETS_PREFIX: "/test/alerts/",
    ALLOW_LOOPBACK: "true",
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
  };
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
});

afterEach(() => {
  robot.calls.length = 0;
});

afterAll(async () => {
  await tables?.[Symbol.asyncDispose]();
  await secrets?.close();
  await robot?.close();
});

const call = (path: string, more: Partial<HttpCall> = {}) => callHttp(serveApi, { path, role: "admin", ...more });
const rulesPath = "/api/alerts/rules";

async function getRules() {
  const { envelope, headers } = await call(rulesPath, { role: "viewer" });
  const { rules } = envelope.data as { rules: (Rule & { origin: string })[] };
  return { rules, etag: headers.etag ?? "" };
}

const put = (body: unknown, etag: string, path = rulesPath) =>
  call(path, { method: "PUT", body, headers: etag === "" ? {} : { "if-match": etag } });

describe("the rules", () => {
  it("are listed with what they may name, and where they come from", async () => {
    const { envelope } = await call(rulesPath, { role: "viewer" });
    expect(envelope.data).toMatchObject({
      channels: [
        { name: "wecom", type: "wecom" },
        { name: "hook", type: "webhook" },
        { name: "log", type: "console" },
      ],
      changedAt: null,
    });
    const { rules } = await getRules();
    expect(rules.map(({ origin }) => origin)).toEqual(standardRules().map(() => "default"));
    const events = envelope.data.events as { name: string; fields: string[] }[];
    expect(events.find(({ name }) => name === "NothingNew")?.fields).toEqual(["databaseId", "lastAt", "hours"]);
  });

  it("may go back as they came, and what is changed of them is kept alone", async () => {
    const { rules, etag } = await getRules();
    const changed = rules.map((rule) => (rule.ruleId === "mirror-failed" ? { ...rule, enabled: false } : rule));
    const own = {
      ...ruleFor("MirrorFailed"),
      ruleId: "orders-only",
      match: { ...ruleFor("MirrorFailed").match, where: { sourceKey: ["mysql/orders"] } },
    };
    const answer = await put({ rules: [...changed, own] }, etag);
    expect(answer.status).toBe(200);
    const after = await getRules();
    expect(after.etag).toBe(answer.headers.etag);
    expect(
      after.rules.filter(({ origin }) => origin !== "default").map(({ ruleId, origin }) => [ruleId, origin]),
    ).toEqual([
      ["mirror-failed", "changed"],
      ["orders-only", "own"],
    ]);
    // What is left out is back at its default, or gone.
    expect((await put({ rules: [] }, after.etag)).status).toBe(200);
    expect((await getRules()).rules.every(({ origin }) => origin === "default")).toBe(true);
  });

  it("are changed one by one, too", async () => {
    const { rules, etag } = await getRules();
    const { ruleId, origin, ...body } =
      rules.find((rule) => rule.ruleId === "nothing-new") ?? (ruleFor("NothingNew") as never);
    const answer = await put(
      { ...(body as object), suppressionMinutes: 5, channels: ["log"] },
      etag,
      `${rulesPath}/${ruleId}`,
    );
    expect(answer.status).toBe(200);
    expect((await getRules()).rules.find((rule) => rule.ruleId === ruleId)).toMatchObject({
      suppressionMinutes: 5,
      origin: "changed",
    });
    expect(origin).toBe("default");
  });

  it("are changed by nobody who has not seen them as they are", async () => {
    const { etag } = await getRules();
    expect((await put({ rules: [] }, "")).status).toBe(428);
    expect((await put({ rules: [] }, '"another"')).status).toBe(412);
    const both = await Promise.all([put({ rules: [] }, etag), put({ rules: [ruleFor("MirrorFailed")] }, etag)]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
  });

  it.each([
    ["a channel that is none", { channels: ["nowhere"] }, "body.rules.0.channels"],
    ["a field that the event has not", { deduplicateBy: ["nothing"] }, "body.rules.0.deduplicateBy"],
    [
      "a condition on such a field",
      { match: { ...ruleFor("MirrorFailed").match, where: { nothing: ["x"] } } },
      "body.rules.0.match.where.nothing",
    ],
    [
      "an event that is none",
      { match: { ...ruleFor("MirrorFailed").match, events: ["Nothing"] } },
      "body.rules.0.match.events.0",
    ],
    [
      "a time that is none",
      { quietHours: { from: "25:00", to: "07:00", timeZone: null, criticalPasses: true } },
      "body.rules.0.quietHours.from",
    ],
    [
      "a zone that is none",
      { quietHours: { from: "22:00", to: "07:00", timeZone: "Moon/Base", criticalPasses: true } },
      "body.rules.0.quietHours.timeZone",
    ],
    ["a threshold of nothing", { threshold: { count: 0, windowMinutes: 5 } }, "body.rules.0.threshold.count"],
    ["a field that is none of a rule's", { surprise: true }, "body.rules.0.surprise"],
  ])("are refused, and nothing is changed: %s", async (_why, changes, field) => {
    const { etag } = await getRules();
    const answer = await put({ rules: [{ ...ruleFor("MirrorFailed"), ...changes }] }, etag);
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.envelope.data.fields)).toContain(`"${field}`);
    expect((await getRules()).etag).toBe(etag);
  });

  it("are not two of one id", async () => {
    const { etag } = await getRules();
    const answer = await put({ rules: [ruleFor("MirrorFailed"), ruleFor("MirrorFailed")] }, etag);
    expect(answer.envelope.data.fields).toEqual([{ field: "body.rules.1.ruleId", problem: "Two rules have this id." }]);
  });
});

describe("the deliveries", () => {
  it("are listed newest first, filtered, and page by page", async () => {
    const store = new DeliveriesStore(tables.documents, "Alerts");
    const now = Date.now();
    const records = deliveriesOf(7).map((delivery, index) => {
      const raisedAt = new Date(now - index * 60_000).toISOString();
      const state = index % 2 === 0 ? ("sent" as const) : ("failed" as const);
      return {
        ...delivery,
        raisedAt,
        state,
        deliveryId: `${raisedAt}#listed-${index}#channel`,
        alertId: `listed-${index}`,
      };
    });
    await store.keepRecords(records);
    const path = "/api/alerts/deliveries";
    const first = await call(path, { role: "viewer", query: { limit: "3", state: "sent" } });
    const ids = (data: unknown) => (data as { items: { alertId: string }[] }).items.map(({ alertId }) => alertId);
    expect(ids(first.envelope.data)).toEqual(["listed-0", "listed-2", "listed-4"]);
    const second = await call(path, {
      query: { limit: "3", state: "sent", cursor: String(first.envelope.data.cursor) },
    });
    expect(ids(second.envelope.data)).toEqual(["listed-6"]);
    expect(second.envelope.data.cursor).toBeNull();
    expect(ids((await call(path, { query: { alertId: "listed-3" } })).envelope.data)).toEqual(["listed-3"]);
    const foreign = await call(path, { query: { state: "failed", cursor: String(first.envelope.data.cursor) } });
    expect(foreign.status).toBe(400);
  });
});

describe("a test", () => {
  const send = (channel: string, more: Partial<HttpCall> = {}) =>
    callHttp(sendTest, { method: "POST", path: "/api/alerts/test", body: { channel }, role: "operator", ...more });

  it("goes through the channel, marked as a test, and is answered with what the channel said", async () => {
    const answer = await send("wecom");
    expect(answer.envelope.data).toMatchObject({
      channel: "wecom",
      delivered: true,
      answer: "errcode 0: ok",
      error: null,
    });
    expect(robot.calls).toHaveLength(1);
    expect(robot.calls[0]?.body).toContain("[test] Test message");
    const listed = await call("/api/alerts/deliveries", { query: { channel: "wecom" } });
    expect((listed.envelope.data.items as { kind: string; state: string }[])[0]).toMatchObject({
      kind: "test",
      state: "sent",
    });
  });

  it("that failed is an answer, too, and tells no secret", async () => {
    robot.next.push(robotSays(93000, "invalid webhook url, key secret-key"));
    const answer = await send("wecom");
    expect(answer.status).toBe(200);
    expect(answer.envelope.data).toMatchObject({ delivered: false, error: "ChannelRefused" });
    expect(answer.text).not.toContain("secret-key");
    expect((await send("hook")).envelope.data).toMatchObject({ delivered: false, error: "SecretMissing" });
  });

  it("is sent once, however often the same request comes", async () => {
    const headers = { "idempotency-key": "try-1" };
    const [first, second] = [await send("wecom", { headers }), await send("wecom", { headers })];
    expect(second?.envelope).toEqual(first?.envelope);
    expect(robot.calls).toHaveLength(1);
  });

  it("of a channel that is none is a 404", async () => {
    expect((await send("nowhere")).status).toBe(404);
    expect((await send("log")).envelope.data).toMatchObject({ delivered: true });
  });
});

describe("a channel's address", () => {
  const storeAt = (now: () => number) => new ChannelAddressesStore(new SecretsManagerClient({}), "/test/alerts/", now);

  it("is read at first use, again when it is old or was refused, and not in between", async () => {
    let now = 0;
    const store = storeAt(() => now);
    const calls = () => secrets.authorized.filter(({ action }) => action === "secretsmanager:GetSecretValue").length;
    const before = calls();
    await store.read("wecom");
    await store.read("wecom");
    expect(calls() - before).toBe(1);
    store.forget("wecom");
    await store.read("wecom");
    now += 6 * 60_000;
    await store.read("wecom");
    expect(calls() - before).toBe(3);
  });

  it("that is missing or has another form is named, with the cure and without the secret", async () => {
    secrets.services.secrets.createSecret({
      name: "/test/alerts/odd",
      secretString: JSON.stringify({ url: "x", secret: "short-key" }),
    });
    secrets.services.secrets.createSecret({ name: "/test/alerts/text", secretString: "https://no-json/secret" });
    for (const [name, why] of [
      ["none", "There is no secret"],
      ["odd", "secret is wrong"],
      ["text", "the whole is wrong"],
    ] as const) {
      const error = await storeAt(Date.now)
        .read(name)
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: "SecretMissing", message: expect.stringContaining(why) });
      expect(String(error)).toContain(`npx causeway secrets set alerts/${name}`);
      expect(String(error)).not.toMatch(/short-key|no-json/);
    }
  });
});
