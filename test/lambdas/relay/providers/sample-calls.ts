// Calls and accounts for tests of providers.

import type { Platform } from "../../../../lambdas/relay/platform.ts";
import type { Call } from "../../../../lambdas/relay/protocols/protocol.ts";
import type { ProviderName } from "../../../../lambdas/relay/providers/index.ts";
import { type Account, accountSchema } from "../../../../lambdas/relay/scheduling/account.ts";

export const now = Date.parse("2026-11-20T12:00:00.000Z");

/** An account of each provider, as an operator would have set it up. */
export const settingsOf: Readonly<Record<ProviderName, Readonly<Record<string, unknown>>>> = {
  anthropic: {},
  "anthropic-compatible": { baseUrl: "https://gateway.example.com/anthropic" },
  openai: { organization: "org-own", project: "proj_own" },
  "openai-compatible": { baseUrl: "https://gateway.example.com/openai/v1" },
  gemini: {},
};

export const platformOf: Readonly<Record<ProviderName, Platform>> = {
  anthropic: "anthropic",
  "anthropic-compatible": "anthropic",
  openai: "openai",
  "openai-compatible": "openai",
  gemini: "gemini",
};

export function accountOf(provider: ProviderName, changes: Partial<Account> = {}): Account {
  return {
    ...accountSchema.parse({
      name: "one",
      provider,
      settings: settingsOf[provider],
      accountId: "acc-1",
      platform: platformOf[provider],
      version: 1,
      credentialVersion: 1,
      createdAt: "",
      changedAt: "",
      condition: { state: "healthy", since: 0, until: null, failures: 0 },
      familyConditions: {},
    }),
    ...changes,
  };
}

const models: Readonly<Record<Platform, string>> = {
  anthropic: "claude-opus-5-5",
  openai: "gpt-5.5",
  gemini: "gemini-3-pro",
};

const paths: Readonly<Record<Platform, string>> = {
  anthropic: "/v1/messages",
  openai: "/v1/chat/completions",
  gemini: "/v1beta/models/gemini-3-pro:generateContent",
};

export function callOf(platform: Platform, upstream: Partial<Call["upstream"]> = {}): Call {
  return {
    platform,
    operation: "any",
    metering: "metered",
    model: models[platform],
    answers: "json",
    upstream: {
      method: "POST",
      path: paths[platform],
      query: "",
      headers: { "content-type": "application/json", "user-agent": "client/1" },
      body: Buffer.from(JSON.stringify({ model: models[platform], messages: [] })),
      ...upstream,
    },
    demand: {
      inputBytes: 1,
      hasInputElsewhere: false,
      mostOutputTokens: undefined,
      answers: 1,
      hasVisibleOutput: true,
      serverTools: {},
    },
    sessions: [],
    boundIds: [],
  };
}

/** An answer with an error's body. */
export function answerOf(status: number, body: unknown = {}, headers: Readonly<Record<string, string>> = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { status, headers, body: Buffer.from(text) };
}
