// Tests of what the relay reads of Gemini's requests: form, costs, sessions, things of one account; and of JSON answers.
import { describe, expect, test } from "vitest";
import { protocols } from "../../../../lambdas/relay/protocols/index.ts";
import { callOf, passAll, refusalOf } from "./streams.ts";

const contents = [{ role: "user", parts: [{ text: "Hi" }] }];
const generate = (body: object, model = "gemini-2.0-flash", method = "streamGenerateContent", query = "alt=sse") =>
  callOf("gemini", { path: `/v1beta/models/${model}:${method}`, query, body: { contents, ...body } });

describe("a call of Gemini", () => {
  test("has its model in the path and its form in the query", () => {
    expect(generate({})).toMatchObject({ model: "gemini-2.0-flash", operation: "stream-generate", answers: "sse" });
    expect(generate({}, "m", "streamGenerateContent", "")).toMatchObject({ answers: "json-array" });
    expect(generate({}, "m", "streamGenerateContent", "alt=json")).toMatchObject({ answers: "json-array" });
    expect(generate({}, "m", "generateContent", "")).toMatchObject({ operation: "generate", answers: "json" });
    expect(generate({}, "m", "countTokens", "")).toMatchObject({ operation: "count-tokens", metering: "free" });
    expect(generate({}, "m", "embedContent", "")).toMatchObject({ operation: "embed", metering: "metered" });
    expect(generate({}, "m", "batchEmbedContents", "")).toMatchObject({ operation: "batch-embed" });
    const { upstream } = generate({}, "m", "streamGenerateContent", "key=cwk_x&alt=sse");
    expect(upstream).toMatchObject({ path: "/v1beta/models/m:streamGenerateContent", query: "alt=sse" });
  });

  test("is refused where the answer would not tell its usage, or the body says a thing in two ways", () => {
    expect(refusalOf(() => generate({}, "m", "generateContent", "alt=proto"))).toBe("NotSupported");
    expect(refusalOf(() => generate({}, "m", "generateContent", "fields=candidates"))).toBe("NotSupported");
    expect(refusalOf(() => generate({}, "m", "generateContent", "%24fields=candidates"))).toBe("NotSupported");
    expect(refusalOf(() => generate({}, "m", "generateContent", "callback=f"))).toBe("NotSupported");
    expect(refusalOf(() => generate({}, "m", "generateContent", "prettyPrint=false"))).toBe("none");
    const both = { generationConfig: { maxOutputTokens: 1 }, generation_config: { max_output_tokens: 100_000 } };
    expect(refusalOf(() => generate(both))).toBe("BodyInvalid");
  });

  test("is read in both ways in which Google's JSON may be written", () => {
    for (const generationConfig of [
      { generationConfig: { maxOutputTokens: 9, candidateCount: 2 } },
      { generation_config: { max_output_tokens: 9, candidate_count: 2 } },
    ]) {
      expect(generate(generationConfig).demand).toMatchObject({
        mostOutputTokens: 9,
        answers: 2,
        hasVisibleOutput: false,
      });
    }
    expect(generate({ cached_content: "cachedContents/a" }).boundIds).toEqual(["cachedContents/a"]);
  });
});

describe("what a call of Gemini may cost", () => {
  test.each([
    ["gemini-2.0-flash", {}, true],
    ["gemini-2.0-flash-001", {}, true],
    ["gemini-2.0-flash-thinking-exp", {}, false],
    ["gemini-2.5-flash", {}, false],
    ["gemini-2.5-flash", { generationConfig: { thinkingConfig: { thinkingBudget: 0 } } }, true],
    ["gemini-2.5-flash-lite", { generation_config: { thinking_config: { thinking_budget: 0 } } }, true],
    ["gemini-2.5-flash-image", { generationConfig: { thinkingConfig: { thinkingBudget: 0 } } }, false],
    ["gemini-2.5-pro", { generationConfig: { thinkingConfig: { thinkingBudget: 0 } } }, false],
    ["gemini-3.8-flash", {}, false],
    ["gemini-2.0-flash", { generationConfig: { responseModalities: ["TEXT", "IMAGE"] } }, false],
    ["gemini-2.0-flash", { tools: [{ googleSearch: {} }] }, false],
    ["gemini-2.0-flash", { tools: [{ functionDeclarations: [] }] }, true],
  ])("with %s and %j shows all output: %s", (model, body, isVisible) => {
    expect(generate(body, model).demand.hasVisibleOutput).toBe(isVisible);
    expect(generate(body, model, "generateContent", "").demand.hasVisibleOutput).toBe(false);
  });

  const withPart = (part: object) => ({ contents: [{ role: "user", parts: [part] }] });

  test.each([
    ["text", { text: "x" }, false],
    ["an image", { inlineData: { mimeType: "image/png", data: "AA" } }, false],
    ["an image, spelt the other way", { inline_data: { mime_type: "image/png", data: "AA" } }, false],
    ["a PDF", { inlineData: { mimeType: "application/pdf", data: "AA" } }, true],
    ["sound", { inline_data: { mime_type: "audio/mp3", data: "AA" } }, true],
    ["a file", { fileData: { fileUri: "https://x.example/v.mp4" } }, true],
    [
      "a file in a function's result",
      { functionResponse: { name: "f", response: {}, parts: [{ fileData: { fileUri: "gs://x" } }] } },
      true,
    ],
  ])("knows whether %s is bounded by the body", (_what, part, isElsewhere) => {
    expect(generate(withPart(part)).demand.hasInputElsewhere).toBe(isElsewhere);
  });

  test("names tools that Google bills by the call, and tiers", () => {
    const { demand } = generate({ tools: [{ google_search: {} }, { urlContext: {} }] });
    expect(demand).toMatchObject({ serverTools: { google_search: 20, url_context: 20 }, hasInputElsewhere: true });
    expect(generate({ serviceTier: "SERVICE_TIER_PRIORITY" }).demand.tier).toBe("priority");
    expect(generate({ service_tier: "standard" }).demand.tier).toBeUndefined();
    expect(generate({ cachedContent: "cachedContents/a" }).demand.hasInputElsewhere).toBe(true);
    expect(generate({}, "m", "batchEmbedContents", "").demand).toMatchObject({ mostOutputTokens: 0 });
    const requests = [{ content: { parts: [{ inlineData: { mimeType: "video/mp4", data: "AA" } }] } }];
    expect(generate({ requests }, "m", "batchEmbedContents", "").demand.hasInputElsewhere).toBe(true);
  });
});

test("things of one account are cached contents and uploaded files; other addresses are nobody's", () => {
  const file = (fileUri: string) => ({ contents: [{ parts: [{ fileData: { fileUri } }] }] });
  expect(generate(file("https://generativelanguage.googleapis.com/v1beta/files/abc-1")).boundIds).toEqual([
    "files/abc-1",
  ]);
  expect(generate(file("https://www.youtube.com/watch?v=x")).boundIds).toEqual([]);
});

test("the session is what is cached of a long beginning", () => {
  const systemInstruction = { parts: [{ text: "x".repeat(5000) }] };
  const one = generate({ systemInstruction }).sessions;
  expect(one).toHaveLength(1);
  expect(generate({ systemInstruction, contents: [...contents, { role: "model", parts: [] }] }).sessions).toEqual(one);
  expect(generate({}).sessions).toEqual([]);
});

test("an answer as JSON tells its usage with thoughts, cached content, what tools found, and searches", () => {
  const reader = protocols.gemini.follow(generate({}, "m", "generateContent", ""));
  const usageMetadata = {
    promptTokenCount: 100,
    cachedContentTokenCount: 60,
    candidatesTokenCount: 10,
    thoughtsTokenCount: 7,
    toolUsePromptTokenCount: 3,
  };
  const candidates = [{ groundingMetadata: { webSearchQueries: ["a"] } }];
  passAll(reader, [Buffer.from(JSON.stringify({ candidates, usageMetadata, modelVersion: "gemini-3" }))]);
  expect(reader.usage).toEqual({
    inputTokens: 43,
    cacheWrite5mTokens: 0,
    cacheWrite1hTokens: 0,
    cacheReadTokens: 60,
    outputTokens: 17,
    reasoningTokens: 7,
    serverTools: { google_search: 1 },
  });
  expect(reader).toMatchObject({ servedModel: "gemini-3", isComplete: true });
});
