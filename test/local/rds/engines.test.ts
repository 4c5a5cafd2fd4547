// Which engines and versions can be exported.
import { expect, test } from "vitest";
import { isExportable } from "../../../local/rds/engines.ts";

test.each<[string, string, boolean]>([
  ["mysql", "5.5.62", false],
  ["mysql", "5.6.39", false],
  ["mysql", "5.6.40", true],
  ["mysql", "5.7.23", false],
  ["mysql", "8.0.39", true],
  ["mysql", "8.4.3", true],
  ["mariadb", "10.2.11", false],
  ["mariadb", "10.11.10", true],
  ["mariadb", "11.4.4", true],
  ["postgres", "9.3.25", false],
  ["postgres", "11.1", false],
  ["postgres", "16.4", true],
  ["aurora-mysql", "5.7.mysql_aurora.2.04.3", false],
  ["aurora-mysql", "5.7.mysql_aurora.2.11.4", true],
  ["aurora-mysql", "8.0.mysql_aurora.3.05.2", true],
  ["aurora-postgresql", "10.5", false],
  ["aurora-postgresql", "16.4", true],
  ["oracle-ee", "19.0.0.0", false],
  ["sqlserver-ex", "16.00.4095.4.v1", false],
])("%s %s can be exported: %s", (engine, version, expected) => {
  expect(isExportable(engine, version)).toBe(expected);
});
