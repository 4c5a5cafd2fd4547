// Which tables of a snapshot an export writes, which it leaves out and why, and where each lies.
// Source: "Limitations" and "File naming conventions" of snapshot exports in the RDS User Guide.
import type { EngineFamily } from "./engines.ts";
import { invalidExportOnly } from "./rds-error.ts";
import type { SourceTable } from "./source-data.ts";

export interface PlannedTable {
  readonly table: SourceTable;
  /** `database.schema.table`, as export_tables_info names it. */
  readonly target: string;
  /** Below the task's own folder, without a slash at its end. */
  readonly folder: string;
  /** Set where the table is left out. */
  readonly skipReason?: string;
}

/** Tables with one of these in a column's name are left out. */
const unsupportedInColumns = /[,;{}()\n\t= ]/;
/** These become underscores in paths. */
const unsupportedInPaths = /[\\`" ]/g;
const partialName = /^[A-Za-z0-9$_]+$/;
const largestExportOnlyBytes = 200 * 1024;

export function planTables(
  tables: readonly SourceTable[],
  exportOnly: readonly string[],
  family: EngineFamily,
): PlannedTable[] {
  const chosen =
    exportOnly.length === 0
      ? tables
      : tables.filter((table) => exportOnly.some((scope) => namesOf(table, family).includes(scope)));
  return chosen.map((table) => {
    const skipReason = whySkipped(table);
    return {
      table,
      target: `${table.database}.${table.schema}.${table.name}`,
      folder: `${table.database}/${table.schema}.${table.name}`.replace(unsupportedInPaths, "_"),
      ...(skipReason === undefined ? {} : { skipReason }),
    };
  });
}

/** Throws InvalidExportOnly for a list that is too long or names what isn't there or cannot be named. */
export function checkExportOnly(
  exportOnly: readonly string[],
  tables: readonly SourceTable[],
  family: EngineFamily,
): void {
  const bytes = exportOnly.reduce((sum, scope) => sum + Buffer.byteLength(scope), 0);
  if (bytes > largestExportOnlyBytes) throw invalidExportOnly("The ExportOnly list is larger than 200 KB.");
  const known = new Set(tables.flatMap((table) => namesOf(table, family)));
  for (const scope of exportOnly) {
    const names = scope.split(".");
    if (names.length > (family === "mysql" ? 2 : 3) || !names.every((name) => partialName.test(name))) {
      throw invalidExportOnly(`The ExportOnly value ${scope} isn't valid.`);
    }
    if (!known.has(scope)) throw invalidExportOnly(`The ExportOnly value ${scope} doesn't exist in the snapshot.`);
  }
}

/** Everything by which ExportOnly can choose it: its database, its schema where there are any, itself. */
function namesOf(table: SourceTable, family: EngineFamily): string[] {
  const { database, schema, name } = table;
  if (family === "mysql") return [database, `${database}.${name}`];
  return [database, `${database}.${schema}`, `${database}.${schema}.${name}`];
}

function whySkipped(table: SourceTable): string | undefined {
  if (table.name.includes("/")) return "TABLE_NAME_CONTAINS_UNSUPPORTED_CHARACTERS";
  if (table.columns.some(({ name }) => unsupportedInColumns.test(name))) {
    return "COLUMN_NAME_CONTAINS_UNSUPPORTED_CHARACTERS";
  }
  return undefined;
}
