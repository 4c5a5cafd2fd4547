// The API where a stage has neither exports nor a mirror, and where its secret was forgotten; and what its roles may do.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildApp } from "../../bin/causeway.ts";
import { parseStageSettings } from "../../lib/config.ts";
import type { GrantUse } from "../../local/iam/iam.ts";
import { ApiRig, apiInstance } from "./api-rig.ts";

const base = "/api/replication";
const backups = `${base}/aliyun/backups?instanceId=${apiInstance}`;

describe("a stage that only copies", () => {
  let folder: string;
  let rig: ApiRig;

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "causeway-bare-"));
    const settings = JSON.parse(readFileSync(path.resolve(import.meta.dirname, "../../stages/local.json"), "utf8"));
    delete settings.replication.exports;
    delete settings.replication.mirror;
    const assembly = path.join(folder, "cdk.out");
    buildApp(parseStageSettings("local", JSON.stringify(settings)), assembly).synth();
    rig = await ApiRig.start({ assemblyDirectory: assembly, withSecrets: false });
  });

  afterAll(async () => {
    await rig?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    ["GET", `${base}/aws/snapshots`, undefined, "replication.exports"],
    ["POST", `${base}/aws/exports`, {}, "replication.exports"],
    ["POST", `${base}/mirror/reconcile`, {}, "replication.mirror"],
  ])("answers %s %s with 409 and the setting that is missing", async (method, address, body, setting) => {
    const answer = await rig.call(address, { method, ...(body && { body }) });
    expect([answer.status, answer.data.name]).toEqual([409, "Conflict"]);
    expect(answer.message).toContain(`Set ${setting} in its settings file, and deploy it.`);
  });

  it("has an empty list of exports", async () => {
    expect((await rig.call(`${base}/aws/exports`)).data).toEqual({ items: [], cursor: null });
  });

  it("says which secret is missing, and how to put it there", async () => {
    const answer = await rig.call(backups);
    expect([answer.status, answer.data.name]).toEqual([503, "SecretMissing"]);
    expect(answer.message).toContain("npx causeway secrets set aliyun");
    const started = await rig.post(`${base}/aliyun/copies`, { instanceId: apiInstance, backupIds: ["1"] });
    const job = await rig.finished(started.headers.get("location"));
    expect(job.state).toBe("failed");
    expect(JSON.stringify(job)).toContain("SecretMissing");
  });

  it("takes a key for another request a day later", async () => {
    const start = (backupIds: string[]) =>
      rig.post(`${base}/aliyun/copies`, { instanceId: apiInstance, backupIds }, { "Idempotency-Key": "old" });
    const first = await start(["1"]);
    await rig.finished(first.headers.get("location"));
    expect((await start(["2"])).status).toBe(422);
    rig.cloud.clock.advance(25 * 3_600_000);
    const other = await start(["2"]);
    expect([other.status, other.data.jobId === first.data.jobId]).toEqual([202, false]);
  });
});

describe("the roles behind the API", () => {
  const ours = /replication-(BrowseAliyun|BrowseSnapshots|AnswerReplication|StartReplication)/;
  const notSeenHere = [
    // What AWS asks of whoever reads and writes encrypted items and objects; tables are not encrypted here.
    / kms:(Decrypt|DescribeKey|Encrypt|GenerateDataKey)/,
    / (logs|xray):/,
  ];
  const nameOf = (grant: GrantUse) => `${grant.roleArn.split("/").at(-1)} ${grant.action}`;
  let rig: ApiRig;

  beforeAll(async () => {
    rig = await ApiRig.start();
    // A copy that is not in OSS yet: whether it has a receipt of the mirror is asked all the same.
    for (const { functionName } of rig.cloud.eventSources.list()) rig.cloud.eventSources.disable(functionName);
    rig.cloud.rds.ensureDatabase({ databaseId: "orders", engine: "mysql", engineVersion: "8.0.39" });
    rig.cloud.rds.addSnapshot({
      databaseId: "orders",
      snapshotId: "orders-1",
      createdAtMilliseconds: rig.cloud.clock.now() - 3_600_000,
    });
    const backup = await rig.addBackup();
    const started = await rig.post(`${base}/aliyun/copies`, {
      instanceId: apiInstance,
      backupIds: [backup.backupId],
    });
    await rig.finished(started.headers.get("location"));
    await useEverything("first");
  });

  afterAll(async () => {
    await rig?.close();
  });

  /** Each route once; with the same key again after its lease, so that the execution is found begun. */
  async function useEverything(key: string): Promise<number[]> {
    const { data } = await rig.call(`${base}/copies?limit=1`);
    const statuses = [
      await rig.call(backups),
      await rig.call(`${base}/aws/snapshots`),
      await rig.call(`${base}/copies/${encodeURIComponent(data?.items?.[0]?.copyId ?? "none")}`),
      await rig.call(`${base}/aws/exports`),
      await rig.call(`${base}/aws/exports/e0`),
      await startTwice(`${base}/aliyun/copies`, { instanceId: apiInstance, backupIds: ["1"] }, key),
      await startTwice(`${base}/aws/exports`, { snapshotArns: [noSnapshot] }, key),
      await startTwice(`${base}/mirror/reconcile`, { prefix: "mysql/none/" }, key),
    ];
    return statuses.map(({ status }) => status);
  }

  const noSnapshot = "arn:aws:rds:us-east-1:000000000000:snapshot:none";

  /** The first answer is not kept, as when the function died: the second request finds the execution ended. */
  async function startTwice(address: string, body: unknown, key: string) {
    rig.faults.add({
      service: "dynamodb",
      operation: "UpdateItem",
      times: 20,
      effect: { kind: "error", status: 400, code: "ValidationException" },
    });
    const first = await rig.post(address, body, { "Idempotency-Key": key });
    rig.faults.clear();
    if (first.status === 202) await rig.finished(first.headers.get("location"));
    rig.cloud.clock.advance(61_000);
    return rig.post(address, body, { "Idempotency-Key": key });
  }

  it("hold no grant without a known use, and lack none", () => {
    const grants = rig.cloud.iam.grants().filter(({ roleArn }) => ours.test(roleArn));
    expect(grants.length).toBeGreaterThan(25);
    const unused = grants.filter(({ uses }) => uses === 0).map(nameOf);
    expect(unused.filter((name) => !notSeenHere.some((pattern) => pattern.test(name)))).toEqual([]);
    expect(rig.cloud.iam.calls.denied().filter(({ principalArn }) => ours.test(principalArn))).toEqual([]);
  });
});
