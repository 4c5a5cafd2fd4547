// The API of replication as a program uses it: looks at Aliyun and RDS, starts copies and exports, follows them, reads receipts.
import { ListExecutionsCommand, SFNClient } from "@aws-sdk/client-sfn";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { signedReceiptSchema } from "../../lambdas/replication/receipt.ts";
import { ApiRig, apiInstance } from "./api-rig.ts";

let rig: ApiRig;

beforeAll(async () => {
  rig = await ApiRig.start();
});

afterEach(() => rig.faults.clear());

afterAll(async () => {
  await rig?.close();
});

const base = "/api/replication";
const backupsOf = (instanceId: string, more = "") => `${base}/aliyun/backups?instanceId=${instanceId}${more}`;
const copyPath = (copyId: string) => `${base}/copies/${encodeURIComponent(copyId)}`;

interface Listed {
  readonly items: readonly Record<string, unknown>[];
  readonly cursor: string | null;
}

/** Every page, by the cursor of the page before. */
async function pages(path: string): Promise<Record<string, unknown>[][]> {
  const found: Record<string, unknown>[][] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const answer = await rig.call(cursor === "" ? path : `${path}&cursor=${encodeURIComponent(cursor)}`);
    expect(answer.status, answer.text).toBe(200);
    const page = answer.data as Listed;
    found.push([...page.items]);
    cursor = page.cursor;
  }
  return found;
}

describe("looking at Aliyun", () => {
  it("gives instances by pages, and says which the schedule copies", async () => {
    for (let count = 0; count < 4; count += 1) {
      rig.cloud.aliyun.addInstance({ instanceId: `rm-page${count}`, engine: "PostgreSQL", engineVersion: "16" });
    }
    const found = await pages(`${base}/aliyun/backups?limit=2`);
    expect(found.every((page) => page.length <= 2)).toBe(true);
    const instances = found.flat();
    expect(instances.map(({ instanceId }) => instanceId)).toEqual([
      apiInstance,
      "rm-page0",
      "rm-page1",
      "rm-page2",
      "rm-page3",
    ]);
    expect(instances[0]).toEqual({
      source: "aliyun-rds",
      instanceId: apiInstance,
      description: "shop",
      engine: "mysql",
      engineVersion: "8.0",
      status: "Running",
      isScheduled: true,
    });
  });

  it("judges an instance's backups as a run would, and tells no link", async () => {
    const good = await rig.addBackup({ fileName: "备份 a+b.xb" });
    const failed = await rig.addBackup({ backupStatus: "Failed" });
    const old = await rig.addBackup({ startedAt: rig.cloud.clock.now() - 20 * 86_400_000 });
    const answer = await rig.call(backupsOf(apiInstance), { as: "viewer" });
    expect(answer.status, answer.text).toBe(200);
    const byId = new Map((answer.data as Listed).items.map((item) => [item.backupId, item]));
    expect(byId.get(good.backupId)).toMatchObject({
      copyId: `aliyun-rds:${apiInstance}:${good.backupId}`,
      fileName: "备份 a+b.xb",
      sizeBytes: 150_000,
      verdict: "copyable",
      reason: null,
      copyState: null,
      restorability: "physical",
    });
    expect(byId.get(failed.backupId)).toMatchObject({
      verdict: "refused",
      reason: "failed: the vendor reports status Failed",
    });
    // The schedule looks back a week.
    expect(byId.has(old.backupId)).toBe(false);
    const start = new Date(rig.cloud.clock.now() - 25 * 86_400_000).toISOString();
    const wider = await rig.call(backupsOf(apiInstance, `&start=${start}`));
    expect((wider.data as Listed).items.map(({ backupId }) => backupId)).toContain(old.backupId);
    expect(answer.text + wider.text).not.toMatch(/https?:|Signature|Expires=/);
  });

  it.each([
    [`${base}/aliyun/backups?start=2026-11-01T00:00:00Z`, "query.start", /together with instanceId/],
    [backupsOf(apiInstance, "&cursor=x"), "query.cursor", /Leave it out/],
    [backupsOf(apiInstance, "&start=2026-11-02T00:00:00Z&end=2026-11-01T00:00:00Z"), "query.start", /before the end/],
    [backupsOf(apiInstance, "&start=2026-01-01T00:00:00Z"), "query.start", /at most 31 days/],
    [backupsOf("no/instance"), "query.instanceId", /Give an instance's id/],
    [`${base}/aliyun/backups?cursor=e30.0000`, "query.cursor", /no cursor of this list/],
    [`${base}/aliyun/backups?page=2`, "query.page", /There is no such parameter/],
  ])("%s is wrong at %s", async (path, field, problem) => {
    const answer = await rig.call(path);
    expect(answer.status, answer.text).toBe(400);
    expect(answer.data.fields).toEqual([{ field, problem: expect.stringMatching(problem) }]);
  });

  it("says what is wrong on Aliyun's side: no such instance, a refusal, an outage", async () => {
    const unknown = await rig.call(backupsOf("rm-nobody"));
    expect([unknown.status, unknown.data.name]).toEqual([404, "NotFound"]);
    rig.faults.add({ service: "aliyun-rds", effect: { kind: "error", status: 403, code: "Forbidden.RAM" } });
    const refused = await rig.call(backupsOf(apiInstance));
    expect([refused.status, refused.data.name]).toEqual([502, "SourceRefused"]);
    expect(refused.message).toContain("Forbidden.RAM");
  });
});

describe("copies", () => {
  it("are started, followed, listed, shown with their receipts, and found marked in Aliyun's list", async () => {
    const backup = await rig.addBackup({ fileName: "all of it.xb" });
    const body = { instanceId: apiInstance, backupIds: [backup.backupId] };
    const started = await rig.post(`${base}/aliyun/copies`, body, { "Idempotency-Key": "one" });
    expect(started.status, started.text).toBe(202);
    const { jobId } = started.data;
    expect(started.headers.get("location")).toBe(`/local/api/jobs/${jobId}`);
    // At once, although the workflow may not have begun.
    const job = await rig.finished(started.headers.get("location"));
    expect(job).toMatchObject({ kind: "replication-run", state: "succeeded" });

    const copyId = `aliyun-rds:${apiInstance}:${backup.backupId}`;
    const shown = await rig.call(copyPath(copyId), { as: "viewer" });
    expect(shown.status, shown.text).toBe(200);
    expect(shown.data).toMatchObject({
      copyId,
      state: "verified",
      fileName: "all of it.xb",
      error: null,
      result: { proof: "source-checksum", bytes: 150_000, jobId },
    });
    const { key, document } = shown.data.receipts.copy;
    expect(key).toBe(shown.data.result.receiptKey);
    expect(signedReceiptSchema.parse(document).receipt.copyId).toBe(copyId);
    // Colons may also come as they are.
    expect((await rig.call(`${base}/copies/${copyId}`)).data.copyId).toBe(copyId);

    const listed = await rig.call(`${base}/copies?instanceId=${apiInstance}&state=verified&engine=mysql`);
    expect((listed.data as Listed).items[0]).toMatchObject({ copyId, changedAt: expect.any(String) });
    expect(((await rig.call(`${base}/copies?engine=postgresql`)).data as Listed).items).toEqual([]);
    expect(listed.text + shown.text).not.toContain("Signature=");

    const inAliyun = (await rig.call(backupsOf(apiInstance))).data as Listed;
    expect(inAliyun.items.find(({ backupId }) => backupId === backup.backupId)).toMatchObject({
      verdict: "copied",
      copyState: "verified",
    });
    const audited = await rig.call("/api/audit", { as: "admin" });
    expect((audited.data as Listed).items[0]).toMatchObject({
      action: "started copies",
      outcome: "done",
      details: { jobId, workflow: "replicate-backups" },
    });
  });

  it("show their mirror's receipt, which points at that of the copy, once they are in OSS", async () => {
    const { data } = await rig.call(`${base}/copies?state=verified&limit=1`);
    const [copy] = (data as Listed).items;
    const until = Date.now() + 120_000;
    for (;;) {
      const { receipts } = (await rig.call(copyPath(String(copy?.copyId)))).data;
      if (receipts.mirror !== null) {
        expect(receipts.mirror.document.receipt.copy).toMatchObject({
          copyId: copy?.copyId,
          receiptKey: receipts.copy.key,
          receiptSha256: receipts.copy.sha256,
        });
        break;
      }
      expect(Date.now(), "the copy is mirrored in time").toBeLessThan(until);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });

  it("begin once, however often the request comes, also after its answer was lost", async () => {
    const backup = await rig.addBackup();
    const body = { instanceId: apiInstance, backupIds: [backup.backupId] };
    const start = () => rig.post(`${base}/aliyun/copies`, body, { "Idempotency-Key": "again" });
    // Started, but the function learns nothing of it.
    rig.faults.add({
      service: "lambda",
      resourceIncludes: "StartReplication",
      times: 1,
      effect: { kind: "kill", atCall: 3, when: "after" },
    });
    const lost = await start();
    expect([lost.status, lost.data.retryable]).toEqual([503, true]);
    const early = await start();
    expect([early.status, early.data.name]).toEqual([409, "StillWorking"]);
    // Nobody works on it any more.
    rig.cloud.clock.advance(61_000);
    const answers = [await start(), await start()];
    expect(answers.map(({ status }) => status)).toEqual([202, 202]);
    expect(answers[1]?.headers.get("idempotency-replayed")).toBe("true");
    const jobId = answers[0]?.data.jobId;
    expect(answers[1]?.data.jobId).toBe(jobId);
    await rig.finished(`/api/jobs/${jobId}`);
    const states = new SFNClient(rig.cloud.clientConfig());
    const { executions = [] } = await states.send(
      new ListExecutionsCommand({ stateMachineArn: rig.cloud.output("ReplicateBackupsArn") }),
    );
    expect(executions.filter(({ name }) => name === jobId)).toHaveLength(1);
    const other = await rig.post(`${base}/aliyun/copies`, { ...body, force: true }, { "Idempotency-Key": "again" });
    expect([other.status, other.data.name]).toEqual([422, "IdempotencyKeyReused"]);
  });

  it("that find no such backup fail, and the job says why", async () => {
    const started = await rig.post(`${base}/aliyun/copies`, { instanceId: apiInstance, backupIds: ["404"] });
    const job = await rig.finished(started.headers.get("location"));
    expect(job.state).toBe("failed");
    expect(JSON.stringify(job)).toContain("BackupNotFound");
  });

  it("are found by pages, each once, newest change first", async () => {
    const found = (await pages(`${base}/copies?limit=1`)).flat();
    expect(found.length).toBeGreaterThan(1);
    expect(new Set(found.map(({ copyId }) => copyId)).size).toBe(found.length);
    const times = found.map(({ changedAt }) => String(changedAt));
    expect(times).toEqual([...times].sort().reverse());
  });

  it.each(["aliyun-rds:rm-x:1", "egress#2026-11", "備份", "a%2Fb"])("%s is no copy: 404", async (copyId) => {
    expect([400, 404]).toContain((await rig.call(copyPath(copyId))).status);
  });

  it.each([
    [{}, "body.instanceId"],
    [{ instanceId: apiInstance }, "body.backupIds"],
    [{ instanceId: apiInstance, backupIds: [] }, "body.backupIds"],
    [{ instanceId: apiInstance, backupIds: [5] }, "body.backupIds.0"],
    [{ instanceId: apiInstance, backupIds: ["1"], force: "yes" }, "body.force"],
    [{ instanceId: apiInstance, backupIds: ["1"], window: { start: "x" } }, "body.window.start"],
    [{ instanceId: apiInstance, backupIds: ["1"], types: [] }, "body.types"],
  ])("are not started by %j: %s", async (body, field) => {
    const answer = await rig.post(`${base}/aliyun/copies`, body);
    expect(answer.status).toBe(400);
    const fields = answer.data.fields as { field: string; problem: string }[];
    expect(fields.map((each) => each.field)).toContain(field);
    expect(fields.map(({ problem }) => problem).join(" ")).not.toMatch(/expected|received|Invalid|Too small/);
  });
});

describe("exports", () => {
  function addSnapshot(databaseId: string, hoursOld: number) {
    const columns = [{ name: "id", type: "int" }];
    rig.cloud.rds.ensureDatabase({
      databaseId,
      engine: "mysql",
      engineVersion: "8.0.39",
      tables: [{ database: "shop", name: "orders", columns, primaryKey: "id", rows: [[1]] }],
    });
    const createdAtMilliseconds = rig.cloud.clock.now() - hoursOld * 3_600_000;
    return rig.cloud.rds.addSnapshot({ databaseId, snapshotId: `${databaseId}-${hoursOld}`, createdAtMilliseconds });
  }

  it("are seen before, started, followed, listed and shown with their receipt", async () => {
    const newest = addSnapshot("orders", 1);
    addSnapshot("orders", 5);
    addSnapshot("stock", 3);
    const before = (await pages(`${base}/aws/snapshots?limit=1`)).flat();
    expect(before.map(({ snapshotId, verdict }) => [snapshotId, verdict])).toEqual([
      ["orders-1", "export"],
      ["stock-3", "export"],
      ["orders-5", "superseded"],
    ]);
    expect(before[2]).toMatchObject({ reason: expect.stringContaining("orders-1"), exportState: null });
    const ofStock = (await rig.call(`${base}/aws/snapshots?databaseId=STOCK`)).data as Listed;
    expect(ofStock.items.map(({ snapshotId }) => snapshotId)).toEqual(["stock-3"]);

    const started = await rig.post(`${base}/aws/exports`, { snapshotArns: [newest.arn] });
    expect(started.status, started.text).toBe(202);
    const job = await rig.finished(started.headers.get("location"));
    expect(job, JSON.stringify(job)).toMatchObject({ kind: "snapshot-export", state: "succeeded" });

    const listed = (await rig.call(`${base}/aws/exports?state=complete`)).data as Listed;
    const [item] = listed.items;
    expect(item).toMatchObject({ snapshotArn: newest.arn, state: "complete", result: { tables: 1, jobId: job.jobId } });
    const shown = await rig.call(`${base}/aws/exports/${item?.exportId}`);
    expect(shown.data.receipt.document.receipt).toMatchObject({
      outcome: "complete",
      source: { snapshotArn: newest.arn },
    });
    const after = (await rig.call(`${base}/aws/snapshots?verdict=already-exported`)).data as Listed;
    expect(after.items).toMatchObject([{ snapshotId: "orders-1", exportState: "complete" }]);
    expect((await rig.call(`${base}/aws/exports/e0`)).status).toBe(404);
  });

  it("without a list export whatever is due", async () => {
    const started = await rig.post(`${base}/aws/exports`, {});
    const job = await rig.finished(started.headers.get("location"));
    const outcomes = (job.units as { title: string; outcome: string }[]).map(({ title, outcome }) => [title, outcome]);
    expect(Object.fromEntries(outcomes)).toMatchObject({
      "stock stock-3": "exported",
      "orders orders-1": "already-exported",
    });
  });

  it("of what is no ARN, or not there, are refused, at once or by the job", async () => {
    const wrong = await rig.post(`${base}/aws/exports`, { snapshotArns: ["orders-1"] });
    expect([wrong.status, wrong.data.fields]).toEqual([
      400,
      [{ field: "body.snapshotArns.0", problem: "Give the ARN of a snapshot." }],
    ]);
    const arn = "arn:aws:rds:eu-central-1:000000000000:snapshot:nobody";
    const started = await rig.post(`${base}/aws/exports`, { snapshotArns: [arn] });
    expect((await rig.finished(started.headers.get("location"))).state).toBe("failed");
  });
});

describe("the mirror", () => {
  it("is reconciled on request, as a whole or below a prefix", async () => {
    const started = await rig.post(`${base}/mirror/reconcile`, { prefix: "mysql/" });
    expect(started.status, started.text).toBe(202);
    const job = await rig.finished(started.headers.get("location"));
    expect(job, JSON.stringify(job)).toMatchObject({ kind: "mirror-reconciliation", state: "succeeded" });
    const wrong = await rig.post(`${base}/mirror/reconcile`, { prefix: "", readData: "yes" });
    expect([wrong.status, wrong.data.fields.map(({ field }: { field: string }) => field)]).toEqual([
      400,
      ["body.prefix", "body.readData"],
    ]);
  });
});
