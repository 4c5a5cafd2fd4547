// Tests of the headers that tell what a key may still use.
import { describe, expect, test } from "vitest";
import { keyPolicySchema } from "../../../../lambdas/relay/ledger/key-policy.ts";
import type { LedgerKey } from "../../../../lambdas/relay/ledger/ledger.ts";
import { limitHeaders } from "../../../../lambdas/relay/wire/limit-headers.ts";

const now = Date.UTC(2026, 10, 20, 12, 0, 20);
const minute = Math.floor(now / 60_000);
const dollar = 1_000_000_000;

function key(policy: object, used: Record<string, number>): LedgerKey {
  return {
    keyId: "k",
    version: 1,
    isEnabled: true,
    isDeleted: false,
    policy: keyPolicySchema.parse(policy),
    expiresAt: undefined,
    daysFromFirstUse: undefined,
    secrets: {},
    used,
    balanceNanoUsd: undefined,
    leaseCount: 0,
  };
}

const used = { d20261120: 4 * dollar, w202647: 8 * dollar, total: 30 * dollar, [`r${minute}`]: 7, [`k${minute}`]: 400 };

describe("headers that tell what a key may still use", () => {
  test("draw Claude Code's bar: the day as its short window, the week as its long one, the fuller one for both", () => {
    const headers = limitHeaders("anthropic", key({ spend: { day: 5 * dollar, week: 100 * dollar } }, used), now);
    expect(headers).toEqual({
      "anthropic-ratelimit-unified-status": "allowed_warning",
      "anthropic-ratelimit-unified-reset": String(Date.UTC(2026, 10, 21) / 1000),
      "anthropic-ratelimit-unified-representative-claim": "five_hour",
      "anthropic-ratelimit-unified-5h-status": "allowed_warning",
      "anthropic-ratelimit-unified-5h-utilization": "0.8000",
      "anthropic-ratelimit-unified-5h-reset": String(Date.UTC(2026, 10, 21) / 1000),
      "anthropic-ratelimit-unified-7d-status": "allowed",
      "anthropic-ratelimit-unified-7d-utilization": "0.0800",
      "anthropic-ratelimit-unified-7d-reset": String(Date.UTC(2026, 10, 23) / 1000),
    });
  });

  test("take the next longer limit where there is none for a day or a week", () => {
    const headers = limitHeaders("anthropic", key({ spend: { total: 40 * dollar } }, used), now);
    expect(headers).toMatchObject({
      "anthropic-ratelimit-unified-status": "allowed_warning",
      "anthropic-ratelimit-unified-5h-utilization": "0.7500",
      "anthropic-ratelimit-unified-7d-utilization": "0.7500",
    });
    expect(Number(headers["anthropic-ratelimit-unified-reset"])).toBeGreaterThan(now / 1000);
  });

  test("tell the minute's requests and tokens in each vendor's form", () => {
    const limited = key({ requestsPerMinute: 10, tokensPerMinute: 1000 }, used);
    expect(limitHeaders("anthropic", limited, now)).toEqual({
      "anthropic-ratelimit-requests-limit": "10",
      "anthropic-ratelimit-requests-remaining": "3",
      "anthropic-ratelimit-requests-reset": "2026-11-20T12:01:00.000Z",
      "anthropic-ratelimit-tokens-limit": "1000",
      "anthropic-ratelimit-tokens-remaining": "600",
      "anthropic-ratelimit-tokens-reset": "2026-11-20T12:01:00.000Z",
    });
    for (const platform of ["openai", "gemini"] as const) {
      expect(limitHeaders(platform, limited, now)).toEqual({
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "3",
        "x-ratelimit-reset-requests": "40s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "600",
        "x-ratelimit-reset-tokens": "40s",
      });
    }
  });

  test("are none where nothing is limited", () => {
    for (const platform of ["anthropic", "openai", "gemini"] as const) {
      expect(limitHeaders(platform, key({}, used), now)).toEqual({});
    }
  });
});
