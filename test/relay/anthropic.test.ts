// Anthropic's official SDKs through the relay: answers as from the provider, money counted, refusals in the SDK's own errors.
import Anthropic from "@anthropic-ai/sdk";
import AnthropicOld from "anthropic-sdk-0";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { RelayRig, type RigKey } from "./relay-rig.ts";

const model = "claude-sonnet-4-5";
const hello = [{ role: "user" as const, content: "Say hi." }];

let rig: RelayRig;
let key: RigKey;

beforeAll(async () => {
  rig = await RelayRig.start();
  await rig.addAccount("anthropic");
  key = await rig.addKey();
});

afterEach(() => {
  rig.cloud.aiUpstream.clear();
  rig.faults.clear();
});

afterAll(async () => {
  await rig?.close();
});

function client(apiKey = key.text, more: object = {}) {
  return new Anthropic({ baseURL: rig.url, apiKey, maxRetries: 0, ...more });
}

describe("messages", () => {
  it("are answered, and the record counts what the provider reported", async () => {
    const { data, response } = await client()
      .messages.create({ model, max_tokens: 100, messages: hello })
      .withResponse();
    expect(data.content[0]).toMatchObject({ type: "text", text: expect.stringMatching(/./) });
    const record = await rig.record(response.headers.get("x-causeway-request-id"));
    expect(record).toMatchObject({
      keyId: key.keyId,
      platform: "anthropic",
      operation: "messages",
      modelAsked: model,
      outcome: "ok",
      status: 200,
      usageSource: "reported",
      usage: { inputTokens: data.usage.input_tokens, outputTokens: data.usage.output_tokens },
      overrunNanoUsd: 0,
    });
    expect(record.chargedNanoUsd).toBe(data.usage.input_tokens * 3000 + data.usage.output_tokens * 15_000);
  });

  it("stream, event by event", async () => {
    const stream = client().messages.stream({ model, max_tokens: 100, messages: hello });
    const types: string[] = [];
    stream.on("streamEvent", ({ type }) => types.push(type));
    const message = await stream.finalMessage();
    expect(types[0]).toBe("message_start");
    expect(types.at(-1)).toBe("message_stop");
    expect(message.stop_reason).toBe("end_turn");
  });

  it("of the old SDK, with its own header for the key, too", async () => {
    const old = new AnthropicOld({ baseURL: rig.url, apiKey: key.text, maxRetries: 0 });
    const message = await old.messages.create({ model, max_tokens: 100, messages: hello });
    expect(message.role).toBe("assistant");
    const [request] = rig.cloud.aiUpstream.requests.slice(-1);
    expect(request?.mentions(key.text)).toBe(false);
    expect(request?.key).toBeDefined();
  });
});

describe("a budget", () => {
  it("with room for the worst case of one request serves many, one after the other", async () => {
    // 20,000 tokens of output cost 0.3 dollars at most, and nearly nothing when the answer is there.
    const careful = client((await rig.addKey({ spend: { day: 400_000_000 } })).text);
    const asked = { model, max_tokens: 20_000, messages: hello };
    for (let turn = 0; turn < 12; turn += 1) {
      expect((await careful.messages.create(asked)).stop_reason).toBe("end_turn");
      const thinking = { type: "enabled", budget_tokens: 1024 } as const;
      const message = await careful.messages.stream({ ...asked, thinking }).finalMessage();
      expect(message.stop_reason).toBe("end_turn");
    }
  });

  it("that would be passed is refused before anything is sent, in a form that makes the SDK stop", async () => {
    const poor = await rig.addKey({ spend: { day: 1000 } });
    const sent = rig.cloud.aiUpstream.count;
    const asking = client(poor.text, { maxRetries: 2 }).messages.create({ model, max_tokens: 100, messages: hello });
    await expect(asking).rejects.toMatchObject({ status: expect.toBeOneOf([402, 429]) });
    expect(rig.cloud.aiUpstream.count).toBe(sent);
    const records = await rig.until("the record", async () => {
      const found = await rig.recordsOf(poor);
      return found.length > 0 ? found : undefined;
    });
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({ outcome: "refused", reason: "BudgetReached", chargedNanoUsd: 0 });
  });
});
