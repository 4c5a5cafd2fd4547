// `causeway backups`, `copies …`, `snapshots`, `exports …` and `mirror reconcile`, over the API.
import type { ApiClient } from "../api/api-client.ts";
import { sayFacts, sayJson, sayMore, sayTable, shortTime } from "../api/output.ts";
import { humanBytes } from "../render-run.ts";
import { timeOf } from "../time-option.ts";
import { UsageProblem } from "../usage-problem.ts";
import { type OutputOptions, presentStarted, type WaitOptions } from "./job-commands.ts";

const base = "/api/replication";

interface ListOptions extends OutputOptions {
  readonly limit: number;
}

interface StartOptions extends WaitOptions {
  readonly key?: string;
  readonly force?: boolean;
}

interface WindowOptions {
  readonly from?: string;
  readonly until?: string;
}

const size = (bytes: number | null) => (bytes === null ? "?" : humanBytes(bytes));

export async function listBackups(
  client: ApiClient,
  instanceId: string | undefined,
  { from, until, limit, json }: ListOptions & WindowOptions,
): Promise<void> {
  if (instanceId === undefined) return listInstances(client, limit, json);
  const query = { instanceId, start: timeIn(from, "--from"), end: timeIn(until, "--until") };
  const answer = await client.get("browseAliyunBackups", `${base}/aliyun/backups`, query);
  if (answer.list !== "backups") throw new UsageProblem("The API answered instances where backups were asked for.");
  if (json) return sayJson(answer);
  sayTable(
    [
      { title: "backup", text: ({ backupId }) => backupId },
      { title: "started", text: ({ startedAt }) => shortTime(startedAt) },
      { title: "size", text: ({ sizeBytes }) => size(sizeBytes), align: "right" },
      { title: "file", text: ({ fileName }) => fileName, tooLong: "middle" },
      { title: "verdict", text: ({ verdict }) => verdict },
      { title: "reason", text: ({ reason, copyState }) => reason ?? copyState, tooLong: "wrap" },
    ],
    answer.items,
    `${instanceId} has no backups from ${shortTime(answer.window.start)} to ${shortTime(answer.window.end)}.`,
  );
}

async function listInstances(client: ApiClient, limit: number, json: boolean): Promise<void> {
  const { items, hasMore } = await client.list("browseAliyunBackups", `${base}/aliyun/backups`, {}, limit);
  if (json) return sayJson({ items, hasMore });
  sayTable(
    [
      { title: "instance", text: ({ instanceId }) => instanceId },
      { title: "engine", text: ({ engine, engineVersion }) => `${engine} ${engineVersion ?? ""}` },
      { title: "status", text: ({ status }) => status },
      { title: "scheduled", text: ({ isScheduled }) => (isScheduled ? "yes" : "no") },
      { title: "description", text: ({ description }) => description, tooLong: "wrap" },
    ],
    items.filter((item) => "isScheduled" in item),
    "Aliyun has no instances in this region.",
  );
  sayMore(hasMore, items.length);
}

export async function listCopies(
  client: ApiClient,
  options: ListOptions & { readonly only?: string; readonly instance?: string; readonly engine?: string },
): Promise<void> {
  const { only, instance, engine, limit, json } = options;
  const query = { state: only, instanceId: instance, engine };
  const { items, hasMore } = await client.list("listCopies", `${base}/copies`, query, limit);
  if (json) return sayJson({ items, hasMore });
  sayTable(
    [
      { title: "copy", text: ({ copyId }) => copyId },
      { title: "state", text: (copy) => copy.state },
      { title: "size", text: ({ sizeBytes }) => size(sizeBytes), align: "right" },
      { title: "changed", text: ({ changedAt }) => shortTime(changedAt) },
      { title: "proof, or reason", text: ({ error, result }) => error?.cause ?? result?.proof, tooLong: "wrap" },
    ],
    items,
    "There are no such copies.",
  );
  sayMore(hasMore, items.length);
}

export async function showCopy(client: ApiClient, copyId: string, { json }: OutputOptions): Promise<void> {
  const copy = await client.get("getCopy", `${base}/copies/${encodeURIComponent(copyId)}`);
  if (json) return sayJson(copy);
  const { result, error, receipts } = copy;
  sayFacts({
    copy: copy.copyId,
    state: copy.state,
    file: copy.fileName,
    engine: copy.engine,
    size: humanBytes(copy.sizeBytes),
    "backup begun": shortTime(copy.startedAt),
    restorability: copy.restorability,
    changed: copy.changedAt && shortTime(copy.changedAt),
    object: result ? `s3://${result.bucket}/${result.key}` : copy.key,
    version: result?.versionId,
    proof: result?.proof,
    "CRC-64/XZ": result?.crc64,
    job: result?.jobId,
    "last error": error && `${error.name}: ${error.cause}`,
    receipt: result && receipts.copy && `s3://${result.bucket}/${receipts.copy.key}`,
    "receipt of the mirror": result && receipts.mirror && `s3://${result.bucket}/${receipts.mirror.key}`,
  });
}

export async function startCopies(
  client: ApiClient,
  instanceId: string,
  backupIds: readonly string[],
  options: StartOptions & WindowOptions,
): Promise<number> {
  const { from, until, force, key } = options;
  const window = windowOf(from, until);
  const body = { instanceId, backupIds, ...(window && { window }), ...(force && { force }) };
  return presentStarted(client, await client.post("startCopies", `${base}/aliyun/copies`, body, key), options);
}

export async function listSnapshots(
  client: ApiClient,
  options: ListOptions & { readonly database?: string; readonly verdict?: string },
): Promise<void> {
  const { database, verdict, limit, json } = options;
  const query = { databaseId: database, verdict };
  const { items, hasMore } = await client.list("browseSnapshots", `${base}/aws/snapshots`, query, limit);
  if (json) return sayJson({ items, hasMore });
  sayTable(
    [
      { title: "database", text: ({ databaseId }) => databaseId },
      { title: "snapshot", text: ({ snapshotId }) => snapshotId, tooLong: "middle" },
      { title: "taken", text: ({ takenAt }) => shortTime(takenAt) },
      { title: "size", text: ({ sizeBytes }) => size(sizeBytes), align: "right" },
      { title: "verdict", text: (snapshot) => snapshot.verdict },
      { title: "reason", text: ({ reason, exportState }) => reason ?? exportState, tooLong: "wrap" },
    ],
    items,
    "RDS has no such snapshots here.",
  );
  sayMore(hasMore, items.length);
}

export async function listExports(
  client: ApiClient,
  { only, limit, json }: ListOptions & { readonly only?: string },
): Promise<void> {
  const { items, hasMore } = await client.list("listExports", `${base}/aws/exports`, { state: only }, limit);
  if (json) return sayJson({ items, hasMore });
  sayTable(
    [
      { title: "export", text: ({ exportId }) => exportId },
      { title: "database", text: ({ databaseId }) => databaseId },
      { title: "state", text: (item) => item.state },
      { title: "changed", text: ({ changedAt }) => shortTime(changedAt) },
      { title: "tables", text: ({ result }) => result?.tables, align: "right" },
      { title: "size", text: ({ result }) => result && humanBytes(result.bytes), align: "right" },
      { title: "reason", text: ({ error }) => error?.cause, tooLong: "wrap" },
    ],
    items,
    "There are no such exports.",
  );
  sayMore(hasMore, items.length);
}

export async function showExport(client: ApiClient, exportId: string, { json }: OutputOptions): Promise<void> {
  const item = await client.get("getExport", `${base}/aws/exports/${encodeURIComponent(exportId)}`);
  if (json) return sayJson(item);
  const { result, error } = item;
  sayFacts({
    export: item.exportId,
    state: item.state,
    database: item.databaseId,
    snapshot: item.snapshotArn,
    taken: shortTime(item.takenAt),
    changed: shortTime(item.changedAt),
    attempts: item.attempts,
    task: item.taskId,
    files: result && `s3://${result.bucket}/${result.prefix}/${result.taskId}/`,
    holds: result && `${result.tables} tables in ${result.files} files, ${humanBytes(result.bytes)} of Parquet`,
    lacks: result && result.missingCount > 0 ? `${result.missingCount}: ${result.missing.join(", ")}` : undefined,
    schema: result?.schema,
    job: result?.jobId,
    "last error": error && `${error.name}: ${error.cause}`,
    receipt: result && `s3://${result.bucket}/${result.receiptKey}`,
  });
}

export async function startExports(
  client: ApiClient,
  snapshotArns: readonly string[],
  options: StartOptions,
): Promise<number> {
  const { force, key } = options;
  const body = { ...(snapshotArns.length > 0 && { snapshotArns }), ...(force && { force }) };
  return presentStarted(client, await client.post("startExports", `${base}/aws/exports`, body, key), options);
}

export async function reconcileMirror(
  client: ApiClient,
  options: StartOptions & { readonly prefix?: string; readonly readData?: boolean },
): Promise<number> {
  const { prefix, readData, key } = options;
  const body = { ...(prefix !== undefined && { prefix }), ...(readData && { readData }) };
  return presentStarted(
    client,
    await client.post("startReconciliation", `${base}/mirror/reconcile`, body, key),
    options,
  );
}

const timeIn = (text: string | undefined, option: string) => (text === undefined ? undefined : timeOf(text, option));

function windowOf(from: string | undefined, until: string | undefined) {
  if (from === undefined && until === undefined) return undefined;
  if (from === undefined) throw new UsageProblem("--until needs --from: where the window begins.");
  return { start: timeOf(from, "--from"), end: timeIn(until, "--until") ?? new Date().toISOString() };
}
