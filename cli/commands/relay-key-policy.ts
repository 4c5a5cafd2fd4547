// A client key's policy from the options of a command: what is given is changed, the rest stays as it was.
import { isIP } from "node:net";
import type { AnswerOf } from "../api/operations.ts";
import { nanoUsdOf } from "../dollars.ts";
import { timeOf } from "../time-option.ts";
import { UsageProblem } from "../usage-problem.ts";

export interface PolicyOptions {
  readonly owner?: string;
  readonly tag?: readonly string[];
  readonly expires?: string;
  readonly daysFromFirstUse?: string;
  readonly platform?: readonly string[];
  readonly model?: readonly string[];
  readonly address?: readonly string[];
  readonly account?: string;
  readonly group?: string;
  readonly requestsPerMinute?: string;
  readonly tokensPerMinute?: string;
  readonly concurrency?: string;
  readonly waiting?: string;
  readonly perDay?: string;
  readonly perWeek?: string;
  readonly perMonth?: string;
  readonly total?: string;
  readonly family?: readonly string[];
  readonly timeZone?: string;
  readonly multiplier?: string;
  readonly estimate?: string;
  readonly unknownPrice?: string;
  readonly prepaid?: boolean;
}

type Policy = AnswerOf<"getRelayKey">["policy"];
type Expiry = AnswerOf<"getRelayKey">["expiry"];

const windows = ["day", "week", "month", "total"] as const;

/** Only what was given; the API says what does not fit. Throws UsageProblem for what is no number. */
export function policyChange(options: PolicyOptions, before?: Policy): Record<string, unknown> {
  const spend = without({
    day: dollars(options.perDay, "--per-day"),
    week: dollars(options.perWeek, "--per-week"),
    month: dollars(options.perMonth, "--per-month"),
    total: dollars(options.total, "--total"),
  });
  return without({
    timeZone: options.timeZone,
    platforms: listOf(options.platform, undefined),
    models: listOf(options.model, []),
    addresses: listOf(options.address?.map(addressOf), []),
    boundTo: boundTo(options),
    requestsPerMinute: count(options.requestsPerMinute, "--requests-per-minute"),
    tokensPerMinute: count(options.tokensPerMinute, "--tokens-per-minute"),
    concurrency: options.concurrency === undefined ? undefined : whole(options.concurrency, "--concurrency"),
    waiting: options.waiting === undefined ? undefined : waitingOf(options.waiting),
    spend: Object.keys(spend).length > 0 ? { ...before?.spend, ...spend } : undefined,
    familySpend: options.family && familyLimits(options.family, before),
    multiplierThousandths: thousandths(options.multiplier),
    estimate: options.estimate,
    unknownPriceCeiling: dollars(options.unknownPrice, "--unknown-price"),
    prepaid: options.prepaid,
  });
}

/** Undefined: it was not given. */
export function expiryOf({ expires, daysFromFirstUse }: PolicyOptions): Expiry | undefined {
  if (expires !== undefined && daysFromFirstUse !== undefined) {
    throw new UsageProblem("Give --expires or --days-from-first-use, not both.");
  }
  if (daysFromFirstUse !== undefined) {
    return { kind: "after-first-use", days: whole(daysFromFirstUse, "--days-from-first-use") };
  }
  if (expires === undefined) return undefined;
  return expires === "never" ? null : { kind: "at", at: timeOf(expires, "--expires") };
}

export function whole(text: string, option: string): number {
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new UsageProblem(`${option} ${text} is no whole number.`);
}

/** `none` is null: no limit. */
export function dollars(text: string | undefined, option: string): number | null | undefined {
  if (text === undefined) return undefined;
  if (text === "none") return null;
  const nanoUsd = nanoUsdOf(text, option);
  if (nanoUsd < 0) throw new UsageProblem(`${option} ${text}: give 0 dollars or more, or none.`);
  return nanoUsd;
}

function count(text: string | undefined, option: string): number | null | undefined {
  if (text === undefined) return undefined;
  return text === "none" ? null : whole(text, option);
}

/** `all`: the list that stands for no restriction. */
function listOf(given: readonly string[] | undefined, all: readonly string[] | undefined) {
  if (given?.length === 1 && given[0] === "all") return all ?? ["anthropic", "openai", "gemini"];
  return given;
}

function boundTo({ account, group }: PolicyOptions) {
  if (account === undefined && group === undefined) return undefined;
  if (account !== undefined && group !== undefined) throw new UsageProblem("Give --account or --group, not both.");
  if (account === "any" || group === "any") return null;
  return account === undefined ? { kind: "group", group } : { kind: "account", accountId: account };
}

/** `opus.week=50` on top of what there is. */
function familyLimits(given: readonly string[], before: Policy | undefined) {
  const limits: Record<string, Record<string, number | null>> = structuredClone(before?.familySpend ?? {});
  for (const text of given) {
    const [, family = "", window = "", sum = ""] = /^([a-z0-9.-]+)\.([a-z]+)=(.+)$/.exec(text) ?? [];
    if (!windows.some((known) => known === window)) {
      throw new UsageProblem(
        `--family ${text}: give a family, a window (${windows.join(", ")}) and dollars, such as opus.week=50.`,
      );
    }
    limits[family] = { ...limits[family], [window]: dollars(sum, `--family ${family}.${window}`) ?? null };
  }
  const isLimited = (limit: Record<string, number | null>) => Object.values(limit).some((sum) => sum !== null);
  return Object.fromEntries(Object.entries(limits).filter(([, limit]) => isLimited(limit)));
}

/** `10,5`: ten seconds in a line of five. */
function waitingOf(text: string): Policy["waiting"] {
  if (text === "none") return { longestMilliseconds: 0, most: 0 };
  const [, seconds = "", most = ""] = /^(\d{1,3}(?:\.\d{1,3})?),(\d{1,3})$/.exec(text) ?? [];
  if (seconds === "") {
    throw new UsageProblem(`--waiting ${text}: give seconds and the length of the line, such as 10,5; or none.`);
  }
  return { longestMilliseconds: Math.round(Number(seconds) * 1000), most: Number(most) };
}

function addressOf(text: string): string {
  if (text === "all") return text;
  const [, address = "", bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  if (version !== 0 && Number(bits ?? 0) <= (version === 4 ? 32 : 128)) return text;
  throw new UsageProblem(
    `--address ${text} is no IP address and no CIDR range; give one such as 203.0.113.7 or 10.0.0.0/8.`,
  );
}

function thousandths(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, wholePart = "", fraction = ""] = /^(\d{1,3})(?:\.(\d{1,3}))?$/.exec(text) ?? [];
  if (wholePart === "") throw new UsageProblem(`--multiplier ${text} is no factor; give one such as 1.2 or 0.85.`);
  return Number(wholePart + fraction.padEnd(3, "0"));
}

function without(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
