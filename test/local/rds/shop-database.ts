// A MySQL database with something of everything, for the tests of exports.
import type { NewDatabase } from "../../../local/rds/catalogue.ts";
import type { NewTable, SqlValue } from "../../../local/rds/source-data.ts";

/** Three ranges of the key, of which the middle one is empty and the last one too large for a file. */
export const orderRows = 9_000;

export const orders: NewTable = {
  database: "shop",
  name: "orders",
  columns: [
    { name: "id", type: "bigint unsigned" },
    { name: "customer", type: "varchar(100)" },
    { name: "total", type: "decimal(12,2)" },
    { name: "ordered_at", type: "datetime(6)" },
    { name: "paid", type: "tinyint(1)" },
  ],
  primaryKey: "id",
  rows: function* (): Generator<SqlValue[]> {
    for (let index = 0; index < orderRows; index += 1) {
      const id = index < 4_000 ? index + 1 : index + 16_001;
      const customer = index % 7 === 0 ? null : `客户 ${index % 100} 🚢`;
      yield [id, customer, `${index}.${String(index % 100).padStart(2, "0")}`, "2026-11-20 03:30:00.123456", index % 2];
    }
  },
};

export const everyType: NewTable = {
  database: "shop",
  name: "every type",
  columns: [
    { name: "big", type: "bigint" },
    { name: "huge", type: "bigint unsigned" },
    { name: "int", type: "int" },
    { name: "uint", type: "int unsigned" },
    { name: "small_decimal", type: "decimal(7,3)" },
    { name: "long_decimal", type: "decimal(38,10)" },
    { name: "ratio", type: "double" },
    { name: "at", type: "timestamp" },
    { name: "day", type: "date" },
    { name: "text", type: "longtext" },
    { name: "bytes", type: "longblob" },
    { name: "json", type: "json" },
  ],
  rows: [
    [
      -9_223_372_036_854_775_808n,
      "18446744073709551615",
      -2_147_483_648,
      4_294_967_295,
      "-1234.567",
      "1234567890123456789012345678.0123456789",
      0.1,
      "1969-12-31 23:59:59.5",
      "2026-11-20",
      'naïve — 中文 🚢\n\t"quoted"',
      new Uint8Array([0, 255, 128]),
      '{"a":[1,null]}',
    ],
    [null, null, null, null, null, null, null, null, null, null, null, null],
  ],
};

export const empty: NewTable = { database: "shop", name: "empty", columns: [{ name: "id", type: "int" }], rows: [] };

export const log: NewTable = {
  database: "audit",
  name: "log",
  columns: [{ name: "line", type: "text" }],
  rows: () => Array.from({ length: 5_000 }, (_none, index) => [`line ${index}`]),
};

export const shop: NewDatabase = {
  databaseId: "shop",
  engine: "mysql",
  engineVersion: "8.0.39",
  tables: [orders, everyType, empty, log],
};
