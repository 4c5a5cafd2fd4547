// How the engines' types become Parquet's, and their values with them.
// Source: "Data conversion when exporting to an Amazon S3 bucket" in the RDS User Guide.
import type { SchemaElement } from "hyparquet";
import type { EngineFamily } from "./engines.ts";
import type { Column, SqlValue } from "./source-data.ts";

export type ParquetValue = null | boolean | number | bigint | string | Uint8Array;

export interface ParquetColumn {
  readonly element: SchemaElement;
  /** As export_tables_info tells it. */
  readonly exportedType: string;
  /** Throws an Error for a value that isn't of the type. */
  readonly convert: (value: SqlValue) => ParquetValue;
}

type Kind = Omit<ParquetColumn, "element"> & { readonly element: Omit<SchemaElement, "name" | "repetition_type"> };

export function parquetColumn(column: Column, family: EngineFamily): ParquetColumn {
  const kind = (family === "mysql" ? mysqlKind : postgresKind)(parseType(column.type));
  return {
    element: { name: column.name, repetition_type: "OPTIONAL", ...kind.element },
    exportedType: kind.exportedType,
    convert: (value) => {
      if (value === null) return null;
      try {
        return kind.convert(value);
      } catch (error) {
        throw new Error(`${column.name} (${column.type}): ${error instanceof Error ? error.message : error}`);
      }
    },
  };
}

interface SqlType {
  /** `bigint`, `double precision`, `timestamp with time zone` … */
  readonly name: string;
  readonly isUnsigned: boolean;
  /** What stands in parentheses. */
  readonly sizes: readonly number[];
}

function parseType(type: string): SqlType {
  const text = type.toLowerCase();
  const [, inside = ""] = /\(([^)]*)\)/.exec(text) ?? [];
  const words = text
    .replace(/\([^)]*\)/, " ")
    .split(/\s+/)
    .filter(Boolean);
  return {
    name: words.filter((word) => word !== "unsigned" && word !== "zerofill").join(" "),
    isUnsigned: words.includes("unsigned"),
    sizes: inside.split(",").map(Number).filter(Number.isInteger),
  };
}

function mysqlKind({ name, isUnsigned, sizes }: SqlType): Kind {
  switch (name) {
    case "bigint":
    case "serial":
      return isUnsigned || name === "serial" ? decimalKind(20, 0, 9) : int64;
    case "int":
    case "integer":
      return isUnsigned ? int64 : int32;
    case "mediumint":
    case "smallint":
    case "tinyint":
    case "year":
    case "bool":
    case "boolean":
      return int32;
    case "decimal":
    case "numeric":
    case "dec":
    case "fixed":
      return decimalKind(sizes[0] ?? 10, sizes[1] ?? 0);
    case "double":
    case "double precision":
    case "float":
    case "real":
      return double;
    case "datetime":
    case "timestamp":
      return timestamp;
    default:
      return /blob|binary|^bit$|geometry|point|linestring|polygon/.test(name) ? binary : utf8;
  }
}

function postgresKind({ name }: SqlType): Kind {
  switch (name) {
    case "bigint":
    case "bigserial":
    case "int8":
      return int64;
    case "integer":
    case "int":
    case "int4":
    case "serial":
      return int32;
    case "smallint":
    case "int2":
    case "smallserial":
      return { ...int32, element: { type: "INT32", converted_type: "INT_16" } };
    case "double precision":
    case "float8":
      return double;
    case "real":
    case "float4":
      return { ...double, element: { type: "FLOAT" }, exportedType: "float" };
    case "boolean":
    case "bool":
      return {
        element: { type: "BOOLEAN" },
        exportedType: "boolean",
        convert: (value) => value === "t" || value === "true" || (typeof value !== "string" && Number(value) !== 0),
      };
    case "bytea":
      return binary;
    default:
      // Decimals, dates and times too: "to avoid complications due to data precision".
      return utf8;
  }
}

const int32: Kind = {
  element: { type: "INT32" },
  exportedType: "int32",
  convert: (value) => {
    const number = Number(value);
    if (Number.isInteger(number) && number === (number | 0)) return number;
    throw new Error(`${String(value)} is no integer of 32 bits`);
  },
};

const int64: Kind = {
  element: { type: "INT64" },
  exportedType: "int64",
  convert: (value) => {
    const number = toBigInt(value);
    if (BigInt.asIntN(64, number) === number) return number;
    throw new Error(`${number} is no integer of 64 bits`);
  },
};

const double: Kind = {
  element: { type: "DOUBLE" },
  exportedType: "double",
  convert: (value) => {
    const number = Number(value);
    if (!Number.isNaN(number) || value === "NaN") return number;
    throw new Error(`${String(value)} is no number`);
  },
};

const utf8: Kind = {
  element: { type: "BYTE_ARRAY", converted_type: "UTF8" },
  exportedType: "binary (UTF8)",
  convert: (value) => (value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : String(value)),
};

const binary: Kind = {
  element: { type: "BYTE_ARRAY" },
  exportedType: "binary",
  convert: (value) => (value instanceof Uint8Array ? value : Buffer.from(String(value), "utf8")),
};

/** Microseconds since 1970; times without a zone are taken as UTC. */
const timestamp: Kind = {
  element: { type: "INT64", converted_type: "TIMESTAMP_MICROS" },
  exportedType: "int64 (TIMESTAMP_MICROS)",
  convert: (value) => {
    const match = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z?$/.exec(String(value));
    const seconds = match ? Date.parse(`${match[1]}T${match[2]}Z`) / 1000 : Number.NaN;
    if (Number.isNaN(seconds)) throw new Error(`${String(value)} is no time of the form 2026-11-20 03:30:00.123456`);
    return BigInt(seconds) * 1_000_000n + BigInt((match?.[3] ?? "").padEnd(6, "0"));
  },
};

/** `fixedBytes`: where the type's bytes don't follow from its precision. */
function decimalKind(precision: number, scale: number, fixedBytes?: number): Kind {
  if (precision > 38) return utf8;
  const annotation = { converted_type: "DECIMAL", precision, scale } as const;
  const convert = (value: SqlValue) => unscaled(value, precision, scale);
  const exported = (type: string) => `${type} (DECIMAL(${precision},${scale}))`;
  if (precision <= 9) return { element: { type: "INT32", ...annotation }, exportedType: exported("int32"), convert };
  if (precision <= 18) return { element: { type: "INT64", ...annotation }, exportedType: exported("int64"), convert };
  // The least number of bytes that holds a sign and so many decimal digits.
  const type_length = fixedBytes ?? Math.ceil((precision * Math.log2(10) + 1) / 8);
  return {
    element: { type: "FIXED_LEN_BYTE_ARRAY", type_length, ...annotation },
    exportedType: exported(`fixed_len_byte_array(${type_length})`),
    convert,
  };
}

/** The digits without the point: exact, whatever the length. */
function unscaled(value: SqlValue, precision: number, scale: number): bigint {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(value));
  const [, sign = "", whole = "", fraction = ""] = match ?? [];
  const digits = whole + fraction.padEnd(scale, "0");
  if (!match || fraction.length > scale || digits.replace(/^0+/, "").length > precision) {
    throw new Error(`${String(value)} is no decimal of ${precision} digits, ${scale} of them after the point`);
  }
  return BigInt(`${sign}${digits}`);
}

function toBigInt(value: SqlValue): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "string" || typeof value === "number") return BigInt(value);
  throw new Error("the value is no integer");
}
