// Money against whoever would like to pay less, or to spoil the books: key holders by what they ask, upstreams by what they report.
import { describe, expect, it } from "vitest";
import { chargeOf, costOf, worstCostOf } from "../../../../lambdas/relay/counting/cost.ts";
import { type AnswerFacts, usageOf } from "../../../../lambdas/relay/counting/estimate-usage.ts";
import { figuresOf, RowSums, rowItemOf } from "../../../../lambdas/relay/counting/figures.ts";
import { findPrice } from "../../../../lambdas/relay/counting/find-price.ts";
import { makeRecord } from "../../../../lambdas/relay/counting/make-record.ts";
import { protocols } from "../../../../lambdas/relay/protocols/index.ts";
import { relaySettingsSchema } from "../../../../lambdas/relay/settings.ts";
import { noUsage } from "../../../../lambdas/relay/token-usage.ts";
import { readAnthropicUsage } from "../../../../lambdas/relay/wire/anthropic-usage.ts";
import { readChatUsage } from "../../../../lambdas/relay/wire/openai-usage.ts";
import { callFor, callOf } from "../protocols/streams.ts";
import { noon, requestIdAt } from "./sample-records.ts";

const settings = relaySettingsSchema.parse({});
const strict = { estimate: "strict", multiplierThousandths: 1000, unknownPriceCeiling: null } as const;
const messages = [{ role: "user", content: "Hi" }];

function opus() {
  const price = findPrice([], { platform: "anthropic", model: "claude-opus-5-5", now: noon });
  if (price === undefined) throw new Error("there is no price of Opus");
  return price;
}

const message = (body: object) =>
  callOf("anthropic", { path: "/v1/messages", body: { model: "claude-opus-5-5", max_tokens: 100, messages, ...body } })
    .demand;
const chat = (body: object) =>
  callOf("openai", { path: "/v1/chat/completions", body: { model: "gpt-4o", messages, ...body } }).demand;

function cacheWritesOfRaw(text: string) {
  const asked = { method: "POST", path: "/v1/messages", query: "", headers: {}, body: Buffer.from(text) };
  const call = protocols.anthropic.read(asked);
  if ("status" in call) throw new Error("answered by the relay itself");
  return call.demand.cacheWrites;
}

const facts: AnswerFacts = {
  answer: { usage: undefined, inputUsage: undefined, outputBytes: 0, streamedError: undefined },
  demand: message({}),
  coveredTokens: 400,
  reservedInputTokens: 1_000_000,
  isCutByRelay: false,
  settings,
};

const recordFacts = {
  requestId: requestIdAt(noon),
  keyId: "k7f2m9x4q1ab",
  account: { accountId: "acc-1", provider: "anthropic" },
  call: callOf("anthropic", { path: "/v1/messages", body: { model: "claude-opus-5-5", max_tokens: 100, messages } }),
  modelSent: "claude-opus-5-5",
  modelServed: "claude-opus-5-5",
  tierInHeaders: undefined,
  askedPrice: opus(),
  sentPrice: opus(),
  policy: strict,
  used: { usage: { ...noUsage, outputTokens: 100 }, source: "reported" },
  reservedNanoUsd: 10_000_000,
  outcome: "ok",
  reason: "",
  status: 200,
  startedAt: noon,
  endedAt: noon,
  firstByteAt: undefined,
  extensions: 0,
  accountsTried: 1,
  userAgent: undefined,
  sourceIp: "203.0.113.77",
} as const;

describe("a key holder", () => {
  it("pays for a model with a price although a tool or tier beside it has none: the ceiling comes on top", () => {
    const policy = { ...strict, unknownPriceCeiling: 7_000_000 };
    const usage = { ...noUsage, inputTokens: 900_000, outputTokens: 100 };
    for (const trick of [{ tier: "scale" }, { serverTools: { time_travel: 1 } }]) {
      const demand = { ...message({}), hasInputElsewhere: true, ...trick };
      const charged = chargeOf(usage, demand, opus(), policy);
      expect(charged).toBe(costOf(usage, opus()) + 7_000_000);
      expect(worstCostOf(demand, opus(), policy, settings).nanoUsd).toBeGreaterThanOrEqual(charged);
    }
  });

  it.each(["constructor", "toString", "__proto__"])("is refused by name for a tier called %s", (tier) => {
    const demand = { ...chat({ service_tier: tier }) };
    expect(demand.tier).toBe(tier);
    expect(() => worstCostOf(demand, opus(), strict, settings)).toThrow(
      expect.objectContaining({ name: "PriceUnknown" }),
    );
  });

  it("cannot hide that a cache is to be written by writing its marker with escapes", () => {
    const raw = (marker: string) =>
      `{"model":"claude-opus-5-5","max_tokens":5,"messages":[],"system":[{"type":"text","text":"s",${marker}}]}`;
    expect(cacheWritesOfRaw(raw('"cache\\u005fcontrol":{"type":"ephemeral","ttl":"1h"}'))).toBe("1h");
    expect(cacheWritesOfRaw(raw('"cache_control":{"type":"ephemeral","ttl":"1\\u0068"}'))).toBe("1h");
    expect(cacheWritesOfRaw(raw('"note":"caf\\u00e9"'))).toBeUndefined();
  });

  it.each([
    ["anthropic", "/v1/messages", "messages"],
    ["anthropic", "/v1/messages", "inference_geo"],
    ["openai", "/v1/responses", "input"],
    ["openai", "/v1/responses", "previous_response_id"],
    ["gemini", "/v1beta/models/gemini-2.5-pro:generateContent", "cached_content"],
  ] as const)("cannot say twice what its request may cost: %s %s %s", (platform, path, name) => {
    const body = Buffer.from(`{"model":"m","${name}":"x","${name}":null}`);
    const asked = { method: "POST", path, query: "", headers: {}, body };
    expect(() => protocols[platform].read(asked)).toThrow(expect.objectContaining({ name: "BodyInvalid" }));
  });

  it("reserves the larger of two limits of output, whichever the upstream goes by", () => {
    expect(chat({ max_tokens: 9_000, max_completion_tokens: 1 }).mostOutputTokens).toBe(9_000);
    expect(chat({ max_tokens: 1, max_completion_tokens: 9_000 }).mostOutputTokens).toBe(9_000);
  });

  it.each([{ n: "8" }, { n: 2.5 }, { best_of: "8" }])(
    "is refused for answers that only some servers count: %j",
    (body) => {
      expect(() => chat(body)).toThrow(expect.objectContaining({ name: "BodyInvalid" }));
      expect(chat({ n: null, best_of: 0 }).answers).toBe(1);
    },
  );

  it("reserves every answer of Gemini, whose numbers may be texts, and no tier by its number", () => {
    const generate = (body: object) =>
      callOf("gemini", { path: "/v1beta/models/gemini-2.5-pro:generateContent", body: { contents: [], ...body } })
        .demand;
    expect(generate({ generationConfig: { candidateCount: "8" } }).answers).toBe(8);
    expect(generate({ generation_config: { candidate_count: 3 } }).answers).toBe(3);
    expect(generate({}).answers).toBe(1);
    for (const candidateCount of ["8.5", "many", true]) {
      expect(() => generate({ generationConfig: { candidateCount } })).toThrow(
        expect.objectContaining({ name: "BodyInvalid" }),
      );
    }
    expect(generate({ serviceTier: 3 }).tier).toBe("3");
    expect(generate({ serviceTier: 0 }).tier).toBeUndefined();
  });

  it("reserves what a compaction writes and reads beside the message", () => {
    const demand = message({ max_tokens: 1, context_management: { edits: [{ type: "compact_20260112" }] } });
    const worst = worstCostOf(demand, opus(), strict, settings);
    const usage = readAnthropicUsage({
      input_tokens: 50_000,
      output_tokens: 1,
      iterations: [
        { type: "compaction", input_tokens: 60_000, output_tokens: 4_000 },
        { type: "message", input_tokens: 50_000, output_tokens: 1 },
      ],
    });
    expect(worst.nanoUsd).toBeGreaterThanOrEqual(costOf(usage, opus()));
  });
});

describe("an answer that was cut", () => {
  it("is never estimated at more input than was reserved, however large the body", () => {
    const demand = { ...message({}), inputBytes: 4_000_000 };
    const worst = worstCostOf(demand, opus(), strict, settings);
    const { usage } = usageOf({ ...facts, demand, reservedInputTokens: worst.inputTokens });
    expect(usage.inputTokens).toBe(1_000_000);
    expect(chargeOf(usage, demand, opus(), strict)).toBeLessThanOrEqual(worst.nanoUsd);
  });

  it("by the relay is charged by what was covered, though the upstream told of more that never went on", () => {
    const usage = { ...noUsage, inputTokens: 10, outputTokens: 5_000 };
    const answer = { ...facts.answer, usage, outputBytes: 20_000 };
    const used = usageOf({ ...facts, answer, isCutByRelay: true });
    const record = makeRecord({ ...recordFacts, used, outcome: "budget" });
    expect(record.usage).toEqual(usage);
    expect(record.chargedNanoUsd).toBe(costOf({ ...usage, outputTokens: 400 }, opus()));
    expect(record.realNanoUsd).toBe(costOf(usage, opus()));
    // Whoever lets everything pass and then tells of more than was reserved is charged what it says.
    const whole = makeRecord({ ...recordFacts, used: usageOf({ ...facts, answer }) });
    expect(whole.chargedNanoUsd).toBe(costOf(usage, opus()));
  });

  it("of Gemini, which tells of its output at the end alone, is estimated and not free", () => {
    for (const query of ["alt=sse", ""]) {
      const { protocol } = callFor("gemini");
      const path = "/v1beta/models/gemini-2.0-flash:streamGenerateContent";
      const reader = protocol.follow(callOf("gemini", { path, query, body: { contents: [] } }));
      const chunk = {
        candidates: [{ content: { role: "model", parts: [{ text: "x".repeat(4_000) }] } }],
        usageMetadata: { promptTokenCount: 8, totalTokenCount: 8 },
      };
      const written = JSON.stringify(chunk);
      reader.push(Buffer.from(query === "" ? `[${written}` : `data: ${written}\n\n`));
      const { usage, source } = usageOf({ ...facts, answer: reader });
      expect([source, usage.inputTokens, usage.outputTokens]).toEqual(["estimated", 8, 400]);
    }
  });
});

describe("an upstream", () => {
  it("that reports no token at all has reported nothing", () => {
    const answer = { ...facts.answer, usage: readChatUsage({}), outputBytes: 250 };
    expect(usageOf({ ...facts, answer })).toMatchObject({ source: "estimated", usage: { outputTokens: 100 } });
  });

  it("that ends a stream without its count of output is not paid by the placeholder of its beginning", () => {
    const { call, protocol } = callFor("anthropic");
    const reader = protocol.follow(call);
    const started = { type: "message_start", message: { usage: { input_tokens: 12, output_tokens: 1 } } };
    const stopped = { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: {} };
    for (const said of [started, stopped]) {
      reader.push(Buffer.from(`event: ${said.type}\ndata: ${JSON.stringify(said)}\n\n`));
    }
    expect([reader.usage, reader.inputUsage?.inputTokens]).toEqual([undefined, 12]);
  });

  it("that tells zeros at the beginning of a response and is cut is estimated", () => {
    const { call, protocol } = callFor("openai-responses");
    const reader = protocol.follow(call);
    const created = {
      type: "response.created",
      response: { id: "r", usage: { input_tokens: 12, output_tokens: 0, total_tokens: 12 } },
    };
    reader.push(Buffer.from(`event: response.created\ndata: ${JSON.stringify(created)}\n\n`));
    expect(reader.usage).toBeUndefined();
  });

  it("cannot make a settlement fail by the names of its tools, nor a record too large for its table", () => {
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, nth) => [`tool${nth}_requests`, 1]));
    const usage = readAnthropicUsage({
      input_tokens: 1,
      server_tool_use: { constructor_requests: 3, web_search_requests: 2, ...many },
    });
    expect(Object.keys(usage.serverTools).length).toBeLessThanOrEqual(50);
    expect(costOf(usage, opus())).toBe(4_000 + 2 * 10_000_000);
  });

  it("cannot make figures that no number holds", () => {
    const huge = readAnthropicUsage(JSON.parse('{"input_tokens": 9007199254740991, "output_tokens": 1e999}'));
    expect(huge.outputTokens).toBeGreaterThan(0);
    const price = { ...opus(), rates: { ...opus().rates, output: 10 ** 15 } };
    const record = makeRecord({
      ...recordFacts,
      askedPrice: price,
      used: { usage: { ...huge, serverTools: { web_search: 1 } }, source: "reported" },
    });
    const sums = new RowSums();
    for (let nth = 0; nth < 5; nth += 1) sums.addRecord(record);
    for (const { figures } of sums.rows.values()) {
      for (const figure of Object.values(figures)) expect(Number.isSafeInteger(figure)).toBe(true);
    }
    expect(Number.isSafeInteger(figuresOf(record).serverToolRequests)).toBe(true);
  });

  it("cannot stop an hour from being counted by the name of its model", () => {
    for (const modelServed of ["型".repeat(300), `${"m".repeat(199)}😀`, "\ud800"]) {
      const record = makeRecord({ ...recordFacts, modelServed, reason: `${"r".repeat(99)}😀` });
      expect([record.modelServed.isWellFormed(), record.reason.isWellFormed()]).toEqual([true, true]);
      const sums = new RowSums();
      sums.addRecord(record);
      for (const [item, row] of sums.rows) {
        expect(Buffer.byteLength(item)).toBeLessThanOrEqual(1024);
        expect(rowItemOf(row)).toBe(item);
      }
    }
  });
});
