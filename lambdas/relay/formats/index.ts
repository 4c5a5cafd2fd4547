// The formats that usage records can be exported in, by the name that requests and files give them.
import { csv } from "./csv.ts";
import type { RecordsFormat } from "./format.ts";
import { parquet } from "./parquet.ts";

export const formats: Readonly<Record<"csv" | "parquet", RecordsFormat>> = { csv, parquet };
