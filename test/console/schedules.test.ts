// Schedules, settings, readiness, audit over the API: what is shown is what is, and a change reaches EventBridge Scheduler.

import { GetScheduleCommand, SchedulerClient, UpdateScheduleCommand } from "@aws-sdk/client-scheduler";
import { DeleteSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConsoleRig, metricsToken } from "./console-rig.ts";

const name = "causeway-local-replicate-backups";
const place = `/api/schedules/${name}`;
const nightly = { enabled: true, expression: "cron(15 2 * * ? *)", timeZone: "Europe/Berlin" };

let rig: ConsoleRig;
let scheduler: SchedulerClient;

beforeAll(async () => {
  rig = await ConsoleRig.start();
  scheduler = new SchedulerClient(rig.cloud.clientConfig());
});

afterAll(async () => {
  await rig?.close();
});

async function presentTag(): Promise<string> {
  return (await rig.call(place, { as: "viewer" })).headers.get("etag") ?? "";
}

const change = (body: unknown, tag: string) =>
  rig.call(place, { method: "PUT", as: "admin", headers: { "If-Match": tag }, body });

describe("a schedule", () => {
  it("is listed as Scheduler has it", async () => {
    const { items } = (await rig.call("/api/schedules", { as: "viewer" })).envelope.data as {
      items: { name: string }[];
    };
    const own = items.find((item) => item.name === name);
    expect(own).toMatchObject({
      enabled: true,
      expression: "cron(30 3 * * ? *)",
      timeZone: "Asia/Shanghai",
      isAsWanted: true,
    });
    expect(own).toEqual((await rig.call(place, { as: "viewer" })).envelope.data);
  });

  it("is on a page of the list, which is paged by number", async () => {
    const list = async (query: string) => (await rig.call(`/api/schedules?${query}`, { as: "viewer" })).envelope.data;
    const whole = (await list("limit=100")) as { items: object[]; total: number };
    expect(whole.items).toHaveLength(whole.total);
    const second = await list("limit=2&page=2");
    expect(second).toEqual({ items: whole.items.slice(2, 4), page: 2, limit: 2, total: whole.total });
    expect((await list("page=10000")).items).toEqual([]);
  });

  it("fires as it was changed, and calls what it called before", async () => {
    const before = await scheduler.send(new GetScheduleCommand({ Name: name }));
    const answer = await change(nightly, await presentTag());
    expect([answer.status, answer.envelope.data]).toMatchObject([
      200,
      { ...nightly, wanted: { by: "admin", version: 1 } },
    ]);
    expect(answer.headers.get("etag")).toBe(await presentTag());
    const after = await scheduler.send(new GetScheduleCommand({ Name: name }));
    expect([after.ScheduleExpression, after.ScheduleExpressionTimezone, after.State]).toEqual([
      nightly.expression,
      nightly.timeZone,
      "ENABLED",
    ]);
    expect([after.Target, after.FlexibleTimeWindow, after.Description]).toEqual([
      before.Target,
      before.FlexibleTimeWindow,
      before.Description,
    ]);
    expect((await rig.audited())[0]).toMatchObject({
      action: "changed a schedule",
      name: "admin",
      outcome: "done",
      target: place,
      details: { before: { expression: "cron(30 3 * * ? *)" }, after: nightly },
    });
  });

  it("is changed by one of many who saw the same", async () => {
    const tag = await presentTag();
    const bodies = Array.from({ length: 5 }, (_, index) => ({ ...nightly, expression: `rate(${index + 2} hours)` }));
    const answers = await Promise.all(bodies.map((body) => change(body, tag)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412, 412]);
    const won = answers.find(({ status }) => status === 200)?.envelope.data;
    expect((await rig.call(place, { as: "viewer" })).envelope.data).toMatchObject({ expression: won?.expression });
  });

  it("that a deployment changed says that it is not as wanted, and its tag is another", async () => {
    const tag = await presentTag();
    const { Target, FlexibleTimeWindow } = await scheduler.send(new GetScheduleCommand({ Name: name }));
    const deployed = { Name: name, Target, FlexibleTimeWindow, ScheduleExpression: "rate(9 hours)" };
    await scheduler.send(new UpdateScheduleCommand(deployed));
    const shown = await rig.call(place, { as: "viewer" });
    expect(shown.envelope.data).toMatchObject({ expression: "rate(9 hours)", isAsWanted: false });
    expect((await change(nightly, tag)).status).toBe(412);
    expect((await change({ ...nightly, enabled: false }, await presentTag())).envelope.data).toMatchObject({
      enabled: false,
      isAsWanted: true,
    });
  });

  it.each([
    [{ ...nightly, expression: "whenever" }, "body.expression"],
    [{ ...nightly, timeZone: "+08:00" }, "body.timeZone"],
    [{ ...nightly, enabled: "yes" }, "body.enabled"],
    [{ ...nightly, target: "arn:x" }, "body.target"],
  ])("is not changed by %j", async (body, field) => {
    const tag = await presentTag();
    const answer = await change(body, tag);
    expect([answer.status, answer.envelope.data.fields]).toMatchObject([400, [{ field }]]);
    expect(await presentTag()).toBe(tag);
  });

  it("that is none of ours is not there, whatever else Scheduler has", async () => {
    const other = "/api/schedules/somebody-elses";
    expect((await rig.call(other, { as: "viewer" })).status).toBe(404);
    const put = await rig.call(other, { method: "PUT", as: "admin", headers: { "If-Match": "*" }, body: nightly });
    expect(put.status).toBe(404);
  });
});

describe("the settings", () => {
  it("are all shown, each with where it comes from", async () => {
    const { items } = (await rig.call("/api/config", { as: "operator" })).envelope.data as {
      items: { path: string; value: unknown; source: string }[];
    };
    const sourceOf = (path: string) => items.find((item) => item.path === path)?.source;
    expect(sourceOf("aliyun.region")).toBe("stages/local.json");
    expect(sourceOf("aliyun.includeDeletedInstances")).toBe("default");
    expect(sourceOf("aliyun.endpoint")).toBe("parameter");
    expect(items.find(({ path }) => path === `schedules.${name}.enabled`)).toMatchObject({
      value: false,
      source: "changed over the API",
    });
  });
});

describe("readiness", () => {
  it("is a 200 while everything that is needed answers", async () => {
    const answer = await rig.call("/api/ready", { as: "viewer" });
    expect(answer.status, answer.text).toBe(200);
    const checks = answer.envelope.data.checks as { name: string; state: string; isRequired: boolean }[];
    expect(checks.map(({ name: what }) => what)).toEqual(
      expect.arrayContaining([
        "event bus causeway-local",
        "secret /local/replication/aliyun",
        "sign-in keys",
        "Aliyun",
      ]),
    );
    // What only some work needs may be missing, and is shown.
    expect(checks.filter(({ state, isRequired }) => isRequired && state !== "ok")).toEqual([]);
    expect(checks).toContainEqual(expect.objectContaining({ name: "secret /local/alerts/wecom", state: "failed" }));
  });

  it("is a 503 that names what does not, and what is wrong with it", async () => {
    rig.faults.add({
      service: "s3",
      operation: "HeadBucket",
      times: 1000,
      effect: { kind: "error", status: 503, code: "SlowDown" },
    });
    const secrets = new SecretsManagerClient(rig.cloud.clientConfig());
    await secrets.send(
      new DeleteSecretCommand({ SecretId: "/local/replication/aliyun", ForceDeleteWithoutRecovery: true }),
    );
    const answer = await rig.call("/api/ready", { as: "viewer" });
    rig.faults.clear();
    expect([answer.status, answer.envelope.data.name]).toEqual([503, "NotReady"]);
    const fields = answer.envelope.data.fields as { field: string; problem: string }[];
    expect(fields.filter(({ field }) => field.startsWith("bucket"))).toHaveLength(2);
    expect(fields).toContainEqual({
      field: "secret /local/replication/aliyun",
      problem: "is not there, or may not be looked at",
    });
    expect(answer.text).not.toContain("arn:");
  });
});

describe("the audit", () => {
  it("is paged, filtered, and by month", async () => {
    const ask = async (query: string) => (await rig.call(`/api/audit?${query}`, { as: "admin" })).envelope.data;
    const all = (await ask("limit=100")).items as { at: string; outcome: string }[];
    expect(all.length).toBeGreaterThan(5);
    const refused = (await ask("outcome=PreconditionFailed&operation=changeSchedule&limit=2")) as {
      items: object[];
      cursor: string;
    };
    expect(refused.items).toHaveLength(2);
    const more = (await ask(`outcome=PreconditionFailed&operation=changeSchedule&limit=2&cursor=${refused.cursor}`))
      .items;
    const whole = all.filter(({ outcome }) => outcome === "PreconditionFailed");
    expect([...refused.items, ...(more as object[])]).toEqual(whole.slice(0, 4));
    expect((await ask("month=2020-01")).items).toEqual([]);
    expect((await ask(`before=${all[2]?.at}`)).items).toEqual(all.slice(3));
    expect((await rig.call("/api/audit?month=2026-13", { as: "admin" })).status).toBe(400);
  });
});

describe("the metrics", () => {
  it("say first when each kind of job last succeeded", async () => {
    const at = "2026-11-20T01:02:03.000Z";
    const job = { phase: "finished", startedAt: at, heartbeatAt: at, finishedAt: at } as const;
    await rig.jobs.putJob({ ...job, jobId: "m-1", kind: "mirror-object", state: "succeeded" });
    await rig.jobs.putJob({ ...job, jobId: "m-2", kind: "mirror-object", state: "failed" });
    const answer = await rig.call("/metrics", { headers: { Authorization: `Bearer ${metricsToken}` } });
    expect(answer.headers.get("content-type")).toMatch(/^application\/openmetrics-text/);
    const lines = answer.text.split("\n");
    expect(lines[0]).toBe("# TYPE causeway_last_success_timestamp_seconds gauge");
    expect(lines).toContain(`causeway_last_success_timestamp_seconds{kind="mirror-object"} ${Date.parse(at) / 1000}`);
    expect(lines).toContain('causeway_jobs{kind="mirror-object",state="failed"} 1');
    expect(lines).toContain("causeway_mirror_waiting_objects 0");
  });

  it("without their secret are a 503 that names it", async () => {
    const secrets = new SecretsManagerClient(rig.cloud.clientConfig());
    await secrets.send(
      new DeleteSecretCommand({ SecretId: "/local/console/metrics-token", ForceDeleteWithoutRecovery: true }),
    );
    rig.cloud.clock.advance(6 * 60_000);
    const answer = await rig.call("/metrics", { headers: { Authorization: `Bearer ${metricsToken}` } });
    expect([answer.status, answer.envelope.data.name]).toEqual([503, "SecretMissing"]);
    expect(answer.envelope.message).toContain("/local/console/metrics-token");
  });
});
