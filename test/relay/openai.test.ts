// OpenAI's official SDKs through the relay: chat, responses and embeddings as from the provider, counted and refused rightly.
import OpenAI from "openai";
import OpenAI6 from "openai-6";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { RelayRig, type RigKey } from "./relay-rig.ts";

const model = "gpt-5.5";
const hello = [{ role: "user" as const, content: "Say hi." }];

let rig: RelayRig;
let key: RigKey;

beforeAll(async () => {
  rig = await RelayRig.start();
  await rig.addAccount("openai");
  key = await rig.addKey();
});

afterEach(() => {
  rig.cloud.aiUpstream.clear();
});

afterAll(async () => {
  await rig?.close();
});

const options = (apiKey = key.text) => ({ baseURL: `${rig.url}/v1`, apiKey, maxRetries: 0 });

describe.each([
  ["7", () => new OpenAI(options())],
  ["6", () => new OpenAI6(options()) as unknown as OpenAI],
])("the SDK of generation %s", (_, client) => {
  it("chats in JSON, and the record counts what the provider reported", async () => {
    const { data, response } = await client()
      .chat.completions.create({ model, messages: hello, max_completion_tokens: 100 })
      .withResponse();
    expect(data.choices[0]?.message.content).toMatch(/./);
    const record = await rig.record(response.headers.get("x-causeway-request-id"));
    expect(record).toMatchObject({ platform: "openai", operation: "chat", modelAsked: model, outcome: "ok" });
    expect(record.usage.inputTokens + record.usage.cacheReadTokens).toBe(data.usage?.prompt_tokens);
    expect(record.usage.outputTokens).toBe(data.usage?.completion_tokens);
    expect(record.chargedNanoUsd).toBeGreaterThan(0);
    expect(record.overrunNanoUsd).toBe(0);
  });

  it("streams a chat without usage, which it did not ask for, and is charged by it all the same", async () => {
    const { data, response } = await client()
      .chat.completions.create({ model, messages: hello, stream: true })
      .withResponse();
    let text = "";
    for await (const chunk of data) {
      expect(chunk.choices.length, "no chunk for usage alone").toBeGreaterThan(0);
      expect(chunk.usage ?? null).toBeNull();
      text += chunk.choices[0]?.delta.content ?? "";
    }
    expect(text).toMatch(/./);
    const record = await rig.record(response.headers.get("x-causeway-request-id"));
    expect(record).toMatchObject({ stream: true, outcome: "ok", usageSource: "reported" });
    const request = rig.cloud.aiUpstream.requests.at(-1);
    expect(request?.json).toMatchObject({ stream_options: { include_usage: true } });
  });

  it("streams a chat with usage where it asks for it", async () => {
    const stream = await client().chat.completions.create({
      ...{ model, messages: hello, stream: true as const },
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.at(-1)?.usage?.total_tokens).toBeGreaterThan(0);
  });

  it("gets responses in JSON and as a stream", async () => {
    const response = await client().responses.create({ model, input: "Say hi." });
    expect(response.output_text).toMatch(/./);
    const types = [];
    const stream = await client().responses.create({ model, input: "Say hi.", stream: true });
    for await (const event of stream) types.push(event.type);
    expect([types[0], types.at(-1)]).toEqual(["response.created", "response.completed"]);
  });

  it("gets embeddings, and the list of models", async () => {
    const embedded = await client().embeddings.create({ model: "text-embedding-3-small", input: ["a", "b"] });
    expect(embedded.data).toHaveLength(2);
    const models = [];
    for await (const each of client().models.list()) models.push(each.id);
    expect(models.length).toBeGreaterThan(0);
  });
});

describe("what is bound to an account", () => {
  it("is found where it was made, by the key that made it alone", async () => {
    await rig.addAccount("openai");
    const client = new OpenAI(options());
    const first = await client.responses.create({ model, input: "Say hi." });
    const owner = rig.cloud.aiUpstream.requests.at(-1)?.key;
    // Bound before the client has the end of its answer: it may come back at once.
    let previous = first.id;
    for (let turn = 0; turn < 12; turn += 1) {
      const next = await client.responses.create({ model, input: "And?", previous_response_id: previous });
      expect(rig.cloud.aiUpstream.requests.at(-1)?.key).toBe(owner);
      for await (const event of await client.responses.create({
        ...{ model, input: "And then?", previous_response_id: next.id, stream: true },
      })) {
        if (event.type === "response.completed") previous = event.response.id;
      }
      expect(rig.cloud.aiUpstream.requests.at(-1)?.key).toBe(owner);
    }
    const stranger = new OpenAI(options((await rig.addKey()).text));
    const stolen = stranger.responses.create({ model, input: "And?", previous_response_id: first.id });
    await expect(stolen).rejects.toMatchObject({ status: 404 });
  });
});

describe("what is refused", () => {
  it("by budget is a quota that is spent, which the SDK does not try again", async () => {
    const poor = await rig.addKey({ spend: { month: 10 } });
    const sent = rig.cloud.aiUpstream.count;
    const client = new OpenAI({ ...options(poor.text), maxRetries: 2 });
    const asking = client.chat.completions.create({ model, messages: hello });
    await expect(asking).rejects.toMatchObject({ status: 429, code: "insufficient_quota" });
    expect(rig.cloud.aiUpstream.count).toBe(sent);
  });

  it("in the background, and a WebSocket, are told by name", async () => {
    const client = new OpenAI(options());
    const later = client.responses.create({ model, input: "x", background: true });
    await expect(later).rejects.toMatchObject({ status: expect.toBeOneOf([400, 501]), message: /background/ });
    const upgrade = await fetch(`${rig.url}/v1/responses`, { headers: { authorization: `Bearer ${key.text}` } });
    expect(upgrade.status).toBe(426);
  });

  it.each([
    ["no key", undefined, 401],
    ["a mistyped key", "cwk_abcdefghijkl0123456789", 401],
    ["another relay's key", "sk-something", 401],
  ])("%s is a 401 of OpenAI's form", async (_, text, status) => {
    const answer = await fetch(`${rig.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(text && { authorization: `Bearer ${text}` }) },
      body: JSON.stringify({ model, messages: hello }),
    });
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({
      error: { message: expect.stringMatching(/key/), type: expect.any(String) },
    });
  });
});
