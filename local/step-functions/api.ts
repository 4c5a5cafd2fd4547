// The operations of the Step Functions API on state machines and executions.
import type { JsonCall, JsonInput, JsonOperation } from "../gateway/json-service.ts";
import { optionalString, requiredString } from "../gateway/json-service.ts";
import { ServiceError } from "../gateway/service.ts";
import type { Engine } from "./engine.ts";
import { isJsonObject, type JsonObject } from "./json.ts";
import { describeMapRun, listMapRuns } from "./map-run-api.ts";
import { qualifiedMachineArn } from "./names.ts";
import { maxResults, pageOf, seconds, tokenNumber } from "./pages.ts";
import { redriveView } from "./redrive-view.ts";
import type { ExecutionRow } from "./rows.ts";

/** Operations by name; any other is refused by name in `jsonService`. */
export function operations(engine: Engine): Record<string, JsonOperation> {
  const on =
    (action: string, member: string, run: (input: JsonInput, resource: string) => object): JsonOperation =>
    (input: JsonInput, call: JsonCall) => {
      const resource = requiredString(input, member);
      engine.context.authorize(call.principal, `states:${action}`, resource);
      // What a caller was told must not be forgotten by a crash.
      engine.journal.flush();
      return run(input, resource);
    };
  return {
    StartExecution: on("StartExecution", "stateMachineArn", (input, stateMachineArn) => {
      const name = optionalString(input, "name");
      const row = engine.start({
        stateMachineArn,
        ...(name === undefined ? {} : { name }),
        input: optionalString(input, "input") ?? "{}",
      });
      return { executionArn: row.arn, startDate: seconds(row.startedAt) };
    }),
    StopExecution: on("StopExecution", "executionArn", (input, arn) => {
      const row = engine.stop(arn, optionalString(input, "error"), optionalString(input, "cause"));
      return { stopDate: seconds(row.stoppedAt ?? engine.context.clock.now()) };
    }),
    RedriveExecution: on("RedriveExecution", "executionArn", (input, arn) => {
      const row = engine.redrive(arn, optionalString(input, "clientToken") ?? null);
      return { redriveDate: seconds(row.redrivenAt) };
    }),
    DescribeExecution: on("DescribeExecution", "executionArn", (_input, arn) => describeExecution(engine, arn)),
    DescribeStateMachine: on("DescribeStateMachine", "stateMachineArn", (_input, arn) => describeMachine(engine, arn)),
    DescribeMapRun: on("DescribeMapRun", "mapRunArn", (_input, arn) => describeMapRun(engine, arn)),
    ListMapRuns: on("ListMapRuns", "executionArn", (input, arn) => listMapRuns(engine, input, arn)),
    GetExecutionHistory: on("GetExecutionHistory", "executionArn", (input, arn) => history(engine, input, arn)),
    ListExecutions: (input, call) => {
      const ofMapRun = input.mapRunArn !== undefined;
      return on("ListExecutions", ofMapRun ? "mapRunArn" : "stateMachineArn", (_, arn) =>
        listExecutions(engine, input, arn, ofMapRun),
      )(input, call);
    },
    ListStateMachines: (input, call) => {
      engine.context.authorize(call.principal, "states:ListStateMachines", "*");
      return listMachines(engine, input);
    },
  };
}

function listMachines(engine: Engine, input: JsonInput): object {
  const length = maxResults(input);
  const first = tokenNumber(input, 0);
  const machines = [...engine.machines.values()].slice(first, first + length + 1);
  const { page, nextToken } = pageOf(machines, length, () => first + length);
  return {
    stateMachines: page.map((machine) => ({
      stateMachineArn: machine.arn,
      name: machine.name,
      type: "STANDARD",
      creationDate: seconds(machine.createdAt),
    })),
    nextToken,
  };
}

function describeMachine(engine: Engine, arn: string): object {
  const machine = engine.machine(arn);
  return {
    stateMachineArn: machine.arn,
    name: machine.name,
    status: "ACTIVE",
    definition: engine.journal.definition(machine.definitionHash),
    roleArn: machine.role.arn,
    type: "STANDARD",
    creationDate: seconds(machine.createdAt),
    loggingConfiguration: { level: "OFF", includeExecutionData: false },
    tracingConfiguration: { enabled: false },
  };
}

function listed(engine: Engine, row: ExecutionRow): JsonObject {
  const mapRun = mapRunArnOf(engine, row);
  return {
    executionArn: row.arn,
    stateMachineArn: qualifiedMachineArn(row.machineArn, row.label ?? undefined),
    name: row.name,
    status: row.status,
    startDate: seconds(row.startedAt),
    ...(row.stoppedAt === null ? {} : { stopDate: seconds(row.stoppedAt) }),
    ...(mapRun === undefined ? {} : { mapRunArn: mapRun, itemCount: row.itemCount ?? 0 }),
    redriveCount: row.redriveCount,
    ...(row.redrivenAt === null ? {} : { redriveDate: seconds(row.redrivenAt) }),
  };
}

function mapRunArnOf(engine: Engine, row: ExecutionRow): string | undefined {
  if (row.mapRunId === null) return undefined;
  return engine.journal.one<{ arn: string }>("SELECT arn FROM mapRuns WHERE id = ?", row.mapRunId)?.arn;
}

function describeExecution(engine: Engine, arn: string): object {
  const row = engine.existing(arn);
  const { itemCount: _itemCount, ...common } = listed(engine, row);
  const redrive = redriveView(row, engine.context.clock.now());
  return {
    ...common,
    input: row.input,
    inputDetails: { included: true },
    ...(row.output === null ? {} : { output: row.output, outputDetails: { included: true } }),
    ...(row.error === null ? {} : { error: row.error }),
    ...(row.cause === null ? {} : { cause: row.cause }),
    redriveStatus: redrive.status,
    redriveStatusReason: redrive.reason,
  };
}

const statuses = new Set(["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"]);

/** Newest first. */
function listExecutions(engine: Engine, input: JsonInput, arn: string, ofMapRun: boolean): object {
  const length = maxResults(input);
  const before = tokenNumber(input, Number.MAX_SAFE_INTEGER);
  const status = optionalString(input, "statusFilter");
  if (status !== undefined && !statuses.has(status)) {
    throw new ServiceError(400, "ValidationException", `statusFilter is one of ${[...statuses].join(", ")}.`);
  }
  if (input.redriveFilter !== undefined) {
    throw new ServiceError(400, "ValidationException", "The local cloud does not know redriveFilter.");
  }
  const parent = ofMapRun ? engine.journal.one<{ id: number }>("SELECT id FROM mapRuns WHERE arn = ?", arn) : undefined;
  if (ofMapRun && !parent) throw new ServiceError(400, "ResourceNotFound", `Resource not found: '${arn}'`);
  if (!ofMapRun) engine.machine(arn);
  const rows = engine.journal.all<ExecutionRow>(
    `SELECT * FROM executions WHERE ${parent ? "mapRunId = ?" : "machineArn = ? AND mapRunId IS NULL"} AND id < ?` +
      ` AND status ${status === undefined ? "<>" : "="} ? ORDER BY id DESC LIMIT ?`,
    parent?.id ?? arn,
    before,
    status ?? "PENDING",
    length + 1,
  );
  const { page, nextToken } = pageOf(rows, length, (row) => row.id);
  return { executions: page.map((row) => listed(engine, row)), nextToken };
}

function history(engine: Engine, input: JsonInput, arn: string): object {
  const row = engine.existing(arn);
  const length = maxResults(input);
  const reverse = input.reverseOrder === true;
  const from = tokenNumber(input, reverse ? Number.MAX_SAFE_INTEGER : 0);
  const rows = engine.journal.all<{ id: number; event: string }>(
    `SELECT id, event FROM events WHERE executionId = ? AND id ${reverse ? "<" : ">"} ?` +
      ` ORDER BY id ${reverse ? "DESC" : "ASC"} LIMIT ?`,
    row.id,
    from,
    length + 1,
  );
  const { page, nextToken } = pageOf(rows, length, (event) => event.id);
  const events = page.map((event) => JSON.parse(event.event) as JsonObject);
  return { events: input.includeExecutionData === false ? events.map(withoutData) : events, nextToken };
}

const dataMembers = new Set(["input", "inputDetails", "output", "outputDetails", "parameters", "assignedVariables"]);

function withoutData(event: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(event).map(([name, value]) => [
      name,
      isJsonObject(value) ? Object.fromEntries(Object.entries(value).filter(([key]) => !dataMembers.has(key))) : value,
    ]),
  );
}
