// Which upstreams of chat streams are asked for their usage, and what those get that refuse to be asked.
import { describe, expect, it } from "vitest";
import { openai } from "../../../../lambdas/relay/protocols/openai.ts";
import { type ProviderName, providerNamed } from "../../../../lambdas/relay/providers/index.ts";
import type { Account } from "../../../../lambdas/relay/scheduling/account.ts";
import { accountOf } from "./sample-calls.ts";

/** White space and a large number: the client's own bytes. */
const body = '{ "model": "mistral-large-latest", "stream": true, "seed": 9007199254740993, "messages": [] }';

async function sent(name: ProviderName, settings: Account["settings"], changes: Partial<Account> = {}, text = body) {
  const headers = { "content-type": "application/json" };
  const call = openai.read({
    method: "POST",
    path: "/v1/chat/completions",
    query: "",
    headers,
    body: Buffer.from(text),
  });
  if (!("upstream" in call)) throw new Error("The request was answered at once.");
  const provider = await providerNamed(name);
  const request = provider?.prepare(call, accountOf(name, { settings, ...changes }), { apiKey: "sk-own-1234567890" });
  return String(request?.body);
}

const asking = '"stream_options":{"include_usage":true}';

describe("usage of chat streams", () => {
  it.each<[ProviderName, Account["settings"]]>([
    ["openai", {}],
    ["openai-compatible", { baseUrl: "https://api.deepseek.com/v1" }],
    ["openai-compatible", { baseUrl: "https://mistral.ai.example.com/v1" }],
    ["openai-compatible", { baseUrl: "https://api.mistral.ai/v1", streamUsage: "asked-for" }],
  ])("is asked for: %s %j", async (name, settings) => {
    expect(await sent(name, settings)).toContain(asking);
  });

  it.each<[Account["settings"]]>([
    [{ baseUrl: "https://api.mistral.ai/v1" }],
    [{ baseUrl: "https://API.Mistral.AI" }],
    [{ baseUrl: "https://llm.example.com/v1", streamUsage: "by-itself" }],
  ])(
    "is not asked for where the server tells it by itself, and the client's bytes go as they came: %j",
    async (settings) => {
      expect(await sent("openai-compatible", settings)).toBe(body);
    },
  );

  it("is not asked for under another name of the model either", async () => {
    const settings = { baseUrl: "https://api.mistral.ai/v1" };
    const modelMapping = { "mistral-*": "mistral-medium-2511" };
    expect(await sent("openai-compatible", settings, { modelMapping })).toBe(
      body.replace("mistral-large-latest", "mistral-medium-2511"),
    );
  });

  it("stays where the client asked for it itself", async () => {
    const own = body.replace("{ ", '{ "stream_options": { "include_usage": true }, ');
    expect(await sent("openai-compatible", { baseUrl: "https://api.mistral.ai/v1" }, {}, own)).toBe(own);
  });
});
