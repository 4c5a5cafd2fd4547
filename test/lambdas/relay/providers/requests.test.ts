// Where each provider's requests go, and what of the account they carry.
import { describe, expect, it } from "vitest";
import { type ProviderName, providerNamed } from "../../../../lambdas/relay/providers/index.ts";
import { mappedModel } from "../../../../lambdas/relay/providers/provider.ts";
import type { Account } from "../../../../lambdas/relay/scheduling/account.ts";
import { accountOf, callOf, platformOf } from "./sample-calls.ts";

const credential = { apiKey: "sk-own-1234567890" };

async function prepared(name: ProviderName, settings: Account["settings"], path: string) {
  const provider = await providerNamed(name);
  const call = callOf(platformOf[name], { path });
  return provider?.prepare(call, accountOf(name, { settings }), credential);
}

async function probed(name: ProviderName, settings: Account["settings"]) {
  return (await providerNamed(name))?.probe(accountOf(name, { settings }), credential);
}

describe("addresses", () => {
  it.each<[ProviderName, string | undefined, string, string]>([
    ["anthropic", undefined, "/v1/messages", "https://api.anthropic.com/v1/messages"],
    ["anthropic-compatible", "https://a.example/", "/v1/messages", "https://a.example/v1/messages"],
    [
      "anthropic-compatible",
      "https://a.example/api/anthropic",
      "/v1/messages",
      "https://a.example/api/anthropic/v1/messages",
    ],
    [
      "anthropic-compatible",
      "https://a.example/v1",
      "/v1/messages/count_tokens",
      "https://a.example/v1/messages/count_tokens",
    ],
    ["anthropic-compatible", "https://a.example/v1/", "/v1/models", "https://a.example/v1/models"],
    [
      "anthropic-compatible",
      "https://a.example:8443/v1/anthropic",
      "/v1/messages",
      "https://a.example:8443/v1/anthropic/v1/messages",
    ],
    ["openai", undefined, "/v1/responses", "https://api.openai.com/v1/responses"],
    ["openai-compatible", "https://a.example", "/v1/chat/completions", "https://a.example/v1/chat/completions"],
    ["openai-compatible", "https://a.example/v1", "/v1/chat/completions", "https://a.example/v1/chat/completions"],
    [
      "openai-compatible",
      "https://a.example/api/paas/v4/",
      "/v1/chat/completions",
      "https://a.example/api/paas/v4/chat/completions",
    ],
    [
      "openai-compatible",
      "https://a.example/v1beta/openai",
      "/v1/embeddings",
      "https://a.example/v1beta/openai/embeddings",
    ],
    ["openai-compatible", "https://a.example/openai", "/v1/models/a%2Fb", "https://a.example/openai/v1/models/a%2Fb"],
    ["gemini", undefined, "/v1beta/models", "https://generativelanguage.googleapis.com/v1beta/models"],
    [
      "gemini",
      "https://a.example/v1beta",
      "/v1beta/models/m:countTokens",
      "https://a.example/v1beta/models/m:countTokens",
    ],
    [
      "gemini",
      "https://a.example/gemini",
      "/v1/models/m:embedContent",
      "https://a.example/gemini/v1/models/m:embedContent",
    ],
  ])("%s at %s: %s", async (name, baseUrl, path, url) => {
    const request = await prepared(name, baseUrl === undefined ? {} : { baseUrl }, path);
    expect(request?.url).toBe(url);
  });

  it.each([
    "ftp://a.example",
    "https://user:pw@a.example/",
    "https://a.example/?key=1",
    "https://a.example/#x",
    "a.example",
    "https://",
    "https://a.example/a b",
    "https://a.example\\@b.example",
  ])("are refused as base URL: %s", async (baseUrl) => {
    for (const name of ["anthropic-compatible", "openai-compatible", "gemini"] as const) {
      expect((await providerNamed(name))?.settings.safeParse({ baseUrl }).success, name).toBe(false);
    }
  });
});

describe("credentials", () => {
  it("of Anthropic go as a key or as a bearer, whatever the client used", async () => {
    const key = await prepared("anthropic", {}, "/v1/messages");
    expect(key?.headers).toMatchObject({ "x-api-key": credential.apiKey });
    expect(key?.headers).not.toHaveProperty("authorization");
    const bearer = await prepared(
      "anthropic-compatible",
      { baseUrl: "https://a.example", auth: "bearer" },
      "/v1/messages",
    );
    expect(bearer?.headers).toMatchObject({ authorization: `Bearer ${credential.apiKey}` });
    expect(bearer?.headers).not.toHaveProperty("x-api-key");
  });

  it("of OpenAI name organisation and project where the account does", async () => {
    const own = await prepared("openai", { organization: "org-a", project: "proj_b" }, "/v1/models");
    expect(own?.headers).toMatchObject({
      authorization: `Bearer ${credential.apiKey}`,
      "openai-organization": "org-a",
      "openai-project": "proj_b",
    });
    const plain = await prepared("openai", {}, "/v1/models");
    expect(Object.keys(plain?.headers ?? {}).filter((name) => name.startsWith("openai-"))).toEqual([]);
  });

  it("of Gemini go in a header, and no app's name beside them", async () => {
    const provider = await providerNamed("gemini");
    const call = callOf("gemini", { headers: { "x-android-package": "com.client", "x-goog-api-client": "js" } });
    const request = provider?.prepare(call, accountOf("gemini"), credential);
    expect(request?.headers).toMatchObject({ "x-goog-api-key": credential.apiKey, "x-goog-api-client": "js" });
    expect(request?.headers).not.toHaveProperty("x-android-package");
  });

  it("of Gemini stand beside no parameter of the client's that says who asks or who pays", async () => {
    const provider = await providerNamed("gemini");
    const query =
      "alt=sse&%24access_token=x&userProject=theirs&$quotaUser=y&bearer%5Ftoken=z&$key=w&oauth_token=&pageSize=2";
    const request = provider?.prepare(callOf("gemini", { query }), accountOf("gemini"), credential);
    expect(request?.url).toMatch(/\?alt=sse&pageSize=2$/);
  });
});

describe("probes", () => {
  it("ask for the list of models, which costs nothing", async () => {
    const requests = await Promise.all([probed("anthropic", {}), probed("openai", {}), probed("gemini", {})]);
    expect(requests.map((request) => `${request?.method} ${request?.url}`)).toEqual([
      "GET https://api.anthropic.com/v1/models?limit=1",
      "GET https://api.openai.com/v1/models",
      "GET https://generativelanguage.googleapis.com/v1beta/models?pageSize=1",
    ]);
    expect(requests[0]?.headers).toMatchObject({ "anthropic-version": "2023-06-01" });
  });

  it("ask for one token where the account says of which model: some providers show their list to anybody", async () => {
    const settings = { baseUrl: "https://a.example/v1", probeModel: "m" };
    const anthropic = await probed("anthropic-compatible", settings);
    expect(anthropic).toMatchObject({ method: "POST", url: "https://a.example/v1/messages" });
    expect(JSON.parse(anthropic?.body.toString() ?? "")).toMatchObject({ model: "m", max_tokens: 1 });
    const openai = await probed("openai-compatible", settings);
    expect(openai).toMatchObject({ method: "POST", url: "https://a.example/v1/chat/completions" });
    expect(JSON.parse(openai?.body.toString() ?? "")).toMatchObject({ model: "m", max_tokens: 1 });
  });
});

describe("a mapped model", () => {
  it.each([
    [{}, "a", "a"],
    [{ a: "b" }, "a", "b"],
    [{ "claude-*": "x", "claude-opus-*": "y" }, "claude-opus-5", "y"],
    [{ "claude-*": "x", "claude-opus-5": "z" }, "claude-opus-5", "z"],
    [{ "claude-*": "x" }, "gpt-5", "gpt-5"],
    [{ "*": "x" }, "", ""],
    [{ "*": "x" }, "constructor", "x"],
    [{}, "constructor", "constructor"],
  ])("of %j and %j is %j", (modelMapping, model, to) => {
    expect(mappedModel({ modelMapping } as Pick<Account, "modelMapping">, model)).toBe(to);
  });
});
