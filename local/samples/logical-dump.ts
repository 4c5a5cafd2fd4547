// The logical sample: a .sql.gz that any MySQL or MariaDB server loads, with Chinese text and some ten thousand rows.
import { gzipSync } from "node:zlib";
import { seededRandom } from "../rig/faults.ts";

export interface LogicalDump {
  readonly gzipped: Buffer;
  /** What a server holds after loading it, for whoever wants to check. */
  readonly database: string;
  readonly rows: Readonly<Record<"customers" | "devices" | "readings", number>>;
  /** Sum of `readings.value_milli`, a 64-bit integer column. */
  readonly sumOfReadings: bigint;
  readonly firstCustomer: { readonly id: number; readonly name: string; readonly note: string };
}

const database = "iotdb_sample";
const rows = { customers: 500, devices: 2_000, readings: 40_000 } as const;
const rowsPerInsert = 500;

const surnames = ["王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "欧阳", "司马"];
const givenNames = ["伟", "芳", "娜", "秀英", "敏", "静", "丽", "强", "磊", "洋", "𠮷", "子涵"];
const cities = ["杭州", "上海", "北京", "深圳", "成都", "西安", "乌鲁木齐"];
/** What breaks careless quoting and careless character sets. */
const notes = ["正常", 'It\'s "quoted"', "back\\slash", "line\nbreak", "100% 🚀", "tab\there", "半角ｶﾅ", ""];

/** The same seed gives the same bytes. `dumpedAt` (milliseconds since 1970) only appears in the last comment. */
export function logicalDump(seed: number, dumpedAt: number): LogicalDump {
  const random = seededRandom(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const customers = Array.from({ length: rows.customers }, (_, index) => ({
    id: index + 1,
    name: `${pick(surnames)}${pick(givenNames)}`,
    note: pick(notes),
  }));
  const devices = Array.from({ length: rows.devices }, (_, index) => [
    index + 1,
    1 + Math.floor(random() * rows.customers),
    text(`${pick(cities)}-传感器-${String(index + 1).padStart(5, "0")}`),
    `x'${Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, "0")}'`,
  ]);
  let sumOfReadings = 0n;
  const readings = Array.from({ length: rows.readings }, (_, index) => {
    // Beyond 2^53, where a careless tool would round.
    const value = BigInt(Math.floor(random() * 2 ** 40)) * 4096n - 9_000_000n;
    sumOfReadings += value;
    return [index + 1, 1 + (index % rows.devices), value, random() < 0.1 ? "NULL" : text(pick(notes))];
  });
  const sql = [
    header,
    ...table(
      "customers",
      "`id` int NOT NULL,\n  `name` varchar(64) NOT NULL,\n  `note` text",
      customers.map((row) => [row.id, text(row.name), text(row.note)]),
    ),
    ...table(
      "devices",
      "`id` int NOT NULL,\n  `customer_id` int NOT NULL,\n  `label` varchar(128) NOT NULL,\n  `serial` varbinary(16) NOT NULL",
      devices,
    ),
    ...table(
      "readings",
      "`id` int NOT NULL,\n  `device_id` int NOT NULL,\n  `value_milli` bigint NOT NULL,\n  `remark` text,\n  KEY `by_device` (`device_id`)",
      readings,
    ),
    footer(dumpedAt),
  ].join("\n");
  const first = customers[0];
  if (!first) throw new Error("the dump has no customers");
  return { gzipped: gzipSync(sql), database, rows, sumOfReadings, firstCustomer: first };
}

const header = `-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: ${database}
-- ------------------------------------------------------
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!50503 SET NAMES utf8mb4 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;

CREATE DATABASE /*!32312 IF NOT EXISTS*/ \`${database}\` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;
USE \`${database}\`;
`;

function footer(dumpedAt: number): string {
  const when = new Date(dumpedAt).toISOString().slice(0, 19).replace("T", " ");
  return `/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
-- Dump completed on ${when}
`;
}

function table(name: string, columns: string, values: readonly (readonly (string | number | bigint)[])[]): string[] {
  const statements = [
    `DROP TABLE IF EXISTS \`${name}\`;`,
    `CREATE TABLE \`${name}\` (\n  ${columns},\n  PRIMARY KEY (\`id\`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;`,
    `LOCK TABLES \`${name}\` WRITE;`,
  ];
  for (let at = 0; at < values.length; at += rowsPerInsert) {
    const tuples = values.slice(at, at + rowsPerInsert).map((row) => `(${row.join(",")})`);
    statements.push(`INSERT INTO \`${name}\` VALUES ${tuples.join(",")};`);
  }
  return [...statements, "UNLOCK TABLES;", ""];
}

/** A quoted SQL string, escaped as mysqldump does. Of control characters the sample has newlines and tabs only. */
function text(value: string): string {
  return `'${value.replace(/['"\\]/g, (char) => `\\${char}`).replaceAll("\n", "\\n")}'`;
}
