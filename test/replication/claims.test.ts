// Who may work on a copy: two runs at once, owners that died, restarts of the whole cloud in the middle.
import { ListObjectVersionsCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { RedriveExecutionCommand, StopExecutionCommand } from "@aws-sdk/client-sfn";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { seededContent } from "../../local/aliyun-rds/seeded-content.ts";
import { findFreeRow } from "../../local/free-ports.ts";
import { Clock } from "../../local/rig/clock.ts";
import { ReplicationRig } from "./replication-rig.ts";

const sizeBytes = 1_300_000;
const bytes = Buffer.from(seededContent(1)(0, sizeBytes));
const content = { seed: 1, sizeBytes };
/** The download of one part takes so long that a test can step in. */
const slowPart = {
  service: "aliyun-download",
  fromCall: 12,
  effect: { kind: "delay", milliseconds: 3_600_000 },
} as const;

let rig: ReplicationRig;

beforeEach(async () => {
  // A clock that does not skip: the slow part stays slow until the test moves time.
  // Ports that a restart finds free again.
  const first = await findFreeRow(2);
  rig = await ReplicationRig.start({ clock: new Clock(), aliyunPorts: { rpc: first, download: first + 1 } });
});

afterEach(async () => {
  await rig?.close();
});

/** Starts a run and waits until most parts are in S3 and one hangs. */
async function hangingRun(): Promise<string> {
  rig.faults.add(slowPart);
  const executionArn = await rig.start();
  await until(async () => rig.faults.fired.length > 0 && (await rig.partsInS3()) >= 12);
  return executionArn;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 2_400; tries += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("it did not come to pass within two minutes");
}

describe("a claim", () => {
  it("lets one of two runs at the same time copy a backup, and the other one leave it alone", async () => {
    const backup = await rig.addBackup({ content });
    const runs = await Promise.all([rig.run(), rig.run()]);
    expect(runs.map((run) => run.status)).toEqual(["SUCCEEDED", "SUCCEEDED"]);
    const outcomes = runs.map((run) => run.job.units[0]?.outcome ?? "").sort();
    expect(outcomes).toContain("verified");
    expect(["already-copied", "claimed-elsewhere"]).toContain(outcomes.find((outcome) => outcome !== "verified"));
    await rig.expectCopied(backup, bytes);
    const { Versions } = await rig.s3.send(new ListObjectVersionsCommand({ Bucket: rig.bucket, Prefix: "mysql/" }));
    expect(Versions).toHaveLength(1);
  });

  it("of a stopped run is respected until it expires, then taken over, and what was copied is not copied again", async () => {
    const backup = await rig.addBackup({ content });
    const executionArn = await hangingRun();
    await rig.states.send(new StopExecutionCommand({ executionArn }));
    rig.faults.clear();

    const early = await rig.run();
    expect(early.job.units[0]?.outcome).toBe("claimed-elsewhere");

    rig.clock.advance(21 * 60_000);
    const before = rig.cloud.aliyun.downloads.length;
    const run = await rig.run();
    expect(run.status, run.cause).toBe("SUCCEEDED");
    await rig.expectCopied(backup, bytes);
    const sentAgain = rig.cloud.aliyun.downloads.slice(before).reduce((sum, download) => sum + download.bytesSent, 0);
    expect(sentAgain).toBeLessThan(sizeBytes / 2);
  });

  it("is taken by a forced run, which replaces what somebody put at the key meanwhile", async () => {
    const backup = await rig.addBackup({ content });
    const executionArn = await hangingRun();
    await rig.states.send(new StopExecutionCommand({ executionArn }));
    rig.faults.clear();
    const Key = (await rig.copy(backup))?.key;
    await rig.s3.send(new PutObjectCommand({ Bucket: rig.bucket, Key, Body: "theirs" }));
    rig.clock.advance(21 * 60_000);
    const run = await rig.run({ backupIds: [backup.backupId], force: true });
    expect(run.status, run.cause).toBe("SUCCEEDED");
    await rig.expectCopied(backup, bytes);
  });

  it("stays with a run that is redriven, which goes on where it was stopped", async () => {
    const backup = await rig.addBackup({ content });
    const executionArn = await hangingRun();
    await rig.states.send(new StopExecutionCommand({ executionArn }));
    rig.faults.clear();
    await rig.states.send(new RedriveExecutionCommand({ executionArn }));
    const run = await rig.waitFor(executionArn);
    expect(run.status, run.cause).toBe("SUCCEEDED");
    await rig.expectCopied(backup, bytes);
  });
});

describe("the whole local cloud", () => {
  it("goes on with a run where it was when it is ended and started again in the middle", async () => {
    const backup = await rig.addBackup({ content });
    const executionArn = await hangingRun();
    rig.faults.clear();
    await rig.restart();
    await rig.addBackup({ ...backup, content });
    const run = await rig.waitFor(executionArn);
    expect(run.status, run.cause).toBe("SUCCEEDED");
    await rig.expectCopied(backup, bytes);
  });
});
