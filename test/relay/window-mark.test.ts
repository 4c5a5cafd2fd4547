// Claude Code's mark behind a model's name, `[1m]`, through the whole relay: the provider knows no model of such a name.
import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { RelayRig, type RigKey } from "./relay-rig.ts";

const model = "claude-sonnet-4-5";
const marked = { model: `${model}[1m]`, messages: [{ role: "user" as const, content: "Say hi." }] };

let rig: RelayRig;
let key: RigKey;
let client: Anthropic;

beforeAll(async () => {
  rig = await RelayRig.start();
  await rig.addAccount("anthropic");
  key = await rig.addKey({ models: [model] });
  client = new Anthropic({ baseURL: rig.url, apiKey: key.text, maxRetries: 0 });
});

afterAll(async () => {
  await rig?.close();
});

it("is taken off before the provider is asked, and the model's own price is charged", async () => {
  const { data, response } = await client.messages.create({ ...marked, max_tokens: 100 }).withResponse();
  expect(rig.cloud.aiUpstream.requests.at(-1)?.json).toEqual({ ...marked, max_tokens: 100, model });
  const record = await rig.record(response.headers.get("x-causeway-request-id"));
  expect(record).toMatchObject({ outcome: "ok", modelAsked: model, modelServed: model, overrunNanoUsd: 0 });
  expect(record.chargedNanoUsd).toBe(data.usage.input_tokens * 3000 + data.usage.output_tokens * 15_000);
});

it("is taken off in a stream and in a count of tokens, too", async () => {
  const message = await client.messages.stream({ ...marked, max_tokens: 100 }).finalMessage();
  expect(message.model).toBe(model);
  expect((await client.messages.countTokens(marked)).input_tokens).toBeGreaterThan(0);
  expect(rig.cloud.aiUpstream.requests.map(({ model: asked, status }) => [asked, status])).not.toContainEqual([
    marked.model,
    expect.any(Number),
  ]);
});
