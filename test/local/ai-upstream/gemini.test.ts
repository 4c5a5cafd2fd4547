// The upstream in the place of the Gemini API, for its official client.
import { FunctionCallingConfigMode } from "@google/genai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventsIn, startUpstreamRig, type UpstreamRig } from "./upstream-rig.ts";

let rig: UpstreamRig;
beforeAll(async () => {
  rig = await startUpstreamRig();
});
afterEach(() => rig.upstream.clear());
afterAll(() => rig.upstream.close());

const model = "gemini-2.5-pro";
const contents = "Is the tide out?";
const text = "Hello! This is the AI upstream of the local cloud.";
const streamPath = `/v1beta/models/${model}:streamGenerateContent`;
const body = { contents: [{ parts: [{ text: contents }] }] };
const functionDeclarations = [{ name: "look", parametersJsonSchema: { type: "object", properties: {} } }];

describe("for Google's client", () => {
  const models = () => rig.clients.gemini.models;

  test("content is generated, with usage by the bytes of the request and a length that is kept", async () => {
    const answer = await models().generateContent({ model, contents });
    const [received] = rig.upstream.requests;
    expect(received).toMatchObject({ operation: "gemini.generate", model });
    expect(answer.text).toBe(text);
    expect(answer.usageMetadata).toMatchObject({
      promptTokenCount: Math.ceil((received?.body.length ?? 0) / 4),
      candidatesTokenCount: 13,
    });
    const short = await models().generateContent({ model, contents, config: { maxOutputTokens: 2 } });
    expect(short.candidates).toMatchObject([
      { finishReason: "MAX_TOKENS", content: { parts: [{ text: "Hello! T" }] } },
    ]);
  });

  test("a stream adds up to the same, with thoughts and a tool", async () => {
    const toolCalls = [{ name: "look", input: { far: true } }];
    rig.upstream.script({}, { thinkingTokens: 20, text: "I look.", toolCalls });
    const config = {
      thinkingConfig: { includeThoughts: true },
      tools: [{ functionDeclarations }],
      toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.AUTO } },
    };
    const whole = await models().generateContent({ model, contents, config });
    const parts: { thought?: boolean; text?: string }[] = [];
    let last: typeof whole | undefined;
    for await (const chunk of await models().generateContentStream({ model, contents, config })) {
      parts.push(...(chunk.candidates?.[0]?.content?.parts ?? []));
      last = chunk;
    }
    const joined = (thought: boolean) =>
      parts
        .filter((part) => (part.thought ?? false) === thought)
        .map((part) => part.text ?? "")
        .join("");
    expect(joined(true)).toBe(whole.candidates?.[0]?.content?.parts?.[0]?.text);
    expect(joined(false)).toBe("I look.");
    expect(whole.functionCalls).toMatchObject([{ name: "look", args: { far: true } }]);
    expect(parts.at(-1)).toMatchObject({ functionCall: { name: "look", args: { far: true } } });
    expect(last?.usageMetadata).toMatchObject({ thoughtsTokenCount: 20, candidatesTokenCount: 2 + 3 });
    expect(last?.usageMetadata?.totalTokenCount).toBe((last?.usageMetadata?.promptTokenCount ?? 0) + 25);
  });

  test("tokens are counted, texts embedded, models listed", async () => {
    const { totalTokens } = await models().countTokens({ model, contents });
    expect(totalTokens).toBe(Math.ceil((rig.upstream.requests[0]?.body.length ?? 0) / 4));
    const given = { model: "gemini-embedding-001", contents: ["one", "two"], config: { outputDimensionality: 2 } };
    expect((await models().embedContent(given)).embeddings).toEqual([{ values: [1, 0] }, { values: [1, 0] }]);
    const names: (string | undefined)[] = [];
    for await (const { name } of await models().list()) names.push(name);
    expect(names).toContain(`models/${model}`);
    expect((await models().get({ model })).inputTokenLimit).toBe(1_048_576);
  });

  test("a structured answer fits its schema", async () => {
    const responseSchema = {
      type: "OBJECT",
      required: ["choice", "many"],
      properties: {
        choice: { type: "STRING", enum: ["flash", "pro"] },
        many: { type: "ARRAY", items: {}, minItems: 1 },
      },
    };
    const config = { responseMimeType: "application/json", responseSchema };
    const answer = await models().generateContent({ model, contents, config });
    expect(JSON.parse(answer.text ?? "")).toEqual({ choice: "flash", many: [null] });
  });

  test.each([
    [{ status: 400 }, "INVALID_ARGUMENT"],
    [{ status: 403 }, "PERMISSION_DENIED"],
    [{ status: 429 }, "RESOURCE_EXHAUSTED"],
    [{ status: 503 }, "UNAVAILABLE"],
    [{ status: 400, type: "FAILED_PRECONDITION" }, "FAILED_PRECONDITION"],
  ])("the error %o has Google's envelope", async (error, status) => {
    rig.upstream.script({}, { error });
    const thrown = await models()
      .generateContent({ model, contents })
      .catch((caught: unknown) => caught as Error);
    expect(thrown).toMatchObject({ status: error.status });
    expect(JSON.parse((thrown as Error).message)).toMatchObject({ error: { code: error.status, status } });
  });
});

describe("a stream of Gemini's", () => {
  test("is CRLF-separated SSE with alt=sse, else a JSON array of the same chunks", async () => {
    rig.upstream.script({}, { id: "same", text: "one two three", events: 3 });
    const sse = await rig.post("gemini", `${streamPath}?alt=sse`, body);
    const array = await rig.post("gemini", streamPath, body);
    expect(sse.headers["content-type"]).toBe("text/event-stream");
    expect(sse.body.toString().split("\r\n\r\n")).toHaveLength(4);
    expect(array.headers["content-type"]).toBe("application/json; charset=UTF-8");
    expect(JSON.parse(array.body.toString())).toEqual(eventsIn(sse.body));
    const counts = eventsIn(sse.body).map(({ usageMetadata }) => usageMetadata as { candidatesTokenCount: number });
    expect(counts.map(({ candidatesTokenCount }) => candidatesTokenCount)).toEqual([1, 2, 4]);
  });

  test("counts what was cached, thought and used by tools", async () => {
    const usage = {
      inputTokens: 10,
      cacheReadTokens: 90,
      toolUsePromptTokens: 7,
      reasoningTokens: 5,
      outputTokens: 15,
      webSearchRequests: 2,
    };
    rig.upstream.script({}, { usage });
    const last = eventsIn((await rig.post("gemini", `${streamPath}?alt=sse`, body)).body).at(-1);
    expect(last).toMatchObject({
      candidates: [{ finishReason: "STOP", groundingMetadata: { webSearchQueries: ["causeway 1", "causeway 2"] } }],
      usageMetadata: {
        ...{ promptTokenCount: 100, cachedContentTokenCount: 90, toolUsePromptTokenCount: 7 },
        ...{ thoughtsTokenCount: 5, candidatesTokenCount: 10, totalTokenCount: 122 },
      },
    });
  });

  test("ends with an error after HTTP 200, as an array too", async () => {
    rig.upstream.script({}, { streamError: { status: 503, afterEvents: 1 } });
    const error = { code: 503, status: "UNAVAILABLE" };
    expect(eventsIn((await rig.post("gemini", `${streamPath}?alt=sse`, body)).body).at(-1)).toMatchObject({ error });
    expect(JSON.parse((await rig.post("gemini", streamPath, body)).body.toString()).at(-1)).toMatchObject({ error });
    const stream = await rig.clients.gemini.models.generateContentStream({ model, contents });
    const reading = (async () => {
      for await (const chunk of stream) expect(chunk.candidates).toBeDefined();
    })();
    await expect(reading).rejects.toThrow("overloaded");
  });
});
