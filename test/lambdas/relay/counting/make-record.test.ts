// Records: what a request cost, who called, and what is kept of neither a prompt nor a person.
import { describe, expect, it } from "vitest";
import { clientOf, networkOf } from "../../../../lambdas/relay/counting/caller.ts";
import { nothingUsed, usageOf, usageOfGivenUp } from "../../../../lambdas/relay/counting/estimate-usage.ts";
import { findPrice } from "../../../../lambdas/relay/counting/find-price.ts";
import { makeRecord, type RecordFacts } from "../../../../lambdas/relay/counting/make-record.ts";
import { usageRecordSchema } from "../../../../lambdas/relay/counting/usage-record.ts";
import type { Demand } from "../../../../lambdas/relay/protocols/protocol.ts";
import { noUsage } from "../../../../lambdas/relay/token-usage.ts";
import { noon, requestIdAt } from "./sample-records.ts";

const demand: Demand = {
  inputBytes: 1000,
  hasInputElsewhere: false,
  mostOutputTokens: 500,
  answers: 1,
  hasVisibleOutput: true,
  serverTools: {},
};

const opus = findPrice([], { platform: "anthropic", model: "claude-opus-5-5", now: noon });
const haiku = findPrice([], { platform: "anthropic", model: "claude-haiku-4-5", now: noon });

const facts: RecordFacts = {
  requestId: requestIdAt(noon),
  keyId: "k7f2m9x4q1ab",
  account: { accountId: "acc-1", provider: "anthropic" },
  call: {
    platform: "anthropic",
    operation: "messages",
    model: "claude-opus-5-5",
    metering: "metered",
    answers: "sse",
    demand,
  },
  modelSent: "claude-haiku-4-5",
  modelServed: "claude-haiku-4-5-20251001",
  askedPrice: opus,
  sentPrice: haiku,
  policy: { multiplierThousandths: 2000, unknownPriceCeiling: null },
  used: { usage: { ...noUsage, inputTokens: 1000, outputTokens: 100 }, source: "reported" },
  tierInHeaders: undefined,
  reservedNanoUsd: 10_000_000,
  outcome: "ok",
  reason: "",
  status: 200,
  startedAt: noon,
  endedAt: noon + 1500,
  firstByteAt: noon + 300,
  extensions: 1,
  accountsTried: 2,
  userAgent: "claude-cli/2.1.328 (external, sdk-cli) secret-machine-name",
  sourceIp: "203.0.113.77",
};

describe("a record", () => {
  it("charges the model asked times the multiplier, and the account the model it was sent", () => {
    const record = makeRecord(facts);
    expect(usageRecordSchema.parse(record)).toEqual(record);
    expect(record).toMatchObject({
      // (1000 × $4 + 100 × $20) × 2, and 1000 × $1 + 100 × $5.
      chargedNanoUsd: 12_000_000,
      realNanoUsd: 1_500_000,
      overrunNanoUsd: 2_000_000,
      modelAsked: "claude-opus-5-5",
      modelServed: "claude-haiku-4-5-20251001",
      family: "opus",
      firstByteMilliseconds: 300,
      milliseconds: 1500,
      stream: true,
      client: "claude-cli/2.1.328",
      network: "203.0.113.0/24",
    });
    expect(record.priceVersion).toContain("claude-opus-5-5@");
  });

  it("charges nothing for what is free, refused, or was never sent", () => {
    const free = makeRecord({ ...facts, call: { ...facts.call, metering: "free" } });
    const refused = makeRecord({
      ...facts,
      used: nothingUsed,
      outcome: "refused",
      reason: "BudgetReached",
      status: 429,
      account: undefined,
      modelServed: undefined,
      modelSent: undefined,
      firstByteAt: undefined,
    });
    for (const record of [free, refused]) {
      expect(record).toMatchObject({ chargedNanoUsd: 0, realNanoUsd: 0, overrunNanoUsd: 0, priceVersion: "" });
      expect(record.usageSource).toBe("none");
      expect(usageRecordSchema.parse(record)).toEqual(record);
    }
    expect(refused).toMatchObject({ accountId: "", modelServed: "", firstByteMilliseconds: null });
  });

  it("charges the key's ceiling where there is no price, to the key and to the account", () => {
    const record = makeRecord({
      ...facts,
      askedPrice: undefined,
      sentPrice: undefined,
      policy: { multiplierThousandths: 2000, unknownPriceCeiling: 5_000_000 },
    });
    expect(record).toMatchObject({
      chargedNanoUsd: 5_000_000,
      realNanoUsd: 5_000_000,
      priceVersion: "ceiling",
      family: "",
    });
  });

  it("cuts the names that clients and upstreams give, and leaves no half of a character, which no table takes", () => {
    const model = `${"x".repeat(199)}😀`;
    for (const name of [model, "\ud800"]) {
      const record = makeRecord({ ...facts, call: { ...facts.call, model: name }, modelServed: name, reason: name });
      for (const text of [record.modelAsked, record.modelServed, record.reason]) expect(text.isWellFormed()).toBe(true);
      expect(record.modelAsked).toHaveLength(Math.min(name.length, 200));
    }
  });

  it("holds no time below nothing when the clock was set back", () => {
    expect(makeRecord({ ...facts, endedAt: noon - 5, firstByteAt: noon - 1 })).toMatchObject({
      milliseconds: 0,
      firstByteMilliseconds: 0,
    });
  });
});

describe("what was used", () => {
  const settings = { typicalBytesPerTokenThousandths: 2500 };
  const common = { demand, coveredTokens: 400, reservedInputTokens: 1000, isCutByRelay: false, settings };
  const silent = { usage: undefined, inputUsage: undefined, outputBytes: 0, streamedError: undefined };

  it("is what the upstream reported", () => {
    const usage = { ...noUsage, outputTokens: 7 };
    expect(usageOf({ ...common, answer: { ...silent, usage, outputBytes: 999 } })).toEqual({
      usage,
      source: "reported",
    });
  });

  it("is never the placeholder of a stream that was cut, but what was seen of it", () => {
    const inputUsage = { ...noUsage, inputTokens: 50, cacheReadTokens: 900, outputTokens: 1 };
    expect(usageOf({ ...common, answer: { ...silent, inputUsage, outputBytes: 250 } })).toEqual({
      usage: { ...inputUsage, outputTokens: 100 },
      source: "estimated",
    });
  });

  it("is never more output than was paid for, and else what so many bytes are as a rule", () => {
    const answer = { ...silent, outputBytes: 10_000 };
    expect(usageOf({ ...common, answer }).usage).toMatchObject({ inputTokens: 400, outputTokens: 400 });
    const little = usageOf({ ...common, answer: { ...silent, outputBytes: 500 } });
    expect(little.usage).toMatchObject({ inputTokens: 400, outputTokens: 200 });
  });

  it("is nothing where an error came in place of an answer, and is something where it came after one began", () => {
    const failed = { ...silent, streamedError: { type: "rate_limit_exceeded", message: "" } };
    expect(usageOf({ ...common, answer: failed })).toEqual({ usage: noUsage, source: "none" });
    expect(usageOf({ ...common, answer: { ...failed, outputBytes: 250 } }).usage.outputTokens).toBe(100);
    const inputUsage = { ...noUsage, inputTokens: 50 };
    expect(usageOf({ ...common, answer: { ...failed, inputUsage } }).usage.inputTokens).toBe(50);
  });

  it("is what a model makes in that time, too, where an answer in one piece was given up after its beginning", () => {
    const begun = { ...silent, outputBytes: 250 };
    expect(usageOf({ ...common, answer: begun, workedMilliseconds: 6000 }).usage.outputTokens).toBe(300);
    expect(usageOf({ ...common, answer: begun, workedMilliseconds: 1000 }).usage.outputTokens).toBe(100);
    expect(usageOf({ ...common, answer: begun, workedMilliseconds: 600_000 }).usage.outputTokens).toBe(400);
  });

  it("is the input, and what a model makes in that time, where an upstream at work was given up", () => {
    const givenUp = (isStream: boolean, waitedMilliseconds: number) =>
      usageOfGivenUp(common, { isStream, waitedMilliseconds });
    expect(givenUp(false, 4_000)).toEqual({
      usage: { ...noUsage, inputTokens: 400, outputTokens: 200 },
      source: "estimated",
    });
    expect(givenUp(false, 300_000).usage.outputTokens).toBe(400);
    expect(givenUp(true, 300_000)).toEqual({ usage: noUsage, source: "none" });
  });
});

describe("a caller", () => {
  it("is kept as product and version alone", () => {
    const agents = [
      "GeminiCLI-tui/0.61.0/gemini-3 (linux; x64)",
      "  curl/8.0  x",
      "",
      undefined,
      `x${"y".repeat(200)}`,
      "späm/1 z",
    ];
    expect(agents.map(clientOf)).toEqual([
      "GeminiCLI-tui/0.61.0/gemini-3",
      "curl/8.0",
      "",
      "",
      `x${"y".repeat(79)}`,
      "spm/1",
    ]);
  });

  it("is kept by its network, in every way an address can be written", () => {
    const networks: [string, string][] = [
      ["203.0.113.77", "203.0.113.0/24"],
      ["::ffff:203.0.113.77", "203.0.113.0/24"],
      ["2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"],
      ["2001:DB8:1::", "2001:db8:1::/48"],
      ["2001:db8::6", "2001:db8:0::/48"],
      ["::1", "0:0:0::/48"],
      ["fe80::1%eth0", "fe80:0:0::/48"],
      ["", ""],
      ["nonsense", ""],
      ["1:2:3", ""],
      ["1::2::3", ""],
      ["12345::", ""],
    ];
    for (const [address, network] of networks) expect(networkOf(address), address).toBe(network);
  });
});
