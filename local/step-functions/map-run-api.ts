// What the API shows of Map Runs.
import type { JsonInput } from "../gateway/json-service.ts";
import { ServiceError } from "../gateway/service.ts";
import type { Engine } from "./engine.ts";
import { qualifiedMachineArn } from "./names.ts";
import { maxResults, pageOf, seconds, tokenNumber } from "./pages.ts";
import { countMapRun, type MapRunRow, type RowStatus } from "./rows.ts";

interface Counts {
  total: number;
  pending: number;
  running: number;
  succeeded: number;
  failed: number;
  timedOut: number;
  aborted: number;
  pendingRedrive: number;
  failuresNotRedrivable: number;
  resultsWritten: number;
}

const countNames: Readonly<Record<RowStatus, keyof Counts>> = {
  PENDING: "pending",
  RUNNING: "running",
  SUCCEEDED: "succeeded",
  FAILED: "failed",
  TIMED_OUT: "timedOut",
  ABORTED: "aborted",
  PENDING_REDRIVE: "pendingRedrive",
};

/** Throws ResourceNotFound. */
export function describeMapRun(engine: Engine, arn: string): object {
  const run = engine.journal.one<MapRunRow>("SELECT * FROM mapRuns WHERE arn = ?", arn);
  if (!run) throw new ServiceError(400, "ResourceNotFound", `Resource not found: '${arn}'`);
  const executionCounts = noCounts();
  const itemCounts = noCounts();
  for (const { status, executions, items } of countMapRun(engine.journal, run.id)) {
    executionCounts[countNames[status]] += executions;
    executionCounts.total += executions;
    itemCounts[countNames[status]] += items;
    itemCounts.total += items;
  }
  executionCounts.resultsWritten = run.resultsWritten;
  itemCounts.resultsWritten = run.resultsWritten === 0 ? 0 : itemCounts.total - itemCounts.pending;
  return {
    mapRunArn: run.arn,
    executionArn: engine.row(run.executionId).arn,
    status: run.status,
    startDate: seconds(run.startedAt),
    ...(run.stoppedAt === null ? {} : { stopDate: seconds(run.stoppedAt) }),
    maxConcurrency: run.maxConcurrency,
    toleratedFailurePercentage: run.toleratedFailurePercentage,
    toleratedFailureCount: run.toleratedFailureCount,
    itemCounts,
    executionCounts,
    redriveCount: run.redriveCount,
    ...(run.redrivenAt === null ? {} : { redriveDate: seconds(run.redrivenAt) }),
  };
}

/** Newest first. */
export function listMapRuns(engine: Engine, input: JsonInput, executionArn: string): object {
  const execution = engine.existing(executionArn);
  const length = maxResults(input);
  const rows = engine.journal.all<MapRunRow>(
    "SELECT * FROM mapRuns WHERE executionId = ? AND id < ? ORDER BY id DESC LIMIT ?",
    execution.id,
    tokenNumber(input, Number.MAX_SAFE_INTEGER),
    length + 1,
  );
  const { page, nextToken } = pageOf(rows, length, (run) => run.id);
  return {
    mapRuns: page.map((run) => ({
      executionArn,
      mapRunArn: run.arn,
      stateMachineArn: qualifiedMachineArn(execution.machineArn, run.label),
      startDate: seconds(run.startedAt),
      ...(run.stoppedAt === null ? {} : { stopDate: seconds(run.stoppedAt) }),
    })),
    nextToken,
  };
}

function noCounts(): Counts {
  return {
    total: 0,
    pending: 0,
    running: 0,
    succeeded: 0,
    failed: 0,
    timedOut: 0,
    aborted: 0,
    pendingRedrive: 0,
    failuresNotRedrivable: 0,
    resultsWritten: 0,
  };
}
