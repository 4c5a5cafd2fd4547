// Writes a table as Parquet files: read row by row, and never more of it in memory than one file holds.
// Source: "File naming conventions for exports" in the RDS User Guide.
import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import type { ParquetColumn, ParquetValue } from "./parquet-columns.ts";
import { quoteName, type SourceTable, type SqlValue } from "./source-data.ts";

/** AWS's files are of 1 to 10 MB; smaller ones here let small tables have several of them, too. */
const rowsPerFile = 4_000;
const bytesPerFile = 4 * 1024 * 1024;

export interface TableObject {
  /** Below the table's folder: `1/part-00000-<uuid>-c000.gz.parquet`, `1/_SUCCESS`. */
  readonly name: string;
  readonly bytes: Buffer;
}

interface Chunk {
  readonly folder: number;
  readonly part: number;
  /** More than 0 where a part is larger than a file may be. */
  readonly file: number;
  readonly rows: readonly Row[];
}

type Row = readonly SqlValue[];

/** How many ranges or batches the table is read in. */
export function partitionsOf(table: SourceTable): number {
  return Math.max(1, Math.ceil(table.rows / rowsPerFile));
}

/** `seed` decides the random-looking part of names: a task that writes a table again after a restart hits the same ones. */
export function* tableObjects(
  database: DatabaseSync,
  table: SourceTable,
  columns: readonly ParquetColumn[],
  seed: string,
): Generator<TableObject> {
  let folder = 1;
  for (const chunk of chunksOf(database, table)) {
    if (chunk.folder !== folder) yield success(folder);
    folder = chunk.folder;
    const number = String(chunk.part).padStart(5, "0");
    const uuid = uuidOf(`${seed} ${chunk.folder} ${chunk.part}`);
    yield {
      name: `${folder}/part-${number}-${uuid}-c${String(chunk.file).padStart(3, "0")}.gz.parquet`,
      bytes: parquet(columns, chunk.rows),
    };
  }
  // A table without rows has a folder that holds nothing else.
  yield success(folder);
}

function success(folder: number): TableObject {
  return { name: `${folder}/_SUCCESS`, bytes: Buffer.alloc(0) };
}

/** By ranges of the primary key all lie in one folder, as numbered parts; else each batch has a folder of its own. */
function* chunksOf(database: DatabaseSync, table: SourceTable): Generator<Chunk> {
  if (table.rows === 0) return;
  const select = `SELECT ${table.columns.map(({ name }) => quoteName(name)).join(", ")} FROM ${quoteName(table.sqliteName)}`;
  if (table.primaryKey === undefined) {
    let folder = 0;
    for (const rows of fileLoads(readRows(database, select))) {
      folder += 1;
      yield { folder, part: 0, file: 0, rows };
    }
    return;
  }
  const key = quoteName(table.primaryKey);
  const { first, width } = keyRanges(database, table, key);
  for (let part = 0; part < partitionsOf(table); part += 1) {
    const low = first + width * BigInt(part);
    const range = `${select} WHERE ${key} >= ? AND ${key} < ? ORDER BY ${key}`;
    let file = 0;
    // A range without rows leaves a gap in the numbers of the parts.
    for (const rows of fileLoads(readRows(database, range, low, low + width))) {
      yield { folder: 1, part, file, rows };
      file += 1;
    }
  }
}

/** As many ranges of keys as there are to be parts, each of them as wide as the others. */
function keyRanges(database: DatabaseSync, table: SourceTable, key: string): { first: bigint; width: bigint } {
  const statement = database.prepare(
    `SELECT min(${key}) AS first, max(${key}) AS last FROM ${quoteName(table.sqliteName)}`,
  );
  statement.setReadBigInts(true);
  const found = statement.get();
  const first = BigInt(String(found?.first));
  const span = BigInt(String(found?.last)) - first + 1n;
  const partitions = BigInt(partitionsOf(table));
  return { first, width: (span + partitions - 1n) / partitions };
}

function* readRows(database: DatabaseSync, query: string, ...values: bigint[]): Generator<Row> {
  const statement = database.prepare(query);
  statement.setReadBigInts(true);
  statement.setReturnArrays(true);
  for (const row of statement.iterate(...values)) yield row as unknown as Row;
}

/** Rows, gathered until they fill a file. */
function* fileLoads(rows: Iterable<Row>): Generator<Row[]> {
  let load: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    load.push(row);
    for (const value of row) bytes += sizeOf(value);
    if (load.length < rowsPerFile && bytes < bytesPerFile) continue;
    yield load;
    [load, bytes] = [[], 0];
  }
  if (load.length > 0) yield load;
}

function sizeOf(value: SqlValue): number {
  return typeof value === "string" || value instanceof Uint8Array ? value.length : 8;
}

function parquet(columns: readonly ParquetColumn[], rows: readonly Row[]): Buffer {
  const bytes = parquetWriteBuffer({
    schema: [{ name: "spark_schema", num_children: columns.length }, ...columns.map(({ element }) => element)],
    columnData: columns.map(({ element, convert }, index) => ({
      name: element.name,
      data: rows.map((row): ParquetValue => convert(row[index] ?? null)),
    })),
    codec: "GZIP",
    compressors: { GZIP: (input) => gzipSync(input) },
    rowGroupSize: rowsPerFile,
  });
  return Buffer.from(bytes);
}

function uuidOf(text: string): string {
  const digits = createHash("sha256").update(text).digest("hex");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");
}
