// The upstream in the place of OpenAI where a conversation is compacted, by its own operation and by a trigger, and counted.
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
const usage = { inputTokens: 10, cacheReadTokens: 100, outputTokens: 50, reasoningTokens: 40 };
const told = {
  ...{ input_tokens: 110, input_tokens_details: { cached_tokens: 100, cache_write_tokens: 0 } },
  ...{ output_tokens: 50, output_tokens_details: { reasoning_tokens: 40 }, total_tokens: 160 },
};
const talk = [
  { role: "developer" as const, content: "Be short." },
  { role: "user" as const, content: "Is the tide out?" },
  { type: "message" as const, role: "assistant" as const, content: "It is." },
  { type: "message" as const, role: "user" as const, content: [{ type: "input_text" as const, text: "And now?" }] },
];
const trigger = { type: "compaction_trigger" as const };
const codesOf = async (path: string, body: object) => {
  const { status, body: said } = await rig.post("openai", path, body);
  return [status, (JSON.parse(said.toString()) as { error?: { param?: string } }).error?.param];
};

describe.each(["openai", "oldOpenai"] as const)("for the client %s", (which) => {
  const client = () => rig.clients[which] as OpenAI;

  test("a conversation is compacted to what the user said and one item that nobody else can read", async () => {
    rig.upstream.script({ operation: "openai.compact" }, { id: "same", text: "a summary" });
    const compacted = await client().responses.compact({ model, input: talk });
    const input_tokens = Math.ceil((rig.upstream.requests[0]?.body.length ?? 0) / 4);
    expect(compacted).toMatchObject({ id: "resp_same", object: "response.compaction", created_at: expect.any(Number) });
    expect(compacted.output).toMatchObject([
      { type: "message", role: "user", content: [{ type: "input_text", text: "Is the tide out?" }] },
      { type: "message", role: "user", content: [{ type: "input_text", text: "And now?" }] },
      { type: "compaction", id: "cmp_same", encrypted_content: expect.stringMatching(/./) },
    ]);
    expect(JSON.stringify(compacted.output)).not.toContain("a summary");
    expect(compacted.usage).toMatchObject({ input_tokens, output_tokens: 3, total_tokens: input_tokens + 3 });
    const again = await client().responses.create({ model, input: compacted.output as OpenAI.Responses.ResponseInput });
    expect(again.status).toBe("completed");
  });

  test("a compaction tells cached and reasoned tokens where OpenAI does, and takes no stream and no limit", async () => {
    rig.upstream.script({}, { thinkingTokens: 8, outputTokens: 40 });
    const asked = { model, input: "Is the tide out?", max_output_tokens: 4, stream: true };
    const plain = await client().responses.compact(asked);
    expect(plain.usage).toMatchObject({ output_tokens: 48, output_tokens_details: { reasoning_tokens: 8 } });
    expect(plain.output).toHaveLength(2);
    rig.upstream.clear();
    rig.upstream.script({}, { usage });
    expect((await client().responses.compact(asked)).usage).toEqual(told);
  });

  test("input is counted by the bytes of the request", async () => {
    const counted = await client().responses.inputTokens.count({ model, input: talk });
    const input_tokens = Math.ceil((rig.upstream.requests[0]?.body.length ?? 0) / 4);
    expect(counted).toEqual({ object: "response.input_tokens", input_tokens });
    expect((await client().responses.inputTokens.count({ input: "Hi" })).input_tokens).toBeLessThan(input_tokens);
    rig.upstream.script({}, { usage: { inputTokens: 900 }, usageFactor: 2 });
    expect((await client().responses.inputTokens.count({ model, input: talk })).input_tokens).toBe(1800);
  });
});

test("a trigger in the input makes a response of one compaction alone, whole and as a stream", async () => {
  rig.upstream.script({}, { id: "same", text: "a summary", usage, toolCalls: [{ name: "look" }] });
  const tools = [{ type: "function", name: "look", parameters: {} }];
  const asked = { model, input: [...talk, trigger], tools };
  const item = { type: "compaction", id: "cmp_same", encrypted_content: Buffer.from("a summary").toString("base64") };
  const whole = JSON.parse((await rig.post("openai", "/v1/responses", asked)).body.toString()) as object;
  expect(whole).toMatchObject({ object: "response", status: "completed", output: [item], usage: told });
  const { body } = await rig.post("openai", "/v1/responses", { ...asked, stream: true });
  const events = eventsIn(body);
  expect(events.map(({ type }) => String(type).replace("response.", ""))).toEqual([
    ...["created", "in_progress", "output_item.added"],
    ...["compaction.compacting", "compaction.compacting", "compaction.compacting", "output_item.done", "completed"],
  ]);
  expect(events.at(-2)).toMatchObject({ output_index: 0, item });
  expect(events.at(-1)).toMatchObject({ response: { output: [item], usage: told } });
});

test("what OpenAI refuses of a compaction and of a count is refused", async () => {
  expect(await codesOf("/v1/responses/compact", { input: "Hi" })).toEqual([400, null]);
  expect(await codesOf("/v1/responses/compact", { model })).toEqual([400, "input"]);
  expect(await codesOf("/v1/responses/compact", { model, input: [trigger, ...talk] })).toEqual([400, "input"]);
  expect(await codesOf("/v1/responses/compact", { model: "claude-opus-5-5", input: "Hi" })).toEqual([404, null]);
  const lost = { model, previous_response_id: "resp_1" };
  expect(await codesOf("/v1/responses/compact", lost)).toEqual([400, "previous_response_id"]);
  expect(await codesOf("/v1/responses/input_tokens", lost)).toEqual([400, "previous_response_id"]);
  expect(await codesOf("/v1/responses/input_tokens", { model })).toEqual([400, "input"]);
  expect(await codesOf("/v1/responses/input_tokens", { model: "gemini-2.5-pro", input: "Hi" })).toEqual([404, null]);
});

test("a compaction is made of a response of the same account, and is none itself", async () => {
  const made = JSON.parse(
    (await rig.post("openai", "/v1/responses", { model, input: "Hi" })).body.toString(),
  ) as object;
  const previous = "id" in made ? made.id : undefined;
  const compacted = await rig.post("openai", "/v1/responses/compact", { model, previous_response_id: previous });
  expect(compacted.status).toBe(200);
  const { id } = JSON.parse(compacted.body.toString()) as { readonly id?: string };
  const after = { model, input: "And?", previous_response_id: id };
  expect(await codesOf("/v1/responses", after)).toEqual([400, "previous_response_id"]);
});
