// What usage costs, and that a reservation covers whatever an honest upstream may report.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chargeOf, costOf, worstCostOf } from "../../../../lambdas/relay/counting/cost.ts";
import { findPrice } from "../../../../lambdas/relay/counting/find-price.ts";
import type { Price } from "../../../../lambdas/relay/counting/price.ts";
import { priceTable } from "../../../../lambdas/relay/counting/price-table.ts";
import type { Demand } from "../../../../lambdas/relay/protocols/protocol.ts";
import { noUsage, type TokenUsage } from "../../../../lambdas/relay/token-usage.ts";
import { noon } from "./sample-records.ts";

const settings = { sliceTokens: 4096, typicalBytesPerTokenThousandths: 2500 };
const strict = { estimate: "strict", multiplierThousandths: 1000, unknownPriceCeiling: null } as const;

const demand: Demand = {
  inputBytes: 1000,
  hasInputElsewhere: false,
  mostOutputTokens: 500,
  answers: 1,
  hasVisibleOutput: false,
  serverTools: {},
};

function priceOf(model: string): Price {
  const platform = model.startsWith("claude") ? "anthropic" : model.startsWith("gemini") ? "gemini" : "openai";
  const price = findPrice([], { platform, model, now: noon });
  if (price === undefined) throw new Error(`there is no price of ${model}`);
  return price;
}

describe("the cost of usage", () => {
  it("is each kind of token at its own rate, in whole nano-USD", () => {
    const usage: TokenUsage = {
      inputTokens: 1_000_000,
      cacheWrite5mTokens: 1_000_000,
      cacheWrite1hTokens: 1_000_000,
      cacheReadTokens: 1_000_000,
      outputTokens: 1_000_000,
      reasoningTokens: 500_000,
      serverTools: { web_search: 2 },
    };
    // Opus 5.5: $4, $5, $8, $0.20, $20, and a cent for each search.
    expect(costOf(usage, priceOf("claude-opus-5-5"))).toBe(37_220_000_000);
  });

  it("is rounded up once, not per kind of token, and not at all where it is whole", () => {
    const price = { ...priceOf("text-embedding-3-small") };
    // 20,000,000 nano-USD per million: a token costs 20.
    expect(costOf({ ...noUsage, inputTokens: 1 }, price)).toBe(20);
    expect(costOf({ ...noUsage, inputTokens: 1 }, price, 1)).toBe(1);
    expect(costOf(noUsage, price)).toBe(0);
    const fine = { ...price, rates: { ...price.rates, input: 400_000, cacheRead: 400_000 } };
    expect(costOf({ ...noUsage, inputTokens: 1, cacheReadTokens: 1 }, fine)).toBe(1);
  });

  it("is that of long context for the whole request once its whole input passes the limit", () => {
    const price = priceOf("gemini-2.5-pro");
    const at = costOf({ ...noUsage, inputTokens: 100_000, cacheReadTokens: 100_000, outputTokens: 1000 }, price);
    const above = costOf({ ...noUsage, inputTokens: 100_001, cacheReadTokens: 100_000, outputTokens: 1000 }, price);
    expect(at).toBe(125_000_000 + 12_500_000 + 10_000_000);
    expect(above).toBe(250_002_500 + 25_000_000 + 15_000_000);
  });

  it("is multiplied by the key's multiplier and by the tier that was asked for", () => {
    const usage = { ...noUsage, inputTokens: 1000, outputTokens: 1000 };
    const price = priceOf("claude-opus-5-5");
    const list = costOf(usage, price);
    expect(costOf(usage, price, 1500)).toBe(list * 1.5);
    expect(costOf(usage, price, 0)).toBe(0);
    expect(costOf(usage, price, 1000, "fast")).toBe(list * 2);
  });

  it("stays a number that sums can hold, whatever an upstream claims", () => {
    const claimed = { ...noUsage, outputTokens: Number.MAX_SAFE_INTEGER };
    expect(costOf(claimed, priceOf("gpt-5.5-pro"), 100_000)).toBe(4_000_000_000_000_000);
  });
});

describe("the worst cost of a demand", () => {
  it("covers whatever an honest upstream may report", () => {
    const tools = fc.dictionary(fc.constantFrom("web_search", "file_search", "google_search"), fc.nat(5), {
      maxKeys: 2,
    });
    fc.assert(
      fc.property(
        fc.record({
          price: fc.constantFrom(
            ...priceTable.filter(({ model }) => !model.endsWith("*") && !model.endsWith("latest")),
          ),
          inputBytes: fc.nat(1_500_000),
          hasInputElsewhere: fc.boolean(),
          mostOutputTokens: fc.option(fc.nat(200_000), { nil: undefined }),
          answers: fc.integer({ min: 1, max: 8 }),
          hasVisibleOutput: fc.boolean(),
          serverTools: tools,
          cacheWrites: fc.option(fc.constantFrom("5m" as const, "1h" as const), { nil: undefined }),
          multiplierThousandths: fc.nat(3000),
          isFast: fc.boolean(),
          // Shares of what there may be at most.
          shares: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 }),
          toolShare: fc.double({ min: 0, max: 1, noNaN: true }),
        }),
        (drawn) => {
          const { price, answers, multiplierThousandths, cacheWrites, isFast } = drawn;
          const serverTools = Object.fromEntries(
            Object.entries(drawn.serverTools).filter(([name]) => price.serverTools[name] !== undefined),
          );
          const [tier] = isFast ? Object.keys(price.tiers) : [];
          const asked: Demand = {
            ...drawn,
            serverTools,
            ...(cacheWrites === undefined ? { cacheWrites: undefined as never } : { cacheWrites }),
            ...(tier === undefined ? {} : { tier }),
          };
          const policy = { ...strict, multiplierThousandths };
          const worst = worstCostOf(asked, price, policy, settings);
          const usage = honestUsage(drawn.shares, worst.inputTokens, worst.mostTokens, asked, price);
          const used = {
            ...usage,
            serverTools: Object.fromEntries(
              Object.entries(serverTools).map(([name, most]) => [name, Math.floor(most * drawn.toolShare)]),
            ),
          };
          const covered = worst.nanoUsd + worst.costOf(worst.mostTokens - worst.coveredTokens);
          expect(covered).toBeGreaterThanOrEqual(costOf(used, price, multiplierThousandths, tier));
          expect(worst.tokens).toBe(worst.inputTokens + worst.coveredTokens);
          expect(worst.mostTokens).toBeGreaterThanOrEqual(worst.coveredTokens);
          expect(worst.inputTokens).toBeLessThanOrEqual(price.contextWindowTokens);
          expect(worst.sliceTokens).toBe(4096 * answers);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("counts the body as one token per byte, or by the settings where the key says typical", () => {
    const price = priceOf("claude-haiku-4-5");
    expect(worstCostOf(demand, price, strict, settings)).toMatchObject({
      inputTokens: 1000,
      coveredTokens: 500,
      nanoUsd: 1000 * 1000 + 500 * 5000,
    });
    expect(worstCostOf(demand, price, { ...strict, estimate: "typical" }, settings).inputTokens).toBe(400);
  });

  it("counts input that is not in the body as the context window, and no body as more than that", () => {
    const price = priceOf("claude-haiku-4-5");
    const elsewhere = { ...demand, hasInputElsewhere: true };
    const huge = { ...demand, inputBytes: 5_000_000 };
    for (const each of [elsewhere, huge]) expect(worstCostOf(each, price, strict, settings).inputTokens).toBe(200_000);
  });

  it("covers output in slices only where all of it is seen, else the largest output of every answer", () => {
    const price = priceOf("claude-opus-5-5");
    const visible = { ...demand, mostOutputTokens: 128_000, hasVisibleOutput: true };
    const first = worstCostOf(visible, price, strict, settings);
    expect(first).toMatchObject({ coveredTokens: 4096, mostTokens: 128_000, sliceTokens: 4096 });
    expect(first.costOf(4096)).toBe(4096 * 20_000);
    const hidden = worstCostOf({ ...visible, hasVisibleOutput: false, answers: 3 }, price, strict, settings);
    expect(hidden).toMatchObject({ coveredTokens: 384_000, mostTokens: 384_000 });
    const unsaid = worstCostOf({ ...demand, mostOutputTokens: undefined }, price, strict, settings);
    expect(unsaid.mostTokens).toBe(128_000);
  });

  it("takes the dearest cache write that the request may cause", () => {
    const anthropic = priceOf("claude-opus-5-5");
    const inputOnly = { ...demand, mostOutputTokens: 0 };
    expect(worstCostOf(inputOnly, anthropic, strict, settings).nanoUsd).toBe(4_000_000);
    expect(worstCostOf({ ...inputOnly, cacheWrites: "5m" }, anthropic, strict, settings).nanoUsd).toBe(5_000_000);
    expect(worstCostOf({ ...inputOnly, cacheWrites: "1h" }, anthropic, strict, settings).nanoUsd).toBe(8_000_000);
    // GPT-6 writes caches without being asked, and bills it.
    expect(worstCostOf(inputOnly, priceOf("gpt-6-sol"), strict, settings).nanoUsd).toBe(2_500_000);
  });

  it("refuses a model, a tool and a tier without a price, unless the key has a ceiling, which is then charged", () => {
    const price = priceOf("claude-opus-5-5");
    const ceiling = { ...strict, unknownPriceCeiling: 7_000_000 };
    const list = worstCostOf(demand, price, strict, settings).nanoUsd;
    // Beside a model with a price, the ceiling is for the tool or the tier alone.
    const cases: [Demand, Price | undefined, RegExp, number, number][] = [
      [demand, undefined, /this model/, 0, 0],
      [{ ...demand, serverTools: { time_travel: 1 } }, price, /time_travel/, list, 100_000],
      [{ ...demand, tier: "turbo" }, price, /turbo/, list, 100_000],
    ];
    for (const [each, known, message, reserved, used] of cases) {
      expect(() => worstCostOf(each, known, strict, settings)).toThrow(message);
      expect(() => worstCostOf(each, known, strict, settings)).toThrow(
        expect.objectContaining({ name: "PriceUnknown" }),
      );
      const worst = worstCostOf(each, known, ceiling, settings);
      expect(worst).toMatchObject({ nanoUsd: 7_000_000 + reserved, coveredTokens: 500, mostTokens: 500 });
      expect(chargeOf({ ...noUsage, outputTokens: 5 }, each, known, ceiling)).toBe(7_000_000 + used);
    }
    expect(worstCostOf({ ...demand, tier: "default" }, price, strict, settings).nanoUsd).toBeGreaterThan(0);
  });
});

function honestUsage(
  shares: readonly number[],
  inputTokens: number,
  mostTokens: number,
  asked: Demand,
  price: Price,
): TokenUsage {
  const [all = 0, write5m = 0, write1h = 0, read = 0, output = 0] = shares;
  const input = Math.floor(inputTokens * all);
  const mayWrite = asked.cacheWrites !== undefined || price.platform !== "anthropic";
  const cacheWrite1hTokens = asked.cacheWrites === "1h" ? Math.floor(input * write1h * 0.3) : 0;
  const cacheWrite5mTokens = mayWrite ? Math.floor(input * write5m * 0.3) : 0;
  const cacheReadTokens = Math.floor(input * read * 0.4);
  return {
    inputTokens: input - cacheWrite5mTokens - cacheWrite1hTokens - cacheReadTokens,
    cacheWrite5mTokens,
    cacheWrite1hTokens,
    cacheReadTokens,
    outputTokens: Math.floor(mostTokens * output),
    reasoningTokens: 0,
    serverTools: {},
  };
}
