// The logical sample loads into a real MariaDB server, and the server then holds exactly what was meant.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { logicalDump } from "../../../local/samples/logical-dump.ts";
import { ThrowawayServer } from "./debian-tools.ts";

test("the dump loads, with every row, the exact sums and its Chinese text", async () => {
  const dump = logicalDump(1, Date.UTC(2026, 10, 19));
  const directory = mkdtempSync(path.join(tmpdir(), "db-"));
  try {
    await using server = await ThrowawayServer.start(directory);
    server.sql(gunzipSync(dump.gzipped));
    const ask = (query: string) => server.sql(Buffer.from(`USE ${dump.database}; ${query};`)).trimEnd();
    for (const [table, rows] of Object.entries(dump.rows)) {
      expect(ask(`SELECT COUNT(*) FROM ${table}`), table).toBe(String(rows));
    }
    expect(ask("SELECT SUM(value_milli) FROM readings")).toBe(String(dump.sumOfReadings));
    const { id, name, note } = dump.firstCustomer;
    expect(ask(`SELECT HEX(name), HEX(note) FROM customers WHERE id = ${id}`).split("\t")).toEqual([
      Buffer.from(name).toString("hex").toUpperCase(),
      Buffer.from(note).toString("hex").toUpperCase(),
    ]);
    expect(Number(ask("SELECT COUNT(*) FROM customers WHERE note = '100% 🚀'"))).toBeGreaterThan(0);
    expect(
      Number(ask("SELECT COUNT(*) FROM readings WHERE remark = CONCAT('line', CHAR(10), 'break')")),
    ).toBeGreaterThan(0);
    expect(Number(ask("SELECT COUNT(*) FROM readings WHERE remark = 'back\\\\slash'"))).toBeGreaterThan(0);
    expect(ask("SELECT COUNT(*) FROM devices d LEFT JOIN customers c ON c.id = d.customer_id WHERE c.id IS NULL")).toBe(
      "0",
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("the same seed gives the same bytes, another seed others", () => {
  expect(logicalDump(1, 0).gzipped.equals(logicalDump(1, 0).gzipped)).toBe(true);
  expect(logicalDump(2, 0).gzipped.equals(logicalDump(1, 0).gzipped)).toBe(false);
});
