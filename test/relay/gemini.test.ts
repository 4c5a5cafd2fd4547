// Google's official SDK through the relay: content, streams of both forms, tokens and embeddings, counted and refused rightly.
import { GoogleGenAI } from "@google/genai";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { RelayRig, type RigKey } from "./relay-rig.ts";

const model = "gemini-3.5-flash";
const contents = "Say hi.";

let rig: RelayRig;
let key: RigKey;

beforeAll(async () => {
  rig = await RelayRig.start();
  await rig.addAccount("gemini");
  key = await rig.addKey();
});

afterEach(() => {
  rig.cloud.aiUpstream.clear();
});

afterAll(async () => {
  await rig?.close();
});

function client(apiKey = key.text): GoogleGenAI {
  return new GoogleGenAI({ apiKey, httpOptions: { baseUrl: rig.url } });
}

describe("content", () => {
  it("is generated, and the record counts what the provider reported", async () => {
    const answer = await client().models.generateContent({ model, contents });
    expect(answer.text).toMatch(/./);
    const records = await rig.until("the record", async () => {
      const found = await rig.recordsOf(key);
      return found.length > 0 ? found : undefined;
    });
    expect(records[0]).toMatchObject({
      ...{ platform: "gemini", operation: "generate", modelAsked: model, outcome: "ok", usageSource: "reported" },
      usage: { inputTokens: answer.usageMetadata?.promptTokenCount },
    });
  });

  it("streams", async () => {
    let text = "";
    for await (const chunk of await client().models.generateContentStream({ model, contents }))
      text += chunk.text ?? "";
    expect(text).toMatch(/./);
  });

  it("streams as an array where no events were asked for, and with the key in the query, which goes no further", async () => {
    const url = `${rig.url}/v1beta/models/${model}:streamGenerateContent?key=${key.text}`;
    const body = JSON.stringify({ contents: [{ role: "user", parts: [{ text: contents }] }] });
    const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    expect(answer.status).toBe(200);
    const chunks = (await answer.json()) as unknown[];
    expect(chunks.length).toBeGreaterThan(0);
    const request = rig.cloud.aiUpstream.requests.at(-1);
    expect(request?.mentions(key.text)).toBe(false);
  });

  it("tokens are counted, and texts embedded", async () => {
    expect((await client().models.countTokens({ model, contents })).totalTokens).toBeGreaterThan(0);
    const embedded = await client().models.embedContent({ model: "gemini-embedding-001", contents: ["a", "b"] });
    expect(embedded.embeddings).toHaveLength(2);
  });
});

describe("a budget that is spent", () => {
  it("is a quota per day, and counting tokens goes on", async () => {
    const poor = await rig.addKey({ spend: { day: 10 } });
    const sent = rig.cloud.aiUpstream.count;
    await expect(client(poor.text).models.generateContent({ model, contents })).rejects.toMatchObject({ status: 429 });
    expect(rig.cloud.aiUpstream.count).toBe(sent);
    expect((await client(poor.text).models.countTokens({ model, contents })).totalTokens).toBeGreaterThan(0);
  });
});
