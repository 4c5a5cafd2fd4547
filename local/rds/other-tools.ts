// Export tasks of other tools in the same account, which take slots and show up in every list.
import type { ExportTask } from "./export-tasks.ts";
import type { RdsState } from "./rds-call.ts";

const idPrefix = "another-tool-";

/** Ends those that are more than `count`, as complete, and starts those that are missing. */
export function occupySlots({ context, tasks }: RdsState, count: number): void {
  const now = Math.floor(context.clock.now());
  const theirs = tasks.active.filter(({ dataFile }) => dataFile === undefined);
  for (const { taskId } of theirs.slice(count)) {
    tasks.update(taskId, { status: "COMPLETE", percentProgress: 100, endedAtMilliseconds: now });
  }
  for (let missing = count - theirs.length; missing > 0; missing -= 1) {
    let number = 1;
    while (tasks.find(`${idPrefix}${number}`)) number += 1;
    tasks.put(anothersTask(`${idPrefix}${number}`, `arn:aws:rds:${context.region}:${context.accountId}`, now));
  }
}

function anothersTask(taskId: string, arnStart: string, now: number): ExportTask {
  const [, , , region = "", accountId = ""] = arnStart.split(":");
  const kmsKeyArn = `arn:aws:kms:${region}:${accountId}:key/00000000-0000-4000-8000-000000000000`;
  return {
    taskId,
    sourceArn: `${arnStart}:snapshot:${taskId}`,
    sourceType: "SNAPSHOT",
    engine: "mysql",
    snapshotTimeMilliseconds: now,
    exportOnly: [],
    bucket: "another-tools-bucket",
    prefix: "",
    roleArn: `arn:aws:iam::${accountId}:role/another-tool`,
    kmsKeyId: kmsKeyArn,
    kmsKeyArn,
    status: "IN_PROGRESS",
    requestedAtMilliseconds: now,
    startedAtMilliseconds: now,
    percentProgress: 10,
    extractedBytes: 0,
    fullSizeBytes: 0,
    reports: [],
  };
}
