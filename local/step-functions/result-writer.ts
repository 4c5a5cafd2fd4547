// What a Distributed Map hands on: the children's outputs in the state's result, or files in S3 with a manifest.
import type { ResultWriter, Transformation } from "./definition.ts";
import { unexpectedType } from "./expressions.ts";
import { checkPayloadSize, isJsonObject, type Json, type JsonObject, parseJson } from "./json.ts";
import { lastPart, qualifiedMachineArn } from "./names.ts";
import { redriveView } from "./redrive-view.ts";
import type { ExecutionRow, MapRunRow } from "./rows.ts";
import type { Runtime } from "./runtime.ts";
import type { Scope } from "./scope.ts";
import { WorkflowError } from "./workflow-error.ts";

/** A result file is closed once it has this many bytes; AWS allows 5 GB, which would not fit into memory here. */
const resultFileBytes = 32 * 1024 * 1024;
const pageLength = 200;

const fileKinds = {
  SUCCEEDED: ["SUCCEEDED"],
  FAILED: ["FAILED", "TIMED_OUT", "ABORTED"],
  PENDING: ["PENDING", "PENDING_REDRIVE"],
} as const;
type FileKind = keyof typeof fileKinds;

/**
 * The outputs in the order of the items; a failed child is given with all its data, as AWS does under every
 * transformation. Throws States.DataLimitExceeded: larger results need a ResultWriter with a bucket.
 */
export function collectResults(runtime: Runtime, scope: Scope, writer: ResultWriter | undefined, run: MapRunRow): Json {
  const transformation = writer?.WriterConfig?.Transformation ?? "COMPACT";
  const outputs: Json[] = [];
  let bytes = 0;
  for (const row of childRows(runtime, run, ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])) {
    for (const entry of entriesOf(runtime, row, transformation)) {
      bytes += Buffer.byteLength(JSON.stringify(entry)) + 1;
      outputs.push(entry);
    }
    if (bytes > 2 * 262_144) break;
  }
  checkPayloadSize(JSON.stringify(outputs), scope.row.state);
  return outputs;
}

/** Throws States.ResultWriterFailed. */
export async function writeResults(
  runtime: Runtime,
  scope: Scope,
  writer: ResultWriter,
  run: MapRunRow,
): Promise<{ readonly result: JsonObject; readonly executions: number }> {
  const args = await scope.evaluate(writer.Arguments ?? {}, "ResultWriter/Arguments");
  if (!isJsonObject(args)) throw unexpectedType("ResultWriter/Arguments", "object", args);
  const { Bucket: bucket, Prefix: prefix } = args;
  if (typeof bucket !== "string") throw unexpectedType("ResultWriter/Arguments/Bucket", "string", bucket ?? null);
  const folder = `${typeof prefix === "string" && prefix !== "" ? `${prefix.replace(/\/$/, "")}/` : ""}${lastPart(run.arn)}`;
  const put = async (name: string, text: string): Promise<JsonObject> => {
    const Key = `${folder}/${name}`;
    try {
      await runtime.sdk.putObject(scope.execution.machine.role, bucket, Key, text, scope.signal);
    } catch (error) {
      scope.throwIfClosed();
      const why = error instanceof WorkflowError ? `${error.errorName}: ${error.causeText}` : String(error);
      throw new WorkflowError("States.ResultWriterFailed", `Writing ${Key} to bucket ${bucket} failed with: ${why}`);
    }
    return { Key, Size: Buffer.byteLength(text) };
  };
  const files: JsonObject = {};
  let executions = 0;
  for (const kind of Object.keys(fileKinds) as FileKind[]) {
    const written = await writeKind(runtime, run, writer, kind, put);
    files[kind] = written.files;
    if (kind !== "PENDING") executions += written.count;
  }
  const manifest = { DestinationBucket: bucket, MapRunArn: run.arn, ResultFiles: files };
  await put("manifest.json", JSON.stringify(manifest));
  return {
    result: { MapRunArn: run.arn, ResultWriterDetails: { Bucket: bucket, Key: `${folder}/manifest.json` } },
    executions,
  };
}

async function writeKind(
  runtime: Runtime,
  run: MapRunRow,
  writer: ResultWriter,
  kind: FileKind,
  put: (name: string, text: string) => Promise<JsonObject>,
): Promise<{ readonly files: JsonObject[]; readonly count: number }> {
  const asLines = writer.WriterConfig?.OutputType === "JSONL";
  const transformation = kind === "SUCCEEDED" ? (writer.WriterConfig?.Transformation ?? "NONE") : "NONE";
  const files: JsonObject[] = [];
  let texts: string[] = [];
  let bytes = 0;
  let count = 0;
  const close = async () => {
    if (texts.length === 0) return;
    const text = asLines ? `${texts.join("\n")}\n` : `[${texts.join(",")}]`;
    files.push(await put(`${kind}_${files.length}.${asLines ? "jsonl" : "json"}`, text));
    texts = [];
    bytes = 0;
  };
  for (const row of childRows(runtime, run, fileKinds[kind])) {
    count += 1;
    for (const entry of entriesOf(runtime, row, transformation)) {
      const text = JSON.stringify(entry);
      texts.push(text);
      bytes += text.length;
    }
    if (bytes >= resultFileBytes) await close();
  }
  await close();
  return { files, count };
}

function* childRows(runtime: Runtime, run: MapRunRow, statuses: readonly string[]): Generator<ExecutionRow> {
  let lastIndex = -1;
  const places = statuses.map(() => "?").join(", ");
  for (;;) {
    const rows = runtime.journal.all<ExecutionRow>(
      `SELECT * FROM executions WHERE mapRunId = ? AND itemIndex > ? AND status IN (${places}) ORDER BY itemIndex LIMIT ?`,
      run.id,
      lastIndex,
      ...statuses,
      pageLength,
    );
    if (rows.length === 0) return;
    yield* rows;
    lastIndex = rows.at(-1)?.itemIndex ?? lastIndex;
  }
}

function entriesOf(runtime: Runtime, row: ExecutionRow, transformation: Transformation): Json[] {
  if (transformation === "NONE" || row.status !== "SUCCEEDED") return [describeChild(runtime, row)];
  const output = parseJson(row.output ?? "null");
  return transformation === "FLATTEN" && Array.isArray(output) ? output : [output];
}

/** As in the result files AWS documents. */
function describeChild(runtime: Runtime, row: ExecutionRow): JsonObject {
  const common = { Input: row.input, InputDetails: { Included: true }, Status: row.status };
  if (row.startedAt === null) return common;
  const redrive = redriveView(row, runtime.context.clock.now());
  return {
    ExecutionArn: row.arn,
    ...common,
    Name: row.name,
    ...(row.output === null ? {} : { Output: row.output, OutputDetails: { Included: true } }),
    ...(row.error === null ? {} : { Error: row.error }),
    ...(row.cause === null ? {} : { Cause: row.cause }),
    RedriveCount: row.redriveCount,
    RedriveStatus: redrive.status,
    ...(redrive.reason === undefined ? {} : { RedriveStatusReason: redrive.reason }),
    StartDate: new Date(row.startedAt ?? 0).toISOString(),
    StateMachineArn: qualifiedMachineArn(row.machineArn, row.label ?? undefined),
    StopDate: new Date(row.stoppedAt ?? 0).toISOString(),
  };
}
