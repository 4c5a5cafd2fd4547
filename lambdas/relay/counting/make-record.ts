// Makes the record of a request that is over, from what is known of it. Never a prompt, an answer, or a secret.
import type { KeyPolicy } from "../ledger/key-policy.ts";
import type { Call } from "../protocols/protocol.ts";
import { isStandardTier, type TokenUsage } from "../token-usage.ts";
import { clientOf, networkOf } from "./caller.ts";
import { chargeOf, costOf } from "./cost.ts";
import type { Used } from "./estimate-usage.ts";
import { priceVersionOf } from "./find-price.ts";
import type { Price } from "./price.ts";
import type { UsageRecord } from "./usage-record.ts";

export interface RecordFacts {
  readonly requestId: string;
  readonly keyId: string;
  /** Undefined where none was chosen. */
  readonly account: { readonly accountId: string; readonly provider: string } | undefined;
  readonly call: Pick<Call, "platform" | "operation" | "model" | "metering" | "answers" | "demand">;
  /** What the account was asked for, after its mapping. */
  readonly modelSent: string | undefined;
  /** What the answer says. */
  readonly modelServed: string | undefined;
  /** Of the model asked, which the key is charged by. */
  readonly askedPrice: Price | undefined;
  /** Of the model sent, which the account is billed by. */
  readonly sentPrice: Price | undefined;
  readonly policy: Pick<KeyPolicy, "multiplierThousandths" | "unknownPriceCeiling">;
  readonly used: Used;
  /** What the answer's headers say of the service tier. */
  readonly tierInHeaders: string | undefined;
  readonly reservedNanoUsd: number;
  readonly outcome: UsageRecord["outcome"];
  /** A refusal's or an error's name; empty for `ok`. */
  readonly reason: string;
  readonly status: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly firstByteAt: number | undefined;
  readonly extensions: number;
  readonly accountsTried: number;
  readonly userAgent: string | undefined;
  readonly sourceIp: string;
}

/** Names come from clients and upstreams. */
const mostNameCharacters = 200;
const mostReasonCharacters = 100;
const mostTierCharacters = 40;

export function makeRecord(facts: RecordFacts): UsageRecord {
  const { call, account, askedPrice, reservedNanoUsd, startedAt, endedAt, firstByteAt } = facts;
  const used = withHeaders(facts);
  const [charged, real] = costsOf(facts, used);
  const { tier, ...usage } = used.usage;
  const serviceTier = used.source === "none" ? "" : (tier ?? call.demand.tier ?? "");
  return {
    requestId: facts.requestId,
    keyId: facts.keyId,
    accountId: account?.accountId ?? "",
    provider: account?.provider ?? "",
    platform: call.platform,
    operation: call.operation,
    modelAsked: cut(call.model, mostNameCharacters),
    modelServed: cut(
      facts.modelServed ?? (used.source === "none" ? "" : (facts.modelSent ?? call.model)),
      mostNameCharacters,
    ),
    family: askedPrice?.family ?? "",
    usage,
    usageSource: call.metering === "free" ? "none" : used.source,
    chargedNanoUsd: charged,
    realNanoUsd: real,
    reservedNanoUsd,
    overrunNanoUsd: Math.max(0, charged - reservedNanoUsd),
    priceVersion: priceVersion(facts),
    ...(!isStandardTier(serviceTier) && { serviceTier: cut(serviceTier, mostTierCharacters) }),
    outcome: facts.outcome,
    reason: cut(facts.reason, mostReasonCharacters),
    status: facts.status,
    stream: call.answers !== "json",
    startedAt: new Date(startedAt).toISOString(),
    endedAt: new Date(endedAt).toISOString(),
    firstByteMilliseconds: firstByteAt === undefined ? null : wholeMilliseconds(firstByteAt - startedAt),
    milliseconds: wholeMilliseconds(endedAt - startedAt),
    extensions: facts.extensions,
    accountsTried: facts.accountsTried,
    client: clientOf(facts.userAgent),
    network: networkOf(facts.sourceIp),
  };
}

/** The body's word counts before the headers'. */
function withHeaders({ used, tierInHeaders }: RecordFacts): Used {
  if (tierInHeaders === undefined || used.usage.tier !== undefined) return used;
  const served = (usage: TokenUsage): TokenUsage => ({ ...usage, tier: tierInHeaders });
  return { ...used, usage: served(used.usage), ...(used.charged !== undefined && { charged: served(used.charged) }) };
}

/** Charged and real. Where the price of what was sent is not known, the account is taken to cost what the key was charged. */
function costsOf({ call, askedPrice, sentPrice, policy }: RecordFacts, used: Used): [number, number] {
  if (call.metering === "free" || used.source === "none") return [0, 0];
  const charged = chargeOf(used.charged ?? used.usage, call.demand, askedPrice, policy);
  const real = sentPrice === undefined ? charged : costOf(used.usage, sentPrice, 1000, call.demand.tier);
  return [charged, real];
}

function priceVersion({ call, used, askedPrice }: RecordFacts): string {
  if (call.metering === "free" || used.source === "none") return "";
  return askedPrice === undefined ? "ceiling" : priceVersionOf(askedPrice);
}

/** Half of a character is no text that a table takes. */
function cut(text: string, mostCharacters: number): string {
  return text.slice(0, mostCharacters).toWellFormed();
}

/** A clock may be set back between two looks at it. */
function wholeMilliseconds(milliseconds: number): number {
  return Math.max(0, Math.round(milliseconds));
}
