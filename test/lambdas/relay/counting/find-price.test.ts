// Prices: the reviewed table is whole and says where it comes from; overrides win; names match by their longest part.
import { describe, expect, it } from "vitest";
import { effectivePrices, findPrice, priceVersionOf } from "../../../../lambdas/relay/counting/find-price.ts";
import { type Price, priceSchema } from "../../../../lambdas/relay/counting/price.ts";
import { priceTable } from "../../../../lambdas/relay/counting/price-table.ts";
import { noon } from "./sample-records.ts";

const anthropic = (model: string, overrides: readonly Price[] = [], now = noon) =>
  findPrice(overrides, { platform: "anthropic", model, now });

function override(model: string, effectiveFrom: string, input: number): Price {
  const [any] = priceTable;
  if (any === undefined) throw new Error("the table is empty");
  return { ...any, model, effectiveFrom, rates: { ...any.rates, input }, source: "contract", date: "2026-11-01" };
}

describe("the price table", () => {
  it("holds only prices of the schema, each with its source and day", () => {
    for (const price of priceTable) {
      expect(priceSchema.parse(price)).toEqual(price);
      expect(price.source.length, price.model).toBeGreaterThan(20);
    }
  });

  it("says each thing once", () => {
    const names = priceTable.map(({ platform, model, effectiveFrom }) => [platform, model, effectiveFrom].join(" "));
    expect(new Set(names).size).toBe(names.length);
  });

  it("has no price above which long context would be cheaper, and no read dearer than the input", () => {
    for (const { model, rates, longContext } of priceTable) {
      expect(rates.cacheRead, model).toBeLessThanOrEqual(rates.input);
      expect(rates.cacheWrite1h, model).toBeGreaterThanOrEqual(rates.cacheWrite5m);
      if (longContext !== null) expect(longContext.rates.output, model).toBeGreaterThanOrEqual(rates.output);
    }
  });

  it("prices dated versions as their model, and not what somebody has not looked up", () => {
    expect(anthropic("claude-sonnet-4-5-20250929")?.rates).toEqual(anthropic("claude-sonnet-4-5")?.rates);
    expect(anthropic("claude-sonnet-4-6")?.contextWindowTokens).toBe(1_000_000);
    for (const unknown of ["claude-opus-9", "claude-opus-5-5-turbo", "claude", "", "gpt-5"]) {
      expect(anthropic(unknown), unknown).toBeUndefined();
    }
    const openai = (model: string) => findPrice([], { platform: "openai", model, now: noon });
    expect(openai("gpt-5-2025-08-07")?.family).toBe("gpt-5");
    expect(openai("gpt-5-mini-2025-08-07")?.family).toBe("gpt-5-mini");
    expect(openai("gpt-5.9")).toBeUndefined();
  });

  it("knows the first GPT-4o, which is dearer than those after it", () => {
    const openai = (model: string) => findPrice([], { platform: "openai", model, now: noon });
    const first = openai("gpt-4o-2024-05-13");
    expect(first).toMatchObject({ family: "gpt-4o", contextWindowTokens: 128_000, mostOutputTokens: 4096 });
    expect(first?.rates).toMatchObject({ input: 5_000_000_000, output: 15_000_000_000, cacheRead: 5_000_000_000 });
    expect(openai("gpt-4o-2024-08-06")?.rates).toEqual(openai("gpt-4o")?.rates);
  });

  it("follows a price that changes on a day that is known", () => {
    const at = (now: string) => findPrice([], { platform: "gemini", model: "gemini-3.8-flash", now: Date.parse(now) });
    expect(at("2026-12-31T23:59:59Z")?.rates.input).toBe(750_000_000);
    expect(at("2027-01-01T00:00:00Z")?.rates.input).toBe(1_500_000_000);
  });
});

describe("overrides", () => {
  it("win over the table from their day on", () => {
    const agreed = override("claude-opus-5-5", "2026-11-20T12:00:00.000Z", 1);
    expect(anthropic("claude-opus-5-5", [agreed], noon - 1)?.rates.input).toBe(4_000_000_000);
    expect(anthropic("claude-opus-5-5", [agreed], noon)?.rates.input).toBe(1);
  });

  it("count by the longest name, an exact one first, the latest of the same", () => {
    const overrides = [
      override("claude-*", "2026-01-01T00:00:00.000Z", 1),
      override("claude-opus-*", "2026-01-01T00:00:00.000Z", 2),
      override("claude-opus-5-5", "2026-01-01T00:00:00.000Z", 3),
      override("claude-opus-5-5", "2026-02-01T00:00:00.000Z", 4),
      override("claude-opus-5-5*", "2026-03-01T00:00:00.000Z", 5),
    ];
    const inputOf = (model: string) => anthropic(model, overrides)?.rates.input;
    expect(["claude-nova", "claude-opus-9", "claude-opus-5-5", "claude-opus-5-5-x"].map(inputOf)).toEqual([1, 2, 4, 5]);
  });

  it("are listed before the table, each by the version that counts now", () => {
    const overrides = [
      override("claude-opus-5-5", "2026-01-01T00:00:00.000Z", 3),
      override("claude-opus-5-5", "2026-02-01T00:00:00.000Z", 4),
      override("claude-opus-5-5", "2027-02-01T00:00:00.000Z", 5),
    ];
    const [first, second] = effectivePrices(overrides, noon);
    expect(first).toMatchObject({ origin: "override", price: { rates: { input: 4 } } });
    expect(second?.origin).toBe("table");
  });
});

describe("the version of a price", () => {
  it("tells figures apart, also of the same name and day", () => {
    const one = override("claude-opus-5-5", "2026-02-01T00:00:00.000Z", 4);
    const other = override("claude-opus-5-5", "2026-02-01T00:00:00.000Z", 5);
    expect(priceVersionOf(one)).toMatch(/^anthropic\/claude-opus-5-5@2026-02-01#[0-9a-f]{8}$/);
    expect(priceVersionOf(one)).toBe(priceVersionOf({ ...one, source: "elsewhere" }));
    expect(priceVersionOf(one)).not.toBe(priceVersionOf(other));
  });
});
