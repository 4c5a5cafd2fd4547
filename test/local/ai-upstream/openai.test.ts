// The upstream in the place of OpenAI, for both kinds of its official client.
import type OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventsIn, startUpstreamRig, type UpstreamRig } from "./upstream-rig.ts";

let rig: UpstreamRig;
beforeAll(async () => {
  rig = await startUpstreamRig();
});
afterEach(() => rig.upstream.clear());
afterAll(() => rig.upstream.close());

const model = "gpt-5";
const text = "Hello! This is the AI upstream of the local cloud.";
const chat = { model, messages: [{ role: "user" as const, content: "Is the tide out?" }] };
const parameters = { type: "object", properties: { where: { enum: ["north", "south"] } }, required: ["where"] };
const lookTool = { type: "function" as const, name: "look", parameters, strict: false };
const cached = { inputTokens: 10, cacheReadTokens: 100, outputTokens: 50, reasoningTokens: 40 };

describe.each(["openai", "oldOpenai"] as const)("for the client %s", (which) => {
  const client = () => rig.clients[which] as OpenAI;

  test("a chat is completed, with usage by the bytes of the request and a length that is kept", async () => {
    const completion = await client().chat.completions.create(chat);
    const prompt_tokens = Math.ceil((rig.upstream.requests[0]?.body.length ?? 0) / 4);
    expect(completion).toMatchObject({
      ...{ object: "chat.completion", model },
      choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: text } }],
      usage: { prompt_tokens, completion_tokens: 13, total_tokens: prompt_tokens + 13 },
    });
    const short = await client().chat.completions.create({ ...chat, max_completion_tokens: 3, n: 2 });
    expect(short).toMatchObject({
      choices: [{ finish_reason: "length" }, { finish_reason: "length", message: { content: "Hello! This " } }],
      usage: { completion_tokens: 6 },
    });
  });

  test("a chat stream adds up to the same, with tools", async () => {
    rig.upstream.script({}, { id: "same", text: "Looking", toolCalls: [{ name: "look", input: { where: "south" } }] });
    const asked = { ...chat, tools: [{ type: "function" as const, function: { name: "look", parameters } }] };
    const whole = await client().chat.completions.create(asked);
    const stream = client().chat.completions.stream({ ...asked, stream_options: { include_usage: true } });
    const [streamed] = (await stream.finalChatCompletion()).choices;
    const tool_calls = [
      { type: "function", id: "call_same0", function: { name: "look", arguments: '{"where":"south"}' } },
    ];
    expect(whole.choices[0]).toMatchObject({
      finish_reason: "tool_calls",
      message: { content: "Looking", tool_calls },
    });
    expect(streamed).toMatchObject({ finish_reason: "tool_calls", message: { content: "Looking", tool_calls } });
    expect((await stream.totalUsage()).completion_tokens).toBe(whole.usage?.completion_tokens);
  });

  test("a response is made, whole and as a stream, with reasoning, a search, text and tools", async () => {
    const toolCalls = [{ name: "look" }, { name: "patch", input: "*** Begin" }];
    rig.upstream.script(
      {},
      { id: "same", thinkingTokens: 8, text: "Looking", toolCalls, usage: { webSearchRequests: 1 } },
    );
    const asked = {
      ...{ model, input: "Is the tide out?", include: ["reasoning.encrypted_content" as const] },
      tools: [lookTool, { type: "custom" as const, name: "patch" }],
    };
    const whole = await client().responses.create(asked);
    expect(whole).toMatchObject({ id: "resp_same", status: "completed", output_text: "Looking" });
    expect(whole.output).toMatchObject([
      { type: "reasoning", summary: [{ type: "summary_text" }], encrypted_content: expect.any(String) },
      { type: "web_search_call", status: "completed" },
      { type: "message", content: [{ type: "output_text", text: "Looking" }] },
      { type: "function_call", name: "look", arguments: '{"where":"north"}', call_id: "call_same0" },
      { type: "custom_tool_call", name: "patch", input: "*** Begin" },
    ]);
    const streamed = await client().responses.stream(asked).finalResponse();
    expect(streamed.output).toMatchObject(whole.output.map(({ type, id }) => ({ type, id })));
    expect(streamed.usage?.output_tokens_details.reasoning_tokens).toBe(8);
  });

  test("a response that is cut is incomplete", async () => {
    const asked = { model, input: "Is the tide out?", max_output_tokens: 4 };
    const cut = {
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      usage: { output_tokens: 4 },
    };
    expect(await client().responses.create(asked)).toMatchObject(cut);
    expect(await client().responses.stream(asked).finalResponse()).toMatchObject(cut);
  });

  test("texts are embedded, in the client's base64 and as numbers, and models listed", async () => {
    const given = { model: "text-embedding-3-small", input: ["one", "two"], dimensions: 3 };
    const { data, usage } = await client().embeddings.create(given);
    expect(data.map(({ embedding }) => embedding)).toEqual([
      [1, 0, 0],
      [1, 0, 0],
    ]);
    expect(usage.total_tokens).toBeGreaterThan(0);
    const floats = await client().embeddings.create({ ...given, input: [1, 2, 3], encoding_format: "float" });
    expect(floats.data).toEqual([{ object: "embedding", index: 0, embedding: [1, 0, 0] }]);
    rig.upstream.script({ times: 1 }, { usage: { inputTokens: 900 }, usageFactor: 2 });
    expect((await client().embeddings.create(given)).usage).toEqual({ prompt_tokens: 1800, total_tokens: 1800 });
    const ids: string[] = [];
    for await (const { id } of client().models.list()) ids.push(id);
    expect(ids).toContain(model);
    expect((await client().models.retrieve(model)).id).toBe(model);
  });

  test.each([
    [{ status: 400 }, "invalid_request_error", null],
    [{ status: 401 }, "invalid_request_error", "invalid_api_key"],
    [{ status: 429 }, "requests", "rate_limit_exceeded"],
    [{ status: 429, code: "insufficient_quota" }, "insufficient_quota", "insufficient_quota"],
    [{ status: 429, type: "usage_limit_reached", code: null }, "usage_limit_reached", null],
    [{ status: 503 }, "service_unavailable_error", null],
  ])("the error %o has OpenAI's envelope", async (error, type, code) => {
    rig.upstream.script({}, { error });
    const thrown = client().chat.completions.create(chat);
    const requestID = expect.stringMatching(/^req_/);
    await expect(thrown).rejects.toMatchObject({ ...{ status: error.status, type, code, param: null, requestID } });
  });
});

describe("a chat stream", () => {
  test("tells its usage only where it is asked to, in a chunk of its own before [DONE]", async () => {
    rig.upstream.script({}, { usage: cached });
    const silent = await rig.post("openai", "/v1/chat/completions", { ...chat, stream: true });
    expect(silent.body.toString()).toMatch(/\n\ndata: \[DONE\]\n\n$/);
    expect(eventsIn(silent.body).every((chunk) => !("usage" in chunk))).toBe(true);
    const told = { ...chat, stream: true, stream_options: { include_usage: true } };
    const chunks = eventsIn((await rig.post("openai", "/v1/chat/completions", told)).body);
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: {
        ...{ prompt_tokens: 110, completion_tokens: 50, total_tokens: 160 },
        prompt_tokens_details: { cached_tokens: 100 },
        completion_tokens_details: { reasoning_tokens: 40 },
      },
    });
    const refused = await rig.post("openai", "/v1/chat/completions", { ...told, stream: false });
    expect(refused.body.toString()).toContain("only allowed when 'stream' is enabled");
  });
});

describe("a response's stream", () => {
  const post = async (body: object = {}) =>
    eventsIn((await rig.post("openai", "/v1/responses", { model, input: "hi", stream: true, ...body })).body);

  test("numbers its events, unknown ones too, and has no [DONE]", async () => {
    rig.upstream.script({}, { text: "one two", events: 2, usage: cached, unknownEvents: true });
    const events = await post();
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index));
    expect(events.map(({ type }) => String(type).replace("response.", ""))).toEqual([
      ...["created", "future_event", "in_progress", "output_item.added", "content_part.added", "output_text.delta"],
      ...[
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "future_event",
        "completed",
      ],
    ]);
    expect(events.at(-1)).toMatchObject({
      response: { usage: { input_tokens: 110, input_tokens_details: { cached_tokens: 100 }, output_tokens: 50 } },
    });
  });

  test("fails in either of its two ways", async () => {
    rig.upstream.script({ nth: 1 }, { streamError: { status: 500, message: "broke", afterEvents: 3 } });
    rig.upstream.script({}, { streamError: { status: 500, type: "error", message: "broke", afterEvents: 3 } });
    const failed = {
      type: "response.failed",
      response: { status: "failed", error: { code: "server_error", message: "broke" } },
    };
    expect((await post()).slice(3)).toMatchObject([failed]);
    expect((await post()).slice(3)).toMatchObject([{ type: "error", message: "broke" }]);
  });

  test("goes on from a response of the same account only", async () => {
    const [first] = await post();
    const { id: previous_response_id } = (first?.response ?? {}) as { readonly id?: string };
    const [second] = await post({ previous_response_id });
    expect(second?.response).toMatchObject({ previous_response_id });
    const other = { authorization: `Bearer ${rig.upstream.issueKey("openai", "other")}` };
    const asked = { model, input: "hi", previous_response_id };
    const refused = await rig.post("openai", "/v1/responses", asked, other);
    expect(refused.status).toBe(400);
    expect(refused.body.toString()).toContain("previous_response_not_found");
    const lost = await rig.post("openai", "/v1/responses", { model, input: "hi", conversation: { id: "conv_1" } });
    expect([lost.status, lost.body.toString()]).toEqual([404, expect.stringContaining("conv_1")]);
  });
});
