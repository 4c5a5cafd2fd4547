// A failure on purpose, through the real path: a backup whose bytes do not have the checksum that Aliyun states for it.
import { ListExecutionsCommand, StopExecutionCommand } from "@aws-sdk/client-sfn";
import { resultTable } from "../../cli/render-run.ts";
import { followToEnd, runIdOf, type Stage, sayTitle, sayWrapped, startWorkflow } from "./follow-workflow.ts";

export interface Provoked {
  /** What the alert is about. */
  readonly backupId: string;
  /** The copy was refused for its proof, as it was meant. */
  readonly isRefused: boolean;
}

const namePrefix = "provoked-";
const instanceId = "rm-bp1sampledamaged";
const damagedBytes = 600_000;
/** Of other bytes than the file's, and so no CRC-64 of it. */
const wrongChecksum = "1";
const millisecondsPerHour = 3_600_000;

/** Whether the execution is one of these: an ordinary run neither waits for it nor counts it. */
export function isProvoked(executionArn: string): boolean {
  return runIdOf(executionArn).startsWith(namePrefix);
}

/**
 * Each time with a backup of a new id, so that each time there is a new copy, and a new alert. The backup is gone
 * again afterwards: no other run meets it.
 */
export async function provokeFailure(on: Stage): Promise<Provoked> {
  const { cloud, screen } = on;
  const stateMachineArn = cloud.output("ReplicateBackupsArn");
  await stopEarlierOnes(on, stateMachineArn);
  const startedAt = cloud.clock.now() - millisecondsPerHour;
  const backupId = String(Math.floor(startedAt));
  sayTitle(on, "A failure on purpose: this backup's bytes do not have the checksum that Aliyun states for it");
  screen.say("");
  cloud.aliyun.ensureInstance({ instanceId, engine: "MySQL", engineVersion: "8.0", description: "sample, damaged" });
  await cloud.aliyun.addBackup({
    ...{ instanceId, backupId, startedAt, content: { seed: 13, sizeBytes: damagedBytes } },
    checksum: { text: wrongChecksum },
    // Else the copy would already be refused for the two that differ.
    crcHeader: false,
  });
  try {
    const input = { instanceIds: [instanceId], backupIds: [backupId] };
    const executionArn = await startWorkflow(on, stateMachineArn, input, `${namePrefix}${backupId}`);
    const { view } = await followToEnd(on, executionArn);
    const [unit] = view.units;
    const isRefused = unit?.outcome === "failed" && unit.reason?.includes("ProofFailed") === true;
    if (!screen.isTerminal) screen.say("");
    for (const line of resultTable(view, screen.columns)) screen.say(line);
    screen.say("");
    sayWrapped(
      on,
      isRefused
        ? "As it was meant: no object came into being in S3. Aliyun takes the backup away again."
        : "This is not what was meant: the copy should have been refused for its proof.",
    );
    return { backupId, isRefused };
  } finally {
    cloud.aliyun.removeBackup(backupId);
  }
}

/** One that an earlier stop cut off has lost its backup with that process. */
async function stopEarlierOnes({ states }: Stage, stateMachineArn: string): Promise<void> {
  const { executions = [] } = await states.send(
    new ListExecutionsCommand({ stateMachineArn, statusFilter: "RUNNING", maxResults: 100 }),
  );
  for (const { executionArn = "" } of executions.filter((each) => isProvoked(each.executionArn ?? ""))) {
    await states.send(new StopExecutionCommand({ executionArn, cause: "npm start was stopped in the middle of it" }));
  }
}
