// What an export has left in S3: which tables RDS says it exported, what lies there of each, and what is missing.
// The layout and names of files are RDS's ("subject to change", says its user guide); what is not understood counts as missing.
import * as z from "zod";
import { CausewayError } from "../../shared/errors.ts";
import type { ExportTask } from "./export-task.ts";

export interface ExportedFile {
  readonly key: string;
  readonly bytes: number;
}

export interface ReadExportPorts {
  /** Everything below the prefix, in the order of keys, page by page. */
  list(prefix: string): AsyncIterable<ExportedFile>;
  /** Throws `ExportFailed` for a larger object. */
  readText(key: string, mostBytes: number): Promise<string>;
}

export interface TableFacts {
  /** `database.table`, or `database.schema.table` of PostgreSQL. */
  readonly target: string;
  readonly status: string;
  readonly files: number;
  readonly bytes: number;
}

export interface ExportFacts {
  readonly isComplete: boolean;
  /** A sentence for each thing that is not there. */
  readonly missing: readonly string[];
  /** What RDS remarked on and is no loss. */
  readonly remarks: readonly string[];
  readonly tables: readonly TableFacts[];
  /** Parquet files; the rest of the objects are marks and RDS's own lists. */
  readonly files: number;
  readonly bytes: number;
  readonly objects: number;
  readonly statusFiles: number;
}

/** RDS puts at most some hundreds of tables into one of its lists. */
const mostStatusFileBytes = 64 * 1024 ** 2;
const mostInfoBytes = 4 * 1024 ** 2;
const mostStatusFiles = 10_000;
/** Names and numbers of so many tables fit into the function's memory. */
const mostTables = 200_000;
const mostRemarks = 100;

const success = /^(COMPLETE|COMPLETED|SUCCESS|SUCCEEDED)$/i;

/** RDS for PostgreSQL remarks on its own databases, which are empty. */
const maintenanceDatabases = new Set(["postgres", "rdsadmin", "template0", "template1"]);

const count = z.union([z.number(), z.string()]).transform(Number);

const tableStatusSchema = z.object({
  target: z.string(),
  status: z.string().optional(),
  warningMessage: z.string().optional(),
  sizeGB: count.optional(),
  tableStatistics: z
    .object({
      partitioningInfo: z
        .object({ numberOfPartitions: count.optional(), numberOfCompletedPartitions: count.optional() })
        .optional(),
    })
    .optional(),
});

type TableStatus = z.infer<typeof tableStatusSchema>;

const statusFileSchema = z.object({ perTableStatus: z.array(tableStatusSchema).default([]) });
const infoSchema = z.object({ exportTaskIdentifier: z.string(), status: z.string() });

interface Listed {
  readonly statusKeys: string[];
  infoKey: string | undefined;
  /** By `<database>/<schema.table>`, as the folders are called. */
  readonly folders: Map<string, { files: number; bytes: number; objects: number }>;
  files: number;
  bytes: number;
  objects: number;
}

/** Memory grows with the number of tables, not with that of files. Throws `ExportFailed` above 200,000 tables. */
export async function readExport(task: ExportTask, ports: ReadExportPorts): Promise<ExportFacts> {
  const place = `${task.prefix}/${task.taskId}/`;
  const listed = await listPlace(place, task.taskId, ports);
  const missing = new Map<string, string>();
  const remarks: string[] = [];
  for (const { about, sentence } of readWarning(task.warningMessage)) missing.set(about, sentence);
  const infoProblem = await checkInfo(listed, task.taskId, ports);
  if (infoProblem !== undefined) missing.set("export_info", infoProblem);
  if (listed.statusKeys.length === 0) {
    missing.set(
      "export_tables_info",
      "export_tables_info: RDS left no list of tables, so that nothing shows which ones are there",
    );
  }
  const tables: TableFacts[] = [];
  for (const key of listed.statusKeys) {
    for (const table of await readStatusFile(key, ports)) {
      if (isRemark(table)) {
        if (remarks.length < mostRemarks) remarks.push(`${table.target}: ${table.warningMessage ?? "no status"}`);
        continue;
      }
      const facts = factsOf(table, listed);
      tables.push(facts);
      if (tables.length > mostTables) throw tooManyTables();
      const problem = problemOf(table, facts);
      if (problem !== undefined && !missing.has(table.target)) missing.set(table.target, `${table.target}: ${problem}`);
    }
  }
  // A folder of a table that no list speaks of has no success either. Names that RDS changed in a way not known here
  // are made up for by the tables whose folder was not found.
  const spokenOf = tables.filter(
    ({ target, status }) => findFolder(target, listed) !== undefined || success.test(status),
  );
  const unspokenOf = listed.folders.size - spokenOf.length;
  if (unspokenOf > 0 && listed.statusKeys.length > 0) {
    missing.set("folders", `${unspokenOf} folders of tables are in S3 of which RDS's lists state no success`);
  }
  return {
    isComplete: missing.size === 0,
    missing: [...missing.values()],
    remarks,
    tables,
    files: listed.files,
    bytes: listed.bytes,
    objects: listed.objects,
    statusFiles: listed.statusKeys.length,
  };
}

async function listPlace(place: string, taskId: string, ports: ReadExportPorts): Promise<Listed> {
  const listed: Listed = { statusKeys: [], infoKey: undefined, folders: new Map(), files: 0, bytes: 0, objects: 0 };
  for await (const { key, bytes } of ports.list(place)) {
    listed.objects += 1;
    const [first = "", second, ...rest] = key.slice(place.length).split("/");
    if (second === undefined) {
      if (first === `export_info_${taskId}.json`) listed.infoKey = key;
      else if (first.startsWith(`export_tables_info_${taskId}_`)) listed.statusKeys.push(key);
      if (listed.statusKeys.length > mostStatusFiles) throw tooManyTables();
      continue;
    }
    if (rest.length === 0) continue;
    const folder = listed.folders.get(`${first}/${second}`) ?? { files: 0, bytes: 0, objects: 0 };
    folder.objects += 1;
    if (key.endsWith(".parquet")) {
      folder.files += 1;
      folder.bytes += bytes;
      listed.files += 1;
      listed.bytes += bytes;
    }
    listed.folders.set(`${first}/${second}`, folder);
    if (listed.folders.size > mostTables) throw tooManyTables();
  }
  return listed;
}

function tooManyTables(): CausewayError {
  return new CausewayError(
    "ExportFailed",
    `The export has more than ${mostTables} tables: its receipt cannot be made.`,
  );
}

async function checkInfo(listed: Listed, taskId: string, ports: ReadExportPorts): Promise<string | undefined> {
  if (listed.infoKey === undefined) return "export_info: RDS left none, although it calls the task complete";
  const info = infoSchema.safeParse(parseJson(await ports.readText(listed.infoKey, mostInfoBytes)));
  if (!info.success) return "export_info: it is not as RDS documents it";
  const { exportTaskIdentifier, status } = info.data;
  if (exportTaskIdentifier !== taskId) return `export_info: it speaks of the task ${exportTaskIdentifier}`;
  return success.test(status) ? undefined : `export_info: it states the status ${status}`;
}

async function readStatusFile(key: string, ports: ReadExportPorts): Promise<TableStatus[]> {
  const parsed = statusFileSchema.safeParse(parseJson(await ports.readText(key, mostStatusFileBytes)));
  if (parsed.success) return parsed.data.perTableStatus;
  // Whatever it says of its tables, they are not shown to be there.
  return [{ target: key.slice(key.lastIndexOf("/") + 1), warningMessage: "the list is not as RDS documents it" }];
}

function isRemark({ target, status, warningMessage }: TableStatus): boolean {
  return status === undefined && warningMessage !== undefined && maintenanceDatabases.has(target);
}

function factsOf(table: TableStatus, listed: Listed): TableFacts {
  const { files, bytes } = findFolder(table.target, listed) ?? { files: 0, bytes: 0 };
  return { target: table.target, status: table.status ?? "NONE", files, bytes };
}

/** `shop.orders` lies in `shop/shop.orders`, `shop.public.orders` in `shop/public.orders`; RDS replaces some characters. */
function findFolder(target: string, { folders }: Listed) {
  const inPath = target.replace(/[\\`" ]/g, "_");
  const [database = "", ...rest] = inPath.split(".");
  return folders.get(`${database}/${rest.join(".")}`) ?? folders.get(`${database}/${inPath}`);
}

function problemOf(table: TableStatus, { files }: TableFacts): string | undefined {
  if (table.status === undefined) return table.warningMessage ?? "RDS states no status of it";
  if (!success.test(table.status)) return `its status is ${table.status}${suffix(table.warningMessage)}`;
  const { numberOfPartitions: all, numberOfCompletedPartitions: done } = table.tableStatistics?.partitioningInfo ?? {};
  if (all !== undefined && done !== undefined && done < all) return `${done} of its ${all} partitions are exported`;
  if (files === 0 && (table.sizeGB ?? 0) > 0) return "RDS calls it exported, and no file of it is in S3";
  if (table.warningMessage !== undefined && table.warningMessage !== "") return table.warningMessage;
  return undefined;
}

function suffix(warning: string | undefined): string {
  return warning === undefined || warning === "" ? "" : ` (${warning})`;
}

const warningSchema = z.object({
  skippedTables: z.array(z.unknown()).default([]),
  skippedObjectives: z.array(z.unknown()).default([]),
  general: z.array(z.unknown()).default([]),
});

/** `{"skippedTables": […], "skippedObjectives": […], "general": [{"reason": …}]}`; entries are texts or objects. */
function readWarning(text: string | null): { about: string; sentence: string }[] {
  if (text === null || text.trim() === "") return [];
  const warning = warningSchema.safeParse(parseJson(text));
  if (!warning.success) return [{ about: "warning", sentence: `RDS warns: ${text}` }];
  const { skippedTables, skippedObjectives, general } = warning.data;
  const found = [
    ...skippedTables.map((entry) => read(entry, "skipped by RDS")),
    ...skippedObjectives.map((entry) => read(entry, "an objective that RDS skipped")),
    ...general.map((entry) => read(entry, "RDS warns")),
  ];
  // A warning of a shape not known is one all the same.
  return found.length > 0 ? found : [{ about: "warning", sentence: `RDS warns: ${text}` }];
}

function read(entry: unknown, what: string): { about: string; sentence: string } {
  if (typeof entry === "string") return { about: entry, sentence: `${entry}: ${what}` };
  const { target, reason } = (typeof entry === "object" && entry !== null ? entry : {}) as Record<string, unknown>;
  const about = typeof target === "string" ? target : "";
  const why = typeof reason === "string" ? reason : about === "" ? JSON.stringify(entry) : "no reason stated";
  return about === ""
    ? { about: `${what} ${why}`, sentence: `${what}: ${why}` }
    : { about, sentence: `${about}: ${what}: ${why}` };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
