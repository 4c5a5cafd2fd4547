// A model's price from the options of a command, on top of the one that is in force.
import type { AnswerOf } from "../api/operations.ts";
import { nanoUsdOf } from "../dollars.ts";
import { timeOf } from "../time-option.ts";
import { UsageProblem } from "../usage-problem.ts";
import { whole } from "./relay-key-policy.ts";

export interface PriceFields {
  readonly platform?: string;
  readonly input?: string;
  readonly output?: string;
  readonly cacheWrite?: string;
  readonly cacheWrite1h?: string;
  readonly cacheRead?: string;
  readonly longContext?: string;
  readonly tool?: readonly string[];
  readonly tier?: readonly string[];
  readonly family?: string;
  readonly context?: string;
  readonly mostOutput?: string;
  readonly source?: string;
  readonly date?: string;
  readonly from?: string;
}

type Price = AnswerOf<"listRelayPrices">["items"][number];
type Rates = Price["rates"];

/** What PUT /api/relay/prices takes. `inForce`: what the model is charged by, on each platform. Throws UsageProblem. */
export function priceOf(model: string, fields: PriceFields, inForce: readonly Price[], now: Date) {
  const before = beforeOf(model, fields.platform, inForce);
  const rates = ratesOf(fields, before?.rates);
  const platform = fields.platform ?? before?.platform;
  const contextWindowTokens = tokens(fields.context, "--context") ?? before?.contextWindowTokens;
  const mostOutputTokens = tokens(fields.mostOutput, "--most-output") ?? before?.mostOutputTokens;
  if (platform === undefined || contextWindowTokens === undefined || mostOutputTokens === undefined) {
    throw new UsageProblem(
      `${model} has no price yet: give --platform, --input, --output, --context and --most-output.`,
    );
  }
  if (fields.source === undefined) {
    throw new UsageProblem(
      "--source is missing: say where the price was read, such as the address of the vendor's page.",
    );
  }
  return {
    ...{ platform, model, family: fields.family ?? before?.family ?? "", rates },
    longContext: longContextOf(fields, rates, before),
    serverTools: { ...before?.serverTools, ...pairs(fields.tool, "--tool", perUnit) },
    tiers: { ...before?.tiers, ...pairs(fields.tier, "--tier", thousandthsOf) },
    ...{ contextWindowTokens, mostOutputTokens, source: fields.source },
    date: fields.date === undefined ? now.toISOString().slice(0, 10) : dayOf(fields.date, "--date"),
    ...(fields.from !== undefined && { effectiveFrom: timeOf(fields.from, "--from") }),
  };
}

function beforeOf(model: string, platform: string | undefined, inForce: readonly Price[]): Price | undefined {
  const found = inForce.filter((price) => platform === undefined || price.platform === platform);
  const [only, another] = found;
  if (another === undefined) return only;
  const names = found.map((price) => price.platform).join(", ");
  throw new UsageProblem(`${model} has a price on several platforms: give --platform, one of ${names}.`);
}

/** Of a new price what is not said of the cache costs what input does: never nothing. */
function ratesOf(fields: PriceFields, before: Rates | undefined): Rates {
  const input = rate(fields.input, "--input") ?? before?.input;
  const output = rate(fields.output, "--output") ?? before?.output;
  if (input === undefined || output === undefined) {
    throw new UsageProblem("The model has no price yet: give --input and --output, in dollars per million tokens.");
  }
  return {
    input,
    output,
    cacheWrite5m: rate(fields.cacheWrite, "--cache-write") ?? before?.cacheWrite5m ?? input,
    cacheWrite1h: rate(fields.cacheWrite1h, "--cache-write-1h") ?? before?.cacheWrite1h ?? input,
    cacheRead: rate(fields.cacheRead, "--cache-read") ?? before?.cacheRead ?? input,
  };
}

/** `200000,6,22.5`: tokens, input, output; what the cache costs grows as the input does, rounded up. */
function longContextOf({ longContext }: PriceFields, rates: Rates, before: Price | undefined): Price["longContext"] {
  if (longContext === "none") return null;
  if (longContext === undefined) {
    const former = before?.longContext ?? null;
    const isSame = JSON.stringify(rates) === JSON.stringify(before?.rates);
    if (former === null || isSame) return former;
    throw new UsageProblem(
      `${before?.model} has other rates above ${former.aboveInputTokens} tokens of input. Say what they are now: --long-context ${former.aboveInputTokens},INPUT,OUTPUT, or none.`,
    );
  }
  const [above = "", input = "", output = "", ...more] = longContext.split(",");
  if (output === "" || more.length > 0) {
    throw new UsageProblem(
      `--long-context ${longContext}: give tokens, and dollars of input and of output, such as 200000,6,22.5; or none.`,
    );
  }
  const longInput = perUnit(input, "--long-context");
  const grown = (nanoUsd: number) => {
    if (rates.input === 0) return Math.max(nanoUsd, longInput);
    const [cache, from, to] = [BigInt(nanoUsd), BigInt(rates.input), BigInt(longInput)];
    return Number((cache * to + from - 1n) / from);
  };
  return {
    aboveInputTokens: whole(above, "--long-context"),
    rates: {
      input: longInput,
      output: perUnit(output, "--long-context"),
      cacheWrite5m: grown(rates.cacheWrite5m),
      cacheWrite1h: grown(rates.cacheWrite1h),
      cacheRead: grown(rates.cacheRead),
    },
  };
}

function dayOf(text: string, option: string): string {
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return timeOf(text, option).slice(0, 10);
  throw new UsageProblem(`${option} ${text} is no day; give one such as 2026-11-01.`);
}

const tokens = (text: string | undefined, option: string) => (text === undefined ? undefined : whole(text, option));
const rate = (text: string | undefined, option: string) => (text === undefined ? undefined : perUnit(text, option));

function perUnit(text: string, option: string): number {
  const nanoUsd = nanoUsdOf(text, option);
  if (nanoUsd >= 0) return nanoUsd;
  throw new UsageProblem(`${option} ${text}: give 0 dollars or more.`);
}

function thousandthsOf(text: string, option: string): number {
  const [, wholePart = "", fraction = ""] = /^(\d{1,3})(?:\.(\d{1,3}))?$/.exec(text) ?? [];
  if (wholePart === "") throw new UsageProblem(`${option} ${text} is no factor; give one such as 2 or 0.5.`);
  return Number(wholePart + fraction.padEnd(3, "0"));
}

/** `web_search=0.01` */
function pairs(
  given: readonly string[] | undefined,
  option: string,
  numberIn: (text: string, option: string) => number,
): Record<string, number> {
  return Object.fromEntries(
    (given ?? []).map((text) => {
      const at = text.lastIndexOf("=");
      if (at < 1)
        throw new UsageProblem(`${option} ${text}: give a name, = and a number, such as ${option} name=0.01.`);
      const name = text.slice(0, at);
      return [name, numberIn(text.slice(at + 1), `${option} ${name}`)];
    }),
  );
}
