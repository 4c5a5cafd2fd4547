// Records for tests of counting: made from a few numbers, so that a property test can make many different ones.

import type { UsageRecord } from "../../../../lambdas/relay/counting/usage-record.ts";
import { makeRequestId } from "../../../../lambdas/relay/request-id.ts";

export const noon = Date.parse("2026-11-20T12:00:00.000Z");

let made = 0;

/** Each id is another one, also within a millisecond. */
export function requestIdAt(milliseconds: number): string {
  made += 1;
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, (made * 2_654_435_761) % 4_294_967_296);
  new DataView(bytes.buffer).setUint32(8, made);
  return makeRequestId(milliseconds, bytes);
}

export function recordAt(milliseconds: number, changes: Partial<UsageRecord> = {}): UsageRecord {
  return {
    requestId: requestIdAt(milliseconds),
    keyId: "key-1",
    accountId: "acc-1",
    provider: "anthropic",
    platform: "anthropic",
    operation: "messages",
    modelAsked: "claude-opus-5-5",
    modelServed: "claude-opus-5-5",
    family: "opus",
    usage: {
      inputTokens: 100,
      cacheWrite5mTokens: 10,
      cacheWrite1hTokens: 5,
      cacheReadTokens: 1000,
      outputTokens: 50,
      reasoningTokens: 20,
      serverTools: { web_search: 1 },
    },
    usageSource: "reported",
    chargedNanoUsd: 2_000_000,
    realNanoUsd: 1_800_000,
    reservedNanoUsd: 5_000_000,
    overrunNanoUsd: 0,
    priceVersion: "anthropic/claude-opus-5-5@2025-01-01#00000000",
    outcome: "ok",
    reason: "",
    status: 200,
    stream: true,
    startedAt: new Date(milliseconds).toISOString(),
    endedAt: new Date(milliseconds + 2000).toISOString(),
    firstByteMilliseconds: 400,
    milliseconds: 2000,
    extensions: 0,
    accountsTried: 1,
    client: "claude-cli/2.1.328",
    network: "203.0.113.0/24",
    ...changes,
  };
}
