// What usage costs, and what a request may cost at most: BigInt in between, rounded up once.
import type { KeyPolicy } from "../ledger/key-policy.ts";
import type { Demand } from "../protocols/protocol.ts";
import { Refusal } from "../refusal.ts";
import type { RelaySettings } from "../settings.ts";
import { isStandardTier, type TokenUsage } from "../token-usage.ts";
import type { Price, Rates } from "./price.ts";

const tokensPerRate = 1_000_000n;
const thousand = 1000n;

/** As the ledger's limits: sums of a key stay exact numbers. An upstream that lies cannot charge more for one request. */
const mostNanoUsdPerRequest = 4_000_000 * 1_000_000_000;

/** What a reservation must cover, and how its output is paid for in slices. */
export interface WorstCost {
  /** To be reserved first, multiplier applied. */
  readonly nanoUsd: number;
  /** Input and covered output, for limits of tokens per minute. */
  readonly tokens: number;
  readonly inputTokens: number;
  /** Output tokens that `nanoUsd` covers. */
  readonly coveredTokens: number;
  /** Output tokens that the request can cause at most. */
  readonly mostTokens: number;
  readonly sliceTokens: number;
  /** So many more output tokens, multiplier applied, rounded up. */
  costOf(outputTokens: number): number;
}

/** `tierAsked`: what counts where the answer does not say in which tier it was served, or in one that has no price. */
export function costOf(usage: TokenUsage, price: Price, multiplierThousandths = 1000, tierAsked = ""): number {
  const input = usage.inputTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens + usage.cacheReadTokens;
  const { longContext } = price;
  const rates = longContext !== null && input > longContext.aboveInputTokens ? longContext.rates : price.rates;
  const tokens =
    BigInt(usage.inputTokens) * BigInt(rates.input) +
    BigInt(usage.cacheWrite5mTokens) * BigInt(rates.cacheWrite5m) +
    BigInt(usage.cacheWrite1hTokens) * BigInt(rates.cacheWrite1h) +
    BigInt(usage.cacheReadTokens) * BigInt(rates.cacheRead) +
    BigInt(usage.outputTokens) * BigInt(rates.output);
  return roundUp(
    tokens * BigInt(billedMultiple(price, tierAsked, usage.tier)) +
      toolsOf(usage.serverTools, price) * thousand * tokensPerRate,
    multiplierThousandths,
  );
}

/**
 * What a key is charged for such usage: by the price of the model asked; without one, the key's ceiling. A tool or a tier
 * without a price costs the ceiling on top: beside a cheap ceiling it would make a dear model cheap.
 */
export function chargeOf(
  usage: TokenUsage,
  demand: Demand,
  price: Price | undefined,
  policy: Pick<KeyPolicy, "multiplierThousandths" | "unknownPriceCeiling">,
): number {
  const ceiling = policy.unknownPriceCeiling ?? 0;
  if (price === undefined) return ceiling;
  const cost = costOf(usage, price, policy.multiplierThousandths, demand.tier);
  const isTierKnown = usage.tier !== undefined && multipleOf(price, usage.tier) !== undefined;
  const billed = isTierKnown ? { ...demand, tier: usage.tier } : demand;
  return unpricedIn(billed, price) === undefined ? cost : Math.min(mostNanoUsdPerRequest, cost + ceiling);
}

/**
 * An upper bound for an upstream that is honest: whatever usage within the demand it reports, `costOf` is not above it
 * (for keys that estimate `typical`: as long as the input has no more tokens than the settings say).
 * `usualTiers`: in which accounts may serve what names no tier.
 * Throws `Refusal` PriceUnknown for a model, a tier or a tool without a price, unless the key sets a ceiling.
 */
export function worstCostOf(
  demand: Demand,
  price: Price | undefined,
  policy: Pick<KeyPolicy, "estimate" | "multiplierThousandths" | "unknownPriceCeiling">,
  settings: Pick<RelaySettings, "sliceTokens" | "typicalBytesPerTokenThousandths">,
  usualTiers: readonly string[] = [],
): WorstCost {
  if (price === undefined) return atCeiling(demand, policy, settings);
  const unpriced = unpricedIn(demand, price);
  const unpricedNanoUsd = unpriced === undefined ? 0 : ceilingFor(unpriced, policy);
  const input = inputOf(demand, price, policy, settings);
  const most = (demand.mostOutputTokens ?? price.mostOutputTokens) * demand.answers;
  const sliceTokens = settings.sliceTokens * demand.answers;
  const covered = demand.hasVisibleOutput ? Math.min(most, sliceTokens) : most;
  const rates = worstRates(price, input);
  const tier = BigInt(worstMultiple(demand.tier ?? "", usualTiers, price));
  const { multiplierThousandths } = policy;
  const inputRate = BigInt(worstInputRate(rates, demand.cacheWrites ?? unaskedWrites(price)));
  const cost = roundUp(
    (BigInt(input) * inputRate + BigInt(covered) * BigInt(rates.output)) * tier +
      toolsOf(demand.serverTools, price) * thousand * tokensPerRate,
    multiplierThousandths,
  );
  return {
    nanoUsd: Math.min(mostNanoUsdPerRequest, cost + unpricedNanoUsd),
    tokens: input + covered,
    inputTokens: input,
    coveredTokens: covered,
    mostTokens: most,
    sliceTokens,
    costOf: (outputTokens) =>
      roundUp(BigInt(Math.ceil(outputTokens)) * BigInt(rates.output) * tier, multiplierThousandths),
  };
}

/** Without a price the key's ceiling is what a request costs, whatever it uses. */
function atCeiling(
  demand: Demand,
  policy: Pick<KeyPolicy, "estimate" | "unknownPriceCeiling">,
  settings: Pick<RelaySettings, "typicalBytesPerTokenThousandths">,
): WorstCost {
  const ceiling = ceilingFor("this model", policy);
  const input = bytesAsTokens(demand.inputBytes, policy, settings);
  const output = (demand.mostOutputTokens ?? 0) * demand.answers;
  return {
    nanoUsd: ceiling,
    tokens: input + output,
    inputTokens: input,
    coveredTokens: output,
    // Nothing is paid in slices: the meter never asks for more.
    mostTokens: output,
    sliceTokens: 0,
    costOf: () => 0,
  };
}

/** Throws `Refusal` PriceUnknown where the key has none. */
function ceilingFor(unpriced: string, { unknownPriceCeiling }: Pick<KeyPolicy, "unknownPriceCeiling">): number {
  if (unknownPriceCeiling !== null) return unknownPriceCeiling;
  const message = `The price of ${unpriced} is not known here, so that its cost cannot be limited. Ask for another one, or ask whoever runs this relay to enter its price.`;
  throw new Refusal("PriceUnknown", message);
}

/** In words for whoever is refused. */
function unpricedIn(demand: Demand, price: Price): string | undefined {
  const { tier = "" } = demand;
  if (multipleOf(price, tier) === undefined) return `the service tier "${tier}" of this model`;
  const tool = Object.keys(demand.serverTools).find((name) => figureOf(price.serverTools, name) === undefined);
  return tool === undefined ? undefined : `the tool "${tool}" with this model`;
}

/** What the body does not show counts as the whole context window. */
function inputOf(
  demand: Demand,
  price: Price,
  policy: Pick<KeyPolicy, "estimate">,
  settings: Pick<RelaySettings, "typicalBytesPerTokenThousandths">,
): number {
  if (demand.hasInputElsewhere) return price.contextWindowTokens;
  return Math.min(price.contextWindowTokens, bytesAsTokens(demand.inputBytes, policy, settings));
}

/** Tokenizers work on bytes: no token is shorter than one. */
export function bytesAsTokens(
  bytes: number,
  policy: Pick<KeyPolicy, "estimate">,
  settings: Pick<RelaySettings, "typicalBytesPerTokenThousandths">,
): number {
  return policy.estimate === "strict" ? bytes : Math.ceil((bytes * 1000) / settings.typicalBytesPerTokenThousandths);
}

/** The dearer of both where the input may pass the limit of long context: a smaller input may still be the cheaper one. */
function worstRates({ rates, longContext }: Price, input: number): Rates {
  if (longContext === null || input <= longContext.aboveInputTokens) return rates;
  const long = longContext.rates;
  return {
    input: Math.max(rates.input, long.input),
    output: Math.max(rates.output, long.output),
    cacheWrite5m: Math.max(rates.cacheWrite5m, long.cacheWrite5m),
    cacheWrite1h: Math.max(rates.cacheWrite1h, long.cacheWrite1h),
    cacheRead: Math.max(rates.cacheRead, long.cacheRead),
  };
}

function worstInputRate(rates: Rates, cacheWrites: "none" | "5m" | "1h"): number {
  const writes = { none: [], "5m": [rates.cacheWrite5m], "1h": [rates.cacheWrite5m, rates.cacheWrite1h] };
  return Math.max(rates.input, rates.cacheRead, ...writes[cacheWrites]);
}

/** Anthropic writes caches only where a request asks for it; others write them by themselves, and may bill it. */
function unaskedWrites({ platform }: Price): "none" | "5m" {
  return platform === "anthropic" ? "none" : "5m";
}

const asListed = 1000;

/** Speed, region, and what may come; more would be a client's, whose product has no end. */
const mostTierParts = 3;

/** Thousandths of the listed rates. Tiers of several parts (`fast+geo-us`) are multiplied. Undefined: nobody has said what it costs. */
function multipleOf({ tiers }: Price, tier: string): number | undefined {
  const whole = figureOf(tiers, tier);
  if (whole !== undefined) return whole;
  const parts = tier.split("+");
  if (parts.length > mostTierParts) return undefined;
  let multiple = asListed;
  for (const part of parts) {
    const own = figureOf(tiers, part) ?? (isStandardTier(part) ? asListed : undefined);
    if (own === undefined) return undefined;
    multiple = Math.ceil((multiple * own) / asListed);
  }
  return multiple;
}

/** What was served is what is billed. A discount that the answer does not confirm is none. */
function billedMultiple(price: Price, asked: string, served: string | undefined): number {
  const confirmed = served === undefined ? undefined : multipleOf(price, served);
  return confirmed ?? Math.max(asListed, multipleOf(price, asked) ?? asListed);
}

/** The cheaper tier may be full, and a gateway may not know it: what is asked for in it may be served at the listed rates. */
function worstMultiple(asked: string, usualTiers: readonly string[], price: Price): number {
  const tiers = [asked, ...usualTiers.map((usual) => tierWith(usual, asked))];
  return Math.max(asListed, ...tiers.map((tier) => multipleOf(price, tier) ?? asListed));
}

/** A usual tier is for requests that name none; a usual region also for those that name another thing alone. */
function tierWith(usual: string, asked: string): string {
  if (isStandardTier(asked)) return usual;
  return usual.startsWith("geo-") && !asked.includes("geo-") ? `${asked}+${usual}` : asked;
}

/** Only own properties: the names came from a request or an answer. */
function figureOf(figures: Readonly<Record<string, number>>, name: string): number | undefined {
  return Object.hasOwn(figures, name) ? figures[name] : undefined;
}

function toolsOf(calls: Readonly<Record<string, number>>, price: Price): bigint {
  return Object.entries(calls).reduce(
    (sum, [name, count]) => sum + BigInt(count) * BigInt(figureOf(price.serverTools, name) ?? 0),
    0n,
  );
}

/** From nano-USD × a million × a thousand, times the multiplier. */
function roundUp(scaled: bigint, multiplierThousandths: number): number {
  const divisor = tokensPerRate * thousand * thousand;
  const nanoUsd = (scaled * BigInt(multiplierThousandths) + divisor - 1n) / divisor;
  return nanoUsd > BigInt(mostNanoUsdPerRequest) ? mostNanoUsdPerRequest : Number(nanoUsd);
}
