// Rows are few, whatever models somebody asks for: what has no row of its own is summed as (other), and nothing is lost.
import { describe, expect, it } from "vitest";
import { mostRowsPerUnit, noFigures, RowSums } from "../../../../lambdas/relay/counting/figures.ts";
import { rollUpUsage } from "../../../../lambdas/relay/counting/roll-up-usage.ts";
import { hourAt, totalUnit, type Unit } from "../../../../lambdas/relay/counting/units.ts";
import { MemoryTotals } from "./memory-totals.ts";
import { noon, recordAt } from "./sample-records.ts";

const hour = 3_600_000;

/** Each lane in one page: the small pages of other tests are for interleaving. */
function fastLanes(totals: MemoryTotals) {
  const byLane = Map.groupBy(
    totals.records.values(),
    ({ requestId }) => totals.batch([{ requestId }]).Records[0]?.dynamodb.Keys.partition.S,
  );
  return async function* (lane: Unit) {
    yield byLane.get(`r#${lane.name}`) ?? [];
  };
}

describe("rolled-up figures", () => {
  it("put models beyond the limit of a lane together, and lose nothing", async () => {
    const totals = new MemoryTotals(noon + hour);
    const many = Array.from({ length: 40_000 }, (_, index) => recordAt(noon, { modelServed: `made-up-${index}` }));
    for (const record of many) totals.put(record);
    await rollUpUsage({ rebuild: { from: noon, to: noon + hour } }, { ...totals.ports(), records: fastLanes(totals) });
    const rows = totals.rowsOf(hourAt(noon));
    expect(rows.size).toBeLessThan(many.length);
    expect([...rows.values()].reduce((sum, { requests }) => sum + requests, 0)).toBe(many.length);
  });
});

describe("a key that asks for ever new models", () => {
  it("has a hundred of them in each unit, and blurs no other key's figures", async () => {
    const totals = new MemoryTotals(noon + 5 * hour);
    for (let index = 0; index < 600; index += 1) {
      const at = noon + (index % 4) * hour;
      totals.put(
        recordAt(at, { keyId: "hostile", outcome: "refused", modelServed: "", modelAsked: `opus-20${index}` }),
      );
      totals.put(recordAt(at, { keyId: "other", modelServed: `model-${index % 3}` }));
    }
    await rollUpUsage(
      { rebuild: { from: noon, to: noon + 4 * hour } },
      { ...totals.ports(), records: fastLanes(totals) },
    );
    for (const unit of [{ level: "day", name: "20261120" } as const, totalUnit]) {
      const rows = [...totals.rowsOf(unit)];
      const of = (keyId: string) => rows.filter(([item]) => item.startsWith(`${keyId}|`));
      expect(of("hostile")).toHaveLength(101);
      expect(of("hostile").reduce((sum, [, { requests }]) => sum + requests, 0)).toBe(600);
      expect(of("other").map(([, { requests }]) => requests)).toEqual([200, 200, 200]);
    }
  });

  it("keeps no unit from being counted, nor do very many keys: what has no room is summed by key and account", () => {
    const sums = new RowSums(mostRowsPerUnit);
    const figures = { ...noFigures, requests: 1 };
    for (let index = 0; index < 30_000; index += 1) {
      const key = { keyId: `k${index % 400}`, accountId: "a", provider: "p", platform: "anthropic" };
      sums.addRow({ ...key, model: `m${Math.floor(index / 400)}`, figures });
    }
    expect(sums.rows.size).toBeLessThanOrEqual(mostRowsPerUnit + 400);
    expect([...sums.rows.values()].reduce((sum, row) => sum + row.figures.requests, 0)).toBe(30_000);
  });
});
