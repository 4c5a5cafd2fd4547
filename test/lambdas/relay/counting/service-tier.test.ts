// Service tiers: what the answer says that it was served in is charged, and what may be served is reserved.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chargeOf, costOf, worstCostOf } from "../../../../lambdas/relay/counting/cost.ts";
import { findPrice } from "../../../../lambdas/relay/counting/find-price.ts";
import { makeRecord, type RecordFacts } from "../../../../lambdas/relay/counting/make-record.ts";
import type { Price } from "../../../../lambdas/relay/counting/price.ts";
import { priceTable } from "../../../../lambdas/relay/counting/price-table.ts";
import { recordColumns } from "../../../../lambdas/relay/counting/record-columns.ts";
import { usageRecordSchema } from "../../../../lambdas/relay/counting/usage-record.ts";
import { usualTiersOf } from "../../../../lambdas/relay/counting/usual-tiers.ts";
import type { Platform } from "../../../../lambdas/relay/platform.ts";
import { protocols } from "../../../../lambdas/relay/protocols/index.ts";
import type { Demand } from "../../../../lambdas/relay/protocols/protocol.ts";
import { providerNamed } from "../../../../lambdas/relay/providers/index.ts";
import { noUsage, type TokenUsage } from "../../../../lambdas/relay/token-usage.ts";
import { readAnthropicUsage } from "../../../../lambdas/relay/wire/anthropic-usage.ts";
import { readGeminiUsage } from "../../../../lambdas/relay/wire/gemini-usage.ts";
import { readChatUsage, readResponseUsage } from "../../../../lambdas/relay/wire/openai-usage.ts";
import { callOf, passAll } from "../protocols/streams.ts";
import { accountOf, snapshotOf, viewOf } from "../scheduling/sample-accounts.ts";
import { noon, requestIdAt } from "./sample-records.ts";

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
const used = { ...noUsage, inputTokens: 1000, outputTokens: 500 };

function priceOf(platform: Platform, model: string): Price {
  const price = findPrice([], { platform, model, now: noon });
  if (price === undefined) throw new Error(`there is no price of ${model}`);
  return price;
}

const sol = priceOf("openai", "gpt-6.1-sol");
const opus = priceOf("anthropic", "claude-opus-5-5");
/** Of 1,000 tokens in and 500 out. */
const list = costOf(used, sol);
const served = (tier?: string): TokenUsage => (tier === undefined ? used : { ...used, tier });

describe("the tier that an answer says it was served in", () => {
  it.each([
    [{ service_tier: "standard" }, undefined],
    [{ service_tier: "standard", speed: "standard", inference_geo: "global" }, "standard"],
    [{ service_tier: "standard", inference_geo: "not_available" }, undefined],
    [{ service_tier: "standard", speed: "fast", inference_geo: "us" }, "fast+geo-us"],
    [{ service_tier: "priority", speed: null }, "priority"],
    [{ inference_geo: "us" }, "geo-us"],
    [{ service_tier: 7, speed: "x".repeat(41) }, undefined],
  ])("is read from Anthropic's usage: %j", (fields, tier) => {
    expect(readAnthropicUsage({ input_tokens: 1, output_tokens: 1, ...fields }).tier).toBe(tier);
  });

  it.each([
    ["default", "standard"],
    ["priority", "priority"],
    ["fast", "fast"],
    ["flex", "flex"],
    ["on_demand", "standard"],
    // What was asked for, sent back.
    ["auto", undefined],
    [null, undefined],
  ])("is read from OpenAI's answers: %j", (service_tier, tier) => {
    const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
    expect(readResponseUsage({ usage, service_tier })?.tier).toBe(tier);
    expect(readChatUsage({ prompt_tokens: 1, completion_tokens: 1 }, service_tier).tier).toBe(tier);
  });

  it("is read from Gemini's usage, and from the header that clients are told to look at", async () => {
    expect(readGeminiUsage({ promptTokenCount: 1, serviceTier: "SERVICE_TIER_FLEX" }, {}).tier).toBe("flex");
    expect(readGeminiUsage({ promptTokenCount: 1, serviceTier: "standard" }, {}).tier).toBe("standard");
    const gemini = await providerNamed("gemini");
    expect(gemini?.servedTier({ "x-gemini-service-tier": "standard" })).toBe("standard");
    expect(gemini?.servedTier({})).toBeUndefined();
    expect(gemini?.passHeader("x-gemini-service-tier")).toBe(true);
  });

  const chunk = (fields: object) =>
    `data: ${JSON.stringify({ id: "c1", object: "chat.completion.chunk", ...fields })}\n\n`;
  const usage = { prompt_tokens: 10, completion_tokens: 3, total_tokens: 13 };
  const first = { choices: [{ index: 0, delta: { role: "assistant", content: "Hi" } }] };

  it.each([
    ["the last chunk", {}, { service_tier: "default" }, "standard"],
    ["the first chunk alone", { service_tier: "priority" }, {}, "priority"],
    ["neither", {}, {}, undefined],
  ])("is read from a chat's stream: %s", (_where, ofFirst, ofLast, tier) => {
    const messages = [{ role: "user", content: "Hi" }];
    const body = { model: "gpt-4o", stream: true, service_tier: "priority", messages };
    const reader = protocols.openai.follow(callOf("openai", { path: "/v1/chat/completions", body }));
    const text = [chunk({ ...first, ...ofFirst }), chunk({ choices: [], usage, ...ofLast }), "data: [DONE]\n\n"].join(
      "",
    );
    passAll(reader, [Buffer.from(text)]);
    expect(reader.usage).toMatchObject({ inputTokens: 10, outputTokens: 3 });
    expect(reader.usage?.tier).toBe(tier);
  });

  it("is that of a response's end, not of its beginning, which repeats what was asked for", () => {
    const body = { model: "gpt-5", stream: true, service_tier: "flex", input: "Hi" };
    const reader = protocols.openai.follow(callOf("openai", { path: "/v1/responses", body }));
    const event = (type: string, response: object) => `event: ${type}\ndata: ${JSON.stringify({ type, response })}\n\n`;
    const end = { id: "r", service_tier: "default", usage: { input_tokens: 10, output_tokens: 3, total_tokens: 13 } };
    passAll(reader, [
      Buffer.from(event("response.created", { id: "r", service_tier: "flex" }) + event("response.completed", end)),
    ]);
    expect(reader.usage?.tier).toBe("standard");
  });

  it("is read from the beginning and the end of a message", () => {
    const body = { model: "claude-opus-5-5", max_tokens: 9, stream: true, speed: "fast", messages: [] };
    const reader = protocols.anthropic.follow(callOf("anthropic", { path: "/v1/messages", body }));
    const event = (type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
    const begun = {
      model: "m",
      usage: { input_tokens: 9, output_tokens: 1, service_tier: "standard", speed: "standard" },
    };
    const delta = { delta: { stop_reason: "end_turn" }, usage: { output_tokens: 4 } };
    passAll(reader, [Buffer.from(event("message_start", { message: begun }) + event("message_delta", delta))]);
    expect(reader.usage).toMatchObject({ inputTokens: 9, outputTokens: 4, tier: "standard" });
  });
});

describe("the charge", () => {
  it.each([
    ["priority that was downgraded", "priority", "standard", 1],
    ["fast, which is priority's other name", "priority", "fast", 2],
    ["flex that was served in it", "flex", "flex", 0.5],
    ["flex that was served at the listed rates", "flex", "standard", 1],
    ["flex of which the answer says nothing: no discount without its word", "flex", undefined, 1],
    ["priority of which the answer says nothing", "priority", undefined, 2],
    ["a project's own tier", "", "priority", 2],
    ["a tier without a price counts as it was asked", "priority", "scale", 2],
    ["a tier without a price, nothing asked", "", "scale", 1],
  ])("of %s", (_what, asked, tier, times) => {
    expect(costOf(served(tier), sol, 1000, asked)).toBe(list * times);
    expect(chargeOf(served(tier), { ...demand, tier: asked }, sol, strict)).toBe(list * times);
  });

  it("multiplies the parts of a tier of several", () => {
    expect(costOf(served("fast+geo-us"), opus)).toBe(Math.round(costOf(used, opus) * 2.2));
    expect(costOf(served("priority+geo-us"), opus)).toBe(Math.round(costOf(used, opus) * 1.1));
  });

  it("leaves the ceiling for an unknown tier out where another one was served", () => {
    const ceiling = { ...strict, unknownPriceCeiling: 7_000_000 };
    const asked = { ...demand, tier: "turbo" };
    expect(chargeOf(served(), asked, sol, ceiling)).toBe(list + 7_000_000);
    expect(chargeOf(served("standard"), asked, sol, ceiling)).toBe(list);
  });
});

describe("the reservation", () => {
  const worst = (asked: Demand, price: Price, usual: readonly string[] = []) =>
    worstCostOf(asked, price, strict, settings, usual).nanoUsd;

  it("of a discounted tier is that of the listed rates, in which it may be served", () => {
    expect(worst({ ...demand, tier: "flex" }, sol)).toBe(worst(demand, sol));
  });

  it("of a product without an end has no price", () => {
    for (const tier of [Array(9).fill("fast").join("+"), Array(999).fill("priority").join("+"), "+".repeat(50)]) {
      expect(() => worst({ ...demand, tier }, opus)).toThrow(expect.objectContaining({ name: "PriceUnknown" }));
      expect(costOf(served(tier), opus)).toBe(costOf(used, opus));
    }
  });

  it("covers the accounts' usual tiers where the request names none, and no more where it names one", () => {
    expect(worst(demand, sol, ["priority"])).toBe(worst(demand, sol) * 2);
    expect(worst(demand, sol, ["flex"])).toBe(worst(demand, sol));
    expect(worst({ ...demand, tier: "flex" }, sol, ["priority"])).toBe(worst(demand, sol));
    expect(worst({ ...demand, tier: "fast" }, opus, ["geo-us"])).toBe(Math.round(worst(demand, opus) * 2.2));
    expect(worst({ ...demand, tier: "geo-us" }, opus, ["geo-us"])).toBe(Math.round(worst(demand, opus) * 1.1));
  });

  it("takes usual tiers from accounts that may come to serve", () => {
    const facts = { platform: "openai", provider: "openai", settings: { usualTier: "priority" } } as const;
    const tiers = (change: object) =>
      usualTiersOf(snapshotOf([viewOf(accountOf("a", { ...facts, ...change }))]), "openai", "gpt-6.1-sol");
    expect(tiers({})).toEqual(["priority"]);
    expect(tiers({ models: ["gpt-6*"] })).toEqual(["priority"]);
    for (const change of [{ settings: {} }, { schedulable: false }, { models: ["o3"] }, { platform: "gemini" }]) {
      expect(tiers(change)).toEqual([]);
    }
  });

  it("covers whatever tier with a price an honest upstream may serve a request in", () => {
    const priced = priceTable.filter(({ tiers }) => Object.keys(tiers).length > 0);
    fc.assert(
      fc.property(
        fc.constantFrom(...priced).chain((price) =>
          fc.record({
            price: fc.constant(price),
            asked: fc.constantFrom("", ...Object.keys(price.tiers)),
            usual: fc.constantFrom(undefined, ...Object.keys(price.tiers)),
            isDowngraded: fc.boolean(),
            isUntold: fc.boolean(),
            input: fc.nat(1000),
            output: fc.nat(500),
          }),
        ),
        ({ price, asked, usual, isDowngraded, isUntold, input, output }) => {
          const named = asked === "" ? demand : { ...demand, tier: asked };
          const given = isDowngraded ? "standard" : asked === "" ? (usual ?? "standard") : asked;
          const usage = { ...noUsage, inputTokens: input, outputTokens: output };
          const charge = costOf(isUntold ? usage : { ...usage, tier: given }, price, 1000, asked);
          expect(worst(named, price, usual === undefined ? [] : [usual])).toBeGreaterThanOrEqual(charge);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("a record", () => {
  const facts: RecordFacts = {
    requestId: requestIdAt(noon),
    keyId: "k7f2m9x4q1ab",
    account: { accountId: "acc-1", provider: "openai" },
    call: {
      ...({ platform: "openai", operation: "responses", model: "gpt-6.1-sol", metering: "metered" } as const),
      ...({ answers: "json", demand: { ...demand, tier: "priority" } } as const),
    },
    ...{ modelSent: "gpt-6.1-sol", modelServed: "gpt-6.1-sol", askedPrice: sol, sentPrice: sol },
    policy: strict,
    used: { usage: used, source: "reported" },
    tierInHeaders: undefined,
    ...({ reservedNanoUsd: list * 2, outcome: "ok", reason: "", status: 200 } as const),
    ...{ startedAt: noon, endedAt: noon + 1, firstByteAt: noon, extensions: 0, accountsTried: 1 },
    ...{ userAgent: undefined, sourceIp: "203.0.113.77" },
  };
  const recordOf = (tier: string | undefined, tierInHeaders?: string) =>
    makeRecord({ ...facts, used: { usage: served(tier), source: "reported" }, tierInHeaders });
  const column = recordColumns.find(({ name }) => name === "serviceTier");

  it.each([
    ["priority", undefined, "priority", 2],
    ["standard", undefined, undefined, 1],
    [undefined, undefined, "priority", 2],
    [undefined, "standard", undefined, 1],
    // The body's word counts before the headers'.
    ["priority", "standard", "priority", 2],
  ])("names the tier %s (headers: %s) and is charged by it", (tier, headers, named, times) => {
    const record = recordOf(tier, headers);
    expect(usageRecordSchema.parse(record)).toEqual(record);
    expect(record.serviceTier).toBe(named);
    expect([record.chargedNanoUsd, record.realNanoUsd, record.overrunNanoUsd]).toEqual([list * times, list * times, 0]);
    expect(column?.read(record)).toBe(named ?? "");
  });

  it("counts what a dearer tier than was reserved costs as an overrun", () => {
    const call = { ...facts.call, demand };
    const record = makeRecord({
      ...facts,
      call,
      used: { usage: served("priority"), source: "reported" },
      reservedNanoUsd: list,
    });
    expect(record).toMatchObject({ chargedNanoUsd: list * 2, overrunNanoUsd: list, serviceTier: "priority" });
  });

  it("has no tier where nothing was used", () => {
    expect(makeRecord({ ...facts, used: { usage: noUsage, source: "none" } }).serviceTier).toBeUndefined();
  });
});
