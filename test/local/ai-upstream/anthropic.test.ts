// The upstream in the place of Anthropic, for both kinds of its official client.
import type Anthropic from "@anthropic-ai/sdk";
import type { APIError } from "@anthropic-ai/sdk";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventsIn, startUpstreamRig, type UpstreamRig } from "./upstream-rig.ts";

let rig: UpstreamRig;
beforeAll(async () => {
  rig = await startUpstreamRig();
});
afterEach(() => rig.upstream.clear());
afterAll(() => rig.upstream.close());

const model = "claude-sonnet-5-5";
const asked = { model, max_tokens: 1000, messages: [{ role: "user" as const, content: "Is the tide out?" }] };
const tools = [
  {
    name: "look",
    input_schema: { type: "object" as const, properties: { far: { type: "boolean" } }, required: ["far"] },
  },
];
const path = "/v1/messages";

describe.each(["anthropic", "oldAnthropic"] as const)("for the client %s", (which) => {
  const client = () => rig.clients[which] as Anthropic;

  test("a message is answered, with usage by the bytes of the request", async () => {
    const message = await client().messages.create(asked);
    const [received] = rig.upstream.requests;
    const text = "Hello! This is the AI upstream of the local cloud.";
    expect(message).toMatchObject({
      ...{ type: "message", role: "assistant", model, stop_reason: "end_turn", content: [{ type: "text", text }] },
      usage: {
        input_tokens: Math.ceil((received?.body.length ?? 0) / 4),
        output_tokens: Math.ceil(text.length / 4),
        cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
      },
    });
    expect(received).toMatchObject({ operation: "anthropic.messages", model, key: "default", stream: false });
  });

  test("a stream adds up to the same, with thinking, text and a tool", async () => {
    const behaviour = { id: "same", thinkingTokens: 30, text: "I shall look. 看看", toolCalls: [{ name: "look" }] };
    rig.upstream.script({ model }, behaviour);
    const streamed = await client()
      .messages.stream({ ...asked, tools })
      .finalMessage();
    const whole = await client().messages.create({ ...asked, tools });
    expect(streamed.content).toEqual(whole.content);
    expect(streamed.content).toMatchObject([
      { type: "thinking", thinking: expect.stringMatching(/^Let me think.{108}$/s), signature: expect.any(String) },
      { type: "text", text: "I shall look. 看看" },
      { type: "tool_use", name: "look", input: { far: false } },
    ]);
    expect(streamed.stop_reason).toBe("tool_use");
    expect(streamed.usage.output_tokens).toBe(30 + 5 + 4);
    expect(whole.usage).toMatchObject({ output_tokens: 39, output_tokens_details: { thinking_tokens: 30 } });
  });

  test("tokens are counted, and models listed page by page", async () => {
    const { input_tokens } = await client().messages.countTokens({ model, messages: asked.messages });
    expect(input_tokens).toBe(Math.ceil((rig.upstream.requests[0]?.body.length ?? 0) / 4));
    const ids: string[] = [];
    for await (const { id } of client().models.list({ limit: 2 })) ids.push(id);
    expect(ids).toEqual(["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"]);
    expect((await client().models.retrieve(model)).id).toBe(model);
    await expect(client().models.retrieve("claude-0")).rejects.toMatchObject({ status: 404 });
  });

  test("Claude Code's mark for a large window is part of no model's name", async () => {
    const marked = client().messages.create({ ...asked, model: `${model}[1m]` });
    await expect(marked).rejects.toMatchObject({ status: 404, type: "not_found_error" });
  });

  test.each([
    [{ status: 400 }, "invalid_request_error", false],
    [{ status: 402 }, "billing_error", false],
    [{ status: 403, code: "enforced_spend_limit_reached" }, "permission_error", false],
    [{ status: 413 }, "request_too_large", false],
    [{ status: 429 }, "rate_limit_error", true],
    [{ status: 500 }, "api_error", true],
    [{ status: 529 }, "overloaded_error", true],
  ])("the error %o has Anthropic's envelope", async (error, type, again) => {
    rig.upstream.script({}, { error });
    const thrown = await client()
      .messages.create(asked)
      .catch((caught: unknown) => caught as APIError);
    expect(thrown).toMatchObject({
      status: error.status,
      requestID: expect.stringMatching(/^req_011/),
      error: { type: "error", error: { type }, request_id: expect.stringMatching(/^req_011/) },
    });
    expect((thrown as APIError).headers?.get("x-should-retry")).toBe(String(again));
  });
});

describe("a stream of Anthropic's", () => {
  test("has the vendor's events in the vendor's order", async () => {
    rig.upstream.script(
      {},
      { text: "one two", events: 2, usage: { cacheWrite1hTokens: 7, cacheReadTokens: 9, webSearchRequests: 2 } },
    );
    const { body, headers } = await rig.post("anthropic", path, { ...asked, stream: true });
    expect(headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    const names = body.toString().match(/^event: .*$/gm);
    const events = eventsIn(body);
    expect(names).toEqual(events.map(({ type }) => `event: ${type}`));
    expect(events.map(({ type }) => type)).toEqual([
      ...["message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta"],
      ...["content_block_stop", "message_delta", "message_stop"],
    ]);
    const input = { cache_creation_input_tokens: 7, cache_read_input_tokens: 9 };
    const cache_creation = { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 7 };
    expect(events[0]).toMatchObject({
      message: { content: [], usage: { ...input, cache_creation, output_tokens: 1 } },
    });
    expect(events.at(-2)).toMatchObject({
      delta: { stop_reason: "end_turn" },
      usage: { ...input, output_tokens: 2, server_tool_use: { web_search_requests: 2, web_fetch_requests: 0 } },
    });
  });

  test("says nothing of the input before its end where compatible providers do not", async () => {
    rig.upstream.script({}, { usageOnlyAtEnd: true, usage: { inputTokens: 50 } });
    const events = eventsIn((await rig.post("anthropic", path, { ...asked, stream: true })).body);
    expect(events[0]).toMatchObject({ message: { usage: { input_tokens: 0, output_tokens: 1 } } });
    expect(events.at(-2)).toMatchObject({ usage: { input_tokens: 50 } });
  });

  test("ends with an error after HTTP 200", async () => {
    rig.upstream.script({}, { streamError: { status: 529, afterEvents: 4 } });
    const events: string[] = [];
    const stream = await rig.clients.anthropic.messages.create({ ...asked, stream: true });
    const reading = (async () => {
      for await (const { type } of stream) events.push(type);
    })();
    await expect(reading).rejects.toMatchObject({ error: { error: { type: "overloaded_error" } } });
    expect(events).toEqual(["message_start", "content_block_start", "content_block_delta"]);
  });
});

describe("what the request allows is kept", () => {
  test.each([
    [{ outputTokens: 5000 }, 1000, "max_tokens", 1000],
    [{ outputTokens: 10 }, 1000, "end_turn", 10],
    [{ outputTokens: 10, thinkingTokens: 20 }, 25, "max_tokens", 25],
    [{ outputTokens: 10, toolCalls: [{}] }, 5, "max_tokens", 5],
    [{ stopReason: "refusal" }, 1000, "refusal", 13],
  ])("%o with max_tokens %i stops for %s", async (behaviour, max_tokens, stop_reason, output_tokens) => {
    rig.upstream.script({}, behaviour);
    const whole = await rig.clients.anthropic.messages.create({ ...asked, max_tokens, tools });
    expect(whole).toMatchObject({ stop_reason, usage: { output_tokens } });
    const streamed = await rig.clients.anthropic.messages.stream({ ...asked, max_tokens, tools }).finalMessage();
    expect(streamed).toMatchObject({ stop_reason, usage: { output_tokens }, content: whole.content });
  });
});

describe("a request that was changed on its way is refused", () => {
  const post = (body: object, headers: Record<string, string> = {}) => rig.post("anthropic", path, body, headers);
  const message = ({ body }: { body: Buffer }) => JSON.parse(body.toString()).error.message as string;

  test("sampling fields in the version that has none, a field without its beta, a version that is none", async () => {
    const version = { "anthropic-version": "2026-10-21" };
    expect(message(await post({ ...asked, temperature: 1 }, version))).toContain("temperature");
    expect((await post({ ...asked, temperature: 1 })).status).toBe(200);
    const managed = { ...asked, context_management: { edits: [] } };
    expect(message(await post(managed))).toBe("context_management: Extra inputs are not permitted");
    expect((await post(managed, { "anthropic-beta": "a,context-management-2025-06-27" })).status).toBe(200);
    expect(message(await post(asked, { "anthropic-version": "soon" }))).toContain("not a valid version");
  });

  test("missing fields, no JSON, another vendor's model, no such path", async () => {
    expect(message(await post({ model, messages: [] }))).toBe("max_tokens: Field required");
    expect((await rig.post("anthropic", path, Buffer.from("{"))).status).toBe(400);
    expect(message(await post({ ...asked, model: "gpt-5" }))).toBe("model: gpt-5");
    expect((await rig.post("anthropic", "/v1/complete", asked)).status).toBe(404);
    expect((await rig.post("anthropic", "/openai/v1/messages", asked)).status).toBe(401);
  });
});
