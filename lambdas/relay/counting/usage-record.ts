// A usage record: one per request, refused and failed ones too. Never a prompt, an answer, or a secret.
import * as z from "zod";
import { platforms } from "../platform.ts";

const count = z.int().min(0);

export const usageRecordSchema = z.strictObject({
  /** Time-ordered: 10 characters of its millisecond in base 32, then random ones (as a ULID). */
  requestId: z.string(),
  keyId: z.string(),
  /** Empty where none was chosen. */
  accountId: z.string(),
  provider: z.string(),
  platform: z.enum(platforms),
  operation: z.string(),
  modelAsked: z.string(),
  modelServed: z.string(),
  family: z.string(),
  usage: z.strictObject({
    inputTokens: count,
    cacheWrite5mTokens: count,
    cacheWrite1hTokens: count,
    cacheReadTokens: count,
    outputTokens: count,
    reasoningTokens: count,
    serverTools: z.record(z.string(), count),
  }),
  /** `reported`: by the upstream; `estimated`: the answer was cut or told nothing; `none`: nothing was used. */
  usageSource: z.enum(["reported", "estimated", "none"]),
  /** What the key was charged: list price of the model asked × multiplier. */
  chargedNanoUsd: count,
  /** List price of what the account served, without multiplier. */
  realNanoUsd: count,
  reservedNanoUsd: count,
  /** Charged beyond what was reserved: an upstream that reported more than was asked for. */
  overrunNanoUsd: count,
  priceVersion: z.string(),
  /** As the answer says that it was served, else as it was asked for (`priority`, `flex`, `fast`, `geo-us` …); absent: at the listed rates. */
  serviceTier: z.string().optional(),
  /** `ok`, `budget` or `deadline` (ended in mid-stream), `client-gone`, `upstream-error`, `refused`, `lease-expired` (swept), `relay-error`. */
  outcome: z.enum([
    "ok",
    "budget",
    "deadline",
    "client-gone",
    "upstream-error",
    "refused",
    "lease-expired",
    "relay-error",
  ]),
  /** A refusal's or an error's name; empty for `ok`. */
  reason: z.string(),
  status: z.int(),
  stream: z.boolean(),
  /** RFC 3339, UTC. */
  startedAt: z.string(),
  endedAt: z.string(),
  firstByteMilliseconds: count.nullable(),
  milliseconds: count,
  extensions: count,
  accountsTried: count,
  /** Product and version of the User-Agent, at most 80 characters. */
  client: z.string(),
  /** /24 or /48 of the caller's address. */
  network: z.string(),
});

export type UsageRecord = z.output<typeof usageRecordSchema>;
