// Rows of the sample databases on RDS: the same for the same seed, with something of every kind that breaks careless tools.
import type { NewTable, SqlValue } from "../rds/source-data.ts";
import { seededRandom } from "../rig/faults.ts";

const customerCount = 1_500;
const productCount = 400;
const orderCount = 5_000;
const itemCount = 12_500;
const paymentCount = 600;

const accountCount = 200;
const entryCount = 2_000;
const changeCount = 500;

const names = ["王伟", "李娜", "Ångström", "O'Brien", "𠮷田", "Müller", "欧阳静", 'The "Quoted"'];
const cities = ["杭州", "上海", "Zürich", "São Paulo", "乌鲁木齐"];
const notes = ["正常", "line\nbreak", "tab\there", "100% 🚀", "back\\slash", null];
const firstOrderAt = Date.UTC(2026, 0, 1);

/** A MySQL database `orders` of five tables and 20,000 rows in all. */
export function orderTables(seed: number): NewTable[] {
  const table = (name: string, columns: readonly string[], rows: () => Iterable<SqlValue[]>): NewTable => ({
    database: "orders",
    name,
    columns: columns.map(readColumn),
    primaryKey: "id",
    rows,
  });
  return [
    table("customers", ["id int", "name varchar(100)", "city varchar(60)", "vip tinyint(1)", "note text"], () =>
      rowsOf(customerCount, seed, ({ id, pick, random }) => [
        id,
        `${pick(names)} ${id}`,
        pick(cities),
        Number(random() < 0.1),
        pick(notes),
      ]),
    ),
    table("products", ["id int", "sku char(8)", "price decimal(10,2)", "weight_kg double", "image blob"], () =>
      rowsOf(productCount, seed + 1, ({ id, whole, random }) => [
        id,
        `SKU${String(id).padStart(5, "0")}`,
        `${whole(900)}.${twoDigits(whole(100))}`,
        Math.round(random() * 1_000) / 100,
        Uint8Array.from({ length: 16 }, () => whole(256)),
      ]),
    ),
    table(
      "orders",
      [
        "id bigint unsigned",
        "customer_id int",
        "ordered_at datetime(6)",
        "total decimal(12,2)",
        "status enum('new','paid','sent')",
      ],
      () =>
        rowsOf(orderCount, seed + 2, ({ id, pick, whole }) => [
          // Beyond 2^53, where numbers of JavaScript end.
          9_007_199_254_740_992n + BigInt(id),
          1 + whole(customerCount),
          `${sqlTime(firstOrderAt + id * 3_600_000)}.${String(whole(1_000_000)).padStart(6, "0")}`,
          `${whole(10_000)}.${twoDigits(whole(100))}`,
          pick(["new", "paid", "sent"]),
        ]),
    ),
    table(
      "order_items",
      ["id bigint", "order_id bigint unsigned", "product_id int", "quantity smallint", "price decimal(10,2)"],
      () =>
        rowsOf(itemCount, seed + 3, ({ id, whole }) => [
          id,
          9_007_199_254_740_992n + BigInt(1 + whole(orderCount)),
          1 + whole(productCount),
          1 + whole(9),
          `${whole(900)}.${twoDigits(whole(100))}`,
        ]),
    ),
    table("payments", ["id int", "order_id bigint unsigned", "paid_on date", "details json"], () =>
      rowsOf(paymentCount, seed + 4, ({ id, whole, random }) => [
        id,
        9_007_199_254_740_992n + BigInt(1 + whole(orderCount)),
        random() < 0.05 ? null : sqlTime(firstOrderAt + id * 86_400_000).slice(0, 10),
        JSON.stringify({ method: id % 2 === 0 ? "支付宝" : "card", tries: whole(3) }),
      ]),
    ),
  ];
}

/** A PostgreSQL database `ledger` with two schemas, three tables and 2,700 rows. */
export function ledgerTables(seed: number): NewTable[] {
  return [
    {
      database: "ledger",
      name: "accounts",
      columns: ["id integer", "name text", "is_open boolean"].map(readColumn),
      primaryKey: "id",
      rows: () =>
        rowsOf(accountCount, seed + 5, ({ id, pick, random }) => [id, `${pick(names)} ${id}`, Number(random() < 0.9)]),
    },
    {
      database: "ledger",
      name: "entries",
      columns: ["id bigint", "account_id integer", "amount numeric(30,10)", "booked_at timestamp with time zone"].map(
        readColumn,
      ),
      primaryKey: "id",
      rows: () =>
        rowsOf(entryCount, seed + 6, ({ id, whole }) => [
          id,
          1 + whole(accountCount),
          `${whole(2) === 0 ? "-" : ""}${whole(1_000_000)}.${String(whole(10_000_000)).padStart(10, "0")}`,
          `${sqlTime(firstOrderAt + id * 60_000)}+00`,
        ]),
    },
    {
      database: "ledger",
      schema: "audit",
      name: "changes",
      // Without a key: exported in numbered batches.
      columns: ["entry uuid", "before jsonb", "digest bytea"].map(readColumn),
      rows: () =>
        rowsOf(changeCount, seed + 7, ({ id, whole }) => [
          `00000000-0000-4000-8000-${String(id).padStart(12, "0")}`,
          id % 10 === 0 ? null : JSON.stringify({ amount: whole(1_000), 备注: "改" }),
          Uint8Array.from({ length: 8 }, () => whole(256)),
        ]),
    },
  ];
}

interface Draw {
  /** From 1. */
  readonly id: number;
  readonly random: () => number;
  /** A whole number from 0 and below the limit. */
  readonly whole: (limit: number) => number;
  readonly pick: <Item>(items: readonly Item[]) => Item;
}

function* rowsOf(count: number, seed: number, rowOf: (draw: Draw) => SqlValue[]): Generator<SqlValue[]> {
  const random = seededRandom(seed);
  const whole = (limit: number) => Math.floor(random() * limit);
  const pick = <Item>(items: readonly Item[]): Item => items[whole(items.length)] as Item;
  for (let id = 1; id <= count; id += 1) yield rowOf({ id, random, whole, pick });
}

/** "name type" */
function readColumn(text: string) {
  const space = text.indexOf(" ");
  return { name: text.slice(0, space), type: text.slice(space + 1) };
}

function sqlTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 19).replace("T", " ");
}

function twoDigits(number: number): string {
  return String(number).padStart(2, "0");
}
