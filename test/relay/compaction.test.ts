// Conversations that are compacted at OpenAI, by its own operation and by a trigger, and counts of input, through the relay.
import { GetCommand } from "@aws-sdk/lib-dynamodb";
import OpenAI from "openai";
import OpenAI6 from "openai-6";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { findPrice } from "../../lambdas/relay/counting/find-price.ts";
import type { UsageRecord } from "../../lambdas/relay/counting/usage-record.ts";
import { RelayRig, type RigKey } from "./relay-rig.ts";

const model = "gpt-5.5";
const talk = [
  { role: "user" as const, content: "Is the tide out? ".repeat(1000) },
  { role: "assistant" as const, content: "It is." },
];
const triggered: OpenAI.Responses.ResponseInput = [...talk, { type: "compaction_trigger" }];
const used = { inputTokens: 1500, cacheReadTokens: 2000, outputTokens: 900, reasoningTokens: 700 };

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

const clientOf = ({ text }: RigKey) => new OpenAI({ baseURL: `${rig.url}/v1`, apiKey: text, maxRetries: 0 });

function priceOf() {
  const price = findPrice([], { platform: "openai", model, now: rig.now() });
  if (price === undefined) throw new Error("there is no price");
  return price;
}

/** Of `used`, in nano-USD: the rates are for a million tokens. */
function chargeForUsed(): number {
  const { input, cacheRead, output } = priceOf().rates;
  const { inputTokens, cacheReadTokens, outputTokens } = used;
  return (inputTokens * input + cacheReadTokens * cacheRead + outputTokens * output) / 1_000_000;
}

/** What the longest output of the model costs, in nano-USD. */
function largestOutput(): number {
  const { mostOutputTokens, rates } = priceOf();
  return (mostOutputTokens * rates.output) / 1_000_000;
}

/** The ledger's item of a key whose every request is settled. */
function settled({ keyId }: RigKey) {
  return rig.until("everything is settled", async () => {
    const TableName = rig.cloud.output("RelayKeysTableName");
    const get = new GetCommand({ TableName, Key: { pk: `key#${keyId}` }, ConsistentRead: true });
    const { Item } = await rig.documents.send(get);
    return Item !== undefined && Object.keys(Item.L ?? {}).length === 0 ? Item : undefined;
  });
}

function onlyRecord(of: RigKey): Promise<UsageRecord> {
  return rig.until("the record", async () => {
    const [first, ...others] = await rig.recordsOf(of);
    expect(others).toEqual([]);
    return first;
  });
}

describe.each([
  ["7", () => clientOf(key)],
  ["6", () => new OpenAI6({ baseURL: `${rig.url}/v1`, apiKey: key.text, maxRetries: 0 }) as unknown as OpenAI],
])("the SDK of generation %s", (_, client) => {
  it("compacts a conversation, and goes on from what came of it", async () => {
    rig.cloud.aiUpstream.script({ operation: "openai.compact" }, { text: "a summary" });
    const { data, response } = await client().responses.compact({ model, input: talk }).withResponse();
    expect(data).toMatchObject({ object: "response.compaction", output: [{ role: "user" }, { type: "compaction" }] });
    const record = await rig.record(response.headers.get("x-causeway-request-id"));
    expect(record).toMatchObject({ platform: "openai", operation: "compact", modelAsked: model, modelServed: model });
    expect(record).toMatchObject({ outcome: "ok", stream: false, usageSource: "reported", overrunNanoUsd: 0 });
    expect(record.usage).toMatchObject({
      inputTokens: data.usage.input_tokens,
      outputTokens: data.usage.output_tokens,
    });
    const input = [...(data.output as OpenAI.Responses.ResponseInput), { role: "user" as const, content: "And now?" }];
    const next = await client().responses.create({ model, input });
    expect(next.output_text).toMatch(/./);
    expect(rig.cloud.aiUpstream.requests.at(-1)?.json).toMatchObject({ input: JSON.parse(JSON.stringify(input)) });
  });

  it("counts input", async () => {
    const { data, response } = await client().responses.inputTokens.count({ model, input: talk }).withResponse();
    expect(data).toEqual({ object: "response.input_tokens", input_tokens: expect.any(Number) });
    expect(data.input_tokens).toBeGreaterThan(1000);
    expect(await rig.record(response.headers.get("x-causeway-request-id"))).toMatchObject({
      ...{ platform: "openai", operation: "count-tokens", outcome: "ok", modelAsked: model },
      ...{ usage: { inputTokens: 0, outputTokens: 0 }, chargedNanoUsd: 0, reservedNanoUsd: 0 },
    });
  });
});

describe("what a compaction costs", () => {
  const forms = {
    "its own operation": (client: OpenAI) => client.responses.compact({ model, input: talk }).withResponse(),
    "a trigger": (client: OpenAI) => client.responses.create({ model, input: triggered }).withResponse(),
    "a trigger, as a stream": async (client: OpenAI) => {
      const { data, response } = await client.responses
        .create({ model, input: triggered, stream: true, reasoning: { effort: "none" } })
        .withResponse();
      const items = [];
      for await (const event of data) if (event.type === "response.output_item.done") items.push(event.item.type);
      expect(items).toEqual(["compaction"]);
      return { response };
    },
  };

  it.each(Object.entries(forms))(
    "by %s is reserved as the largest output, and charged as it is told",
    async (_, ask) => {
      rig.cloud.aiUpstream.script({}, { text: "a summary", usage: used });
      const own = await rig.addKey({ spend: { total: 100_000_000_000 } });
      const { response } = await ask(clientOf(own));
      const record = await rig.record(response.headers.get("x-causeway-request-id"));
      expect(record).toMatchObject({ outcome: "ok", usageSource: "reported", usage: used, overrunNanoUsd: 0 });
      expect(record.chargedNanoUsd).toBe(chargeForUsed());
      expect(record.reservedNanoUsd).toBeGreaterThan(largestOutput());
      expect((await settled(own)).u.total).toBe(record.chargedNanoUsd);
    },
  );

  it.each(Object.entries(forms))("by %s is refused where the budget has no room for it", async (_, ask) => {
    const poor = await rig.addKey({ spend: { total: largestOutput() } });
    const sent = rig.cloud.aiUpstream.count;
    await expect(ask(clientOf(poor))).rejects.toMatchObject({ status: 429, code: "insufficient_quota" });
    expect(rig.cloud.aiUpstream.count).toBe(sent);
    expect(await onlyRecord(poor)).toMatchObject({ outcome: "refused", reason: "BudgetReached", chargedNanoUsd: 0 });
  });

  it("is not made less by limits that the operation does not know", async () => {
    const poor = await rig.addKey({ spend: { total: largestOutput() } });
    const asked = { model, input: "Hi", max_output_tokens: 1, stream: true };
    await expect(clientOf(poor).responses.compact(asked)).rejects.toMatchObject({ code: "insufficient_quota" });
  });
});

it("a count of input is free, also for a key that has nothing left", async () => {
  const spent = await rig.addKey({ spend: { total: 1 } });
  const client = clientOf(spent);
  await expect(client.responses.create({ model, input: "Hi" })).rejects.toMatchObject({ code: "insufficient_quota" });
  expect((await client.responses.inputTokens.count({ model, input: "Hi" })).input_tokens).toBeGreaterThan(0);
  expect((await settled(spent)).u?.total ?? 0).toBe(0);
});

describe("a key that may not", () => {
  it.each([
    ["use OpenAI", { platforms: ["anthropic" as const] }, 403, "PlatformNotAllowed"],
    ["use the model", { models: ["gpt-4*"] }, 400, "ModelNotAllowed"],
  ])("%s is refused a compaction and a count", async (_, policy, status, reason) => {
    const asked = { model, input: "Hi" };
    const sent = rig.cloud.aiUpstream.count;
    const compacting = await rig.addKey(policy);
    await expect(clientOf(compacting).responses.compact(asked)).rejects.toMatchObject({ status });
    expect(await onlyRecord(compacting)).toMatchObject({ operation: "compact", outcome: "refused", reason });
    const counting = await rig.addKey(policy);
    await expect(clientOf(counting).responses.inputTokens.count(asked)).rejects.toMatchObject({ status });
    expect(await onlyRecord(counting)).toMatchObject({ operation: "count-tokens", outcome: "refused", reason });
    expect(rig.cloud.aiUpstream.count).toBe(sent);
  });
});

it("a response is compacted and counted where it was made, for the key that made it alone", async () => {
  await rig.addAccount("openai");
  await rig.passSnapshot();
  const client = clientOf(key);
  const stranger = clientOf(await rig.addKey());
  for (let turn = 0; turn < 4; turn += 1) {
    const { id } = await client.responses.create({ model, input: "Hi" });
    const owner = rig.cloud.aiUpstream.requests.at(-1)?.key;
    const asked = { model, previous_response_id: id };
    await client.responses.compact(asked);
    expect(rig.cloud.aiUpstream.requests.at(-1)).toMatchObject({
      operation: "openai.compact",
      key: owner,
      status: 200,
    });
    await client.responses.inputTokens.count(asked);
    expect(rig.cloud.aiUpstream.requests.at(-1)).toMatchObject({ key: owner, status: 200 });
    await expect(stranger.responses.compact(asked)).rejects.toMatchObject({ status: 404 });
    await expect(stranger.responses.inputTokens.count(asked)).rejects.toMatchObject({ status: 404 });
  }
});

it("what OpenAI refuses of a compaction comes back as it is", async () => {
  const asking = clientOf(key).responses.compact({ model });
  await expect(asking).rejects.toMatchObject({ status: 400, code: "missing_required_parameter", param: "input" });
});
