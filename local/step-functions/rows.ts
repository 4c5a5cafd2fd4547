// The journal's rows as the engine uses them: executions, their scopes (checkpoints), Map Runs and history events.
import type { Journal } from "./journal.ts";

export type ExecutionStatus = "RUNNING" | "SUCCEEDED" | "FAILED" | "TIMED_OUT" | "ABORTED";

/** PENDING: an item of a Map Run that has not been started; such a row is no execution yet for the API. */
export type RowStatus = ExecutionStatus | "PENDING" | "PENDING_REDRIVE";

/** Times are cloud milliseconds. */
export interface ExecutionRow {
  readonly id: number;
  readonly arn: string;
  /** Without a label. */
  readonly machineArn: string;
  /** Of the Distributed Map whose child it is. */
  readonly label: string | null;
  readonly name: string;
  status: RowStatus;
  readonly input: string;
  output: string | null;
  error: string | null;
  cause: string | null;
  startedAt: number | null;
  stoppedAt: number | null;
  readonly definitionHash: string;
  readonly mapRunId: number | null;
  readonly itemIndex: number | null;
  /** Items in its batch. */
  readonly itemCount: number | null;
  redriveCount: number;
  redrivenAt: number | null;
  redriveToken: string | null;
}

export type NewExecution = Pick<ExecutionRow, "arn" | "machineArn" | "name" | "input" | "definitionHash"> &
  Partial<Pick<ExecutionRow, "label" | "mapRunId" | "itemIndex" | "itemCount">>;

/** Where a scope stands in its current state; small, and rewritten at every step. */
export interface Position {
  /** 0 before the state was entered. */
  enteredEventId: number;
  enteredAt: number;
  lastEventId: number;
  /** Retries so far by each retrier of the state. */
  retries: number[];
  retryCount: number;
  /** Cloud time until which a Wait or a retry's pause lasts. */
  resumeAt?: number;
}

export interface ScopeRow {
  readonly id: number;
  readonly executionId: number;
  readonly parentId: number | null;
  /** Which branch or iteration of the parent's state. */
  readonly slot: number;
  status: ExecutionStatus;
  state: string;
  input: string;
  variables: string;
  position: string;
  /** What the current state has worked out and must not work out again, as JSON text. */
  work: string | null;
  output: string | null;
}

export interface MapRunRow {
  readonly id: number;
  readonly arn: string;
  readonly executionId: number;
  readonly label: string;
  status: Exclude<ExecutionStatus, "TIMED_OUT">;
  /** 1 once every item is a row. */
  loaded: 0 | 1;
  readonly startedAt: number;
  stoppedAt: number | null;
  readonly maxConcurrency: number;
  readonly toleratedFailureCount: number;
  readonly toleratedFailurePercentage: number;
  resultsWritten: number;
  redriveCount: number;
  redrivenAt: number | null;
}

export function insertExecution(journal: Journal, row: NewExecution, status: RowStatus, now: number | null): number {
  return journal.write(
    "INSERT INTO executions (arn, machineArn, label, name, status, input, startedAt, definitionHash, mapRunId, itemIndex," +
      " itemCount) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    row.arn,
    row.machineArn,
    row.label ?? null,
    row.name,
    status,
    row.input,
    now,
    row.definitionHash,
    row.mapRunId ?? null,
    row.itemIndex ?? null,
    row.itemCount ?? null,
  ).lastInsertId;
}

export function executionByArn(journal: Journal, arn: string): ExecutionRow | undefined {
  return journal.one("SELECT * FROM executions WHERE arn = ?", arn);
}

export function executionById(journal: Journal, id: number): ExecutionRow | undefined {
  return journal.one("SELECT * FROM executions WHERE id = ?", id);
}

export function saveExecution(journal: Journal, row: ExecutionRow): void {
  journal.write(
    "UPDATE executions SET status = ?, output = ?, error = ?, cause = ?, startedAt = ?, stoppedAt = ?, redriveCount = ?," +
      " redrivenAt = ?, redriveToken = ? WHERE id = ?",
    row.status,
    row.output,
    row.error,
    row.cause,
    row.startedAt,
    row.stoppedAt,
    row.redriveCount,
    row.redrivenAt,
    row.redriveToken,
    row.id,
  );
}

export function insertScope(journal: Journal, row: Omit<ScopeRow, "id">): number {
  return journal.write(
    "INSERT INTO scopes (executionId, parentId, slot, status, state, input, variables, position, work, output)" +
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    row.executionId,
    row.parentId,
    row.slot,
    row.status,
    row.state,
    row.input,
    row.variables,
    row.position,
    row.work,
    row.output,
  ).lastInsertId;
}

export function saveScope(journal: Journal, row: ScopeRow): void {
  journal.write(
    "UPDATE scopes SET status = ?, state = ?, input = ?, variables = ?, position = ?, work = ?, output = ? WHERE id = ?",
    row.status,
    row.state,
    row.input,
    row.variables,
    row.position,
    row.work,
    row.output,
    row.id,
  );
}

export function rootScope(journal: Journal, executionId: number): ScopeRow | undefined {
  return journal.one("SELECT * FROM scopes WHERE executionId = ? AND parentId IS NULL", executionId);
}

export function subScopes(journal: Journal, parentId: number): ScopeRow[] {
  return journal.all("SELECT * FROM scopes WHERE parentId = ? ORDER BY slot", parentId);
}

/** Branches and iterations below this scope, at every depth. */
export function deleteSubScopes(journal: Journal, scopeId: number): void {
  journal.write(
    "WITH RECURSIVE below (id) AS (SELECT id FROM scopes WHERE parentId = ?" +
      " UNION ALL SELECT scopes.id FROM scopes JOIN below ON scopes.parentId = below.id)" +
      " DELETE FROM scopes WHERE id IN (SELECT id FROM below)",
    scopeId,
  );
}

export function deleteScopesOf(journal: Journal, executionId: number): void {
  journal.write("DELETE FROM scopes WHERE executionId = ?", executionId);
}

export function mapRunById(journal: Journal, id: number): MapRunRow | undefined {
  return journal.one("SELECT * FROM mapRuns WHERE id = ?", id);
}

export function saveMapRun(journal: Journal, row: MapRunRow): void {
  journal.write(
    "UPDATE mapRuns SET status = ?, loaded = ?, stoppedAt = ?, resultsWritten = ?, redriveCount = ?, redrivenAt = ?" +
      " WHERE id = ?",
    row.status,
    row.loaded,
    row.stoppedAt,
    row.resultsWritten,
    row.redriveCount,
    row.redrivenAt,
    row.id,
  );
}

/** Ends the Map Runs of an execution and their children, at every depth, when nothing of them runs in this process. */
export function abortBelow(journal: Journal, executionId: number, now: number): void {
  const below =
    "WITH RECURSIVE below (id) AS (SELECT ? UNION SELECT executions.id FROM executions" +
    " JOIN mapRuns ON executions.mapRunId = mapRuns.id JOIN below ON mapRuns.executionId = below.id) ";
  for (const [table, member] of [
    ["executions", "id"],
    ["mapRuns", "executionId"],
  ]) {
    journal.write(
      `${below}UPDATE ${table} SET status = 'ABORTED', stoppedAt = ? WHERE status = 'RUNNING' AND ${member} IN (SELECT id FROM below)`,
      executionId,
      now,
    );
  }
}

export interface StatusCount {
  readonly status: RowStatus;
  readonly executions: number;
  readonly items: number;
}

export function countMapRun(journal: Journal, mapRunId: number): StatusCount[] {
  return journal.all(
    "SELECT status, count(*) AS executions, total(itemCount) AS items FROM executions WHERE mapRunId = ? GROUP BY status",
    mapRunId,
  );
}
