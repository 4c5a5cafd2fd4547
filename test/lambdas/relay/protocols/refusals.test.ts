// Tests of refusals with the vendors' SDKs: the class of error that each throws, and whether it tries again.
import type { APIError } from "@anthropic-ai/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { protocols } from "../../../../lambdas/relay/protocols/index.ts";
import { Refusal, type RefusalFacts, type RefusalName, refusalNames } from "../../../../lambdas/relay/refusal.ts";
import { type AnsweringServer, type ClientName, clients, startAnswering } from "./vendor-clients.ts";

const now = Date.UTC(2026, 10, 20, 12);
const inHours = now + 3 * 3600 * 1000;
const message = "This is why.";

/** With a window that ends in hours, or none. */
const day: RefusalFacts = { limit: 5_000_000_000, window: { kind: "day" }, resetAt: inHours };

let server: AnsweringServer;

beforeAll(async () => {
  server = await startAnswering();
});

afterAll(() => server.close());

function refuse(platform: keyof typeof protocols, name: RefusalName, facts: RefusalFacts = {}) {
  const answer = protocols[platform].refuse(new Refusal(name, message, facts), "req_1", now);
  return { ...answer, json: JSON.parse(String(answer.body)) };
}

/** What the client threw, and how often it asked. */
async function tryWith(client: ClientName, name: RefusalName, facts: RefusalFacts = {}, maxRetries = 2) {
  const platform = client.startsWith("@anth") ? "anthropic" : client.startsWith("openai") ? "openai" : "gemini";
  server.answer(refuse(platform, name, facts));
  const { error } = await clients[client](server.url, maxRetries);
  return {
    name: error?.constructor.name,
    status: (error as APIError | undefined)?.status,
    message: error?.message,
    asked: server.count,
  };
}

/** Refusals at which a client must stop by itself, each with what SDKs throw. */
const final: readonly (readonly [
  RefusalName,
  RefusalFacts,
  anthropic: readonly [string, number],
  openai: readonly [string, number],
  gemini: number,
])[] = [
  ["KeyMissing", {}, ["AuthenticationError", 401], ["AuthenticationError", 401], 403],
  ["KeyInvalid", {}, ["AuthenticationError", 401], ["AuthenticationError", 401], 400],
  ["KeyDisabled", {}, ["PermissionDeniedError", 403], ["PermissionDeniedError", 403], 403],
  ["KeyExpired", {}, ["PermissionDeniedError", 403], ["PermissionDeniedError", 403], 403],
  ["AddressNotAllowed", {}, ["PermissionDeniedError", 403], ["PermissionDeniedError", 403], 403],
  ["PlatformNotAllowed", {}, ["PermissionDeniedError", 403], ["PermissionDeniedError", 403], 403],
  ["ModelNotAllowed", {}, ["NotFoundError", 404], ["BadRequestError", 400], 404],
  ["PriceUnknown", {}, ["NotFoundError", 404], ["BadRequestError", 400], 404],
  ["NotSupported", {}, ["NotImplementedError", 501], ["InternalServerError", 501], 501],
  ["NotFound", {}, ["NotFoundError", 404], ["NotFoundError", 404], 404],
  ["ThingNotFound", {}, ["NotFoundError", 404], ["NotFoundError", 404], 404],
  ["MethodNotAllowed", { allow: ["POST"] }, ["APIError", 405], ["APIError", 405], 405],
  ["UpgradeRequired", {}, ["APIError", 426], ["APIError", 426], 426],
  ["BodyTooLarge", { limit: 4_500_000 }, ["ContentTooLargeError", 413], ["APIError", 413], 413],
  ["BodyInvalid", {}, ["BadRequestError", 400], ["BadRequestError", 400], 400],
  ["BudgetReached", day, ["RateLimitError", 429], ["RateLimitError", 429], 429],
  [
    "BudgetReached",
    { limit: 5_000_000_000, window: { kind: "total" } },
    ["PaymentRequiredError", 402],
    ["RateLimitError", 429],
    429,
  ],
  ["BalanceSpent", { limit: 0 }, ["PaymentRequiredError", 402], ["RateLimitError", 429], 429],
  ["AccountsLimited", { resetAt: inHours }, ["RateLimitError", 429], ["RateLimitError", 429], 429],
  ["TokensPerMinute", { limit: 10 }, ["RateLimitError", 429], ["RateLimitError", 429], 429],
];

const soon: RefusalFacts = { limit: 5, resetAt: now + 7000 };

/** Refusals after which a client may try again. */
const passing: readonly (readonly [
  RefusalName,
  RefusalFacts,
  anthropic: readonly [string, number],
  openai: readonly [string, number],
  gemini: number,
])[] = [
  ["RequestsPerMinute", soon, ["RateLimitError", 429], ["RateLimitError", 429], 429],
  ["TokensPerMinute", soon, ["RateLimitError", 429], ["RateLimitError", 429], 429],
  ["ConcurrencyReached", { limit: 20 }, ["RateLimitError", 429], ["RateLimitError", 429], 429],
  ["AccountsLimited", soon, ["RateLimitError", 429], ["RateLimitError", 429], 429],
  ["NoAccount", {}, ["ServiceUnavailableError", 503], ["InternalServerError", 503], 503],
  ["UpstreamFailed", {}, ["ServiceUnavailableError", 503], ["InternalServerError", 503], 503],
  ["UpstreamOverloaded", {}, ["OverloadedError", 529], ["InternalServerError", 503], 503],
  ["UpstreamTimeout", {}, ["GatewayTimeoutError", 504], ["InternalServerError", 504], 504],
  ["RelayUnavailable", {}, ["ServiceUnavailableError", 503], ["InternalServerError", 503], 503],
];

/** Classes that came with version 1 of Anthropic's SDK, and what version 0 throws. */
const older: Readonly<Record<string, string>> = {
  NotImplementedError: "InternalServerError",
  ServiceUnavailableError: "InternalServerError",
  OverloadedError: "InternalServerError",
  GatewayTimeoutError: "InternalServerError",
  ContentTooLargeError: "APIError",
  PaymentRequiredError: "APIError",
};

const anthropicSdks = ["@anthropic-ai/sdk 1", "@anthropic-ai/sdk 0"] as const;

/** The class that this version of the SDK throws. */
function classIn(client: (typeof anthropicSdks)[number], name: string): string {
  return client.endsWith("0") ? (older[name] ?? name) : name;
}

test("every refusal has its row", () => {
  expect(new Set([...final, ...passing].map(([name]) => name))).toEqual(new Set(refusalNames));
});

describe("a refusal that trying again does not help", () => {
  test.each(final)("stops the SDKs at once: %s %j", async (name, facts, anthropic, openai, gemini) => {
    for (const client of anthropicSdks) {
      expect(await tryWith(client, name, facts)).toMatchObject({
        name: classIn(client, anthropic[0]),
        status: anthropic[1],
        asked: 1,
      });
    }
    for (const client of ["openai 7, chat", "openai 6, chat", "openai 7, responses"] as const) {
      expect(await tryWith(client, name, facts)).toMatchObject({ name: openai[0], status: openai[1], asked: 1 });
    }
    expect(await tryWith("@google/genai", name, facts)).toMatchObject({ name: "ApiError", status: gemini, asked: 1 });
  });
});

describe("a refusal that passes by itself", () => {
  test.each(passing)("says so: %s %j", async (name, facts, anthropic, openai, gemini) => {
    for (const client of anthropicSdks) {
      expect(await tryWith(client, name, facts, 0)).toMatchObject({
        name: classIn(client, anthropic[0]),
        status: anthropic[1],
      });
    }
    expect(await tryWith("openai 7, chat", name, facts, 0)).toMatchObject({ name: openai[0], status: openai[1] });
    expect(await tryWith("@google/genai", name, facts)).toMatchObject({ name: "ApiError", status: gemini });
    for (const platform of ["anthropic", "openai", "gemini"] as const) {
      const { headers } = refuse(platform, name, facts);
      expect(headers["x-should-retry"]).toBe("true");
      if (facts.resetAt !== undefined) expect(headers["retry-after"]).toBe("7");
    }
  });

  test("is tried again by the SDKs", async () => {
    const facts = { resetAt: now + 1 };
    expect((await tryWith("@anthropic-ai/sdk 1", "RequestsPerMinute", facts, 1)).asked).toBe(2);
    expect((await tryWith("openai 7, chat", "RequestsPerMinute", facts, 1)).asked).toBe(2);
  });
});

describe("the words of a refusal", () => {
  test("reach the person in front of the client, with limit, window and reset", async () => {
    const said = "This is why. (limit 5.00 USD per day, resets at 2026-11-20T15:00:00.000Z)";
    for (const client of Object.keys(clients) as ClientName[]) {
      const { message } = await tryWith(client, "BudgetReached", day);
      expect(message).toContain(said);
    }
  });

  test("are not said twice where whoever refused has said them", () => {
    const own = new Refusal("BudgetReached", "At most 5.00 USD; ends at 2026-11-20T15:00:00.000Z.", day);
    const body = JSON.parse(String(protocols.anthropic.refuse(own, "req_1", now).body));
    expect(body.error.message).toBe("At most 5.00 USD; ends at 2026-11-20T15:00:00.000Z.");
  });

  test("are Anthropic's: type, code, request id, when to come again", () => {
    const { status, headers, json } = refuse("anthropic", "BudgetReached", day);
    expect(status).toBe(429);
    expect(headers).toMatchObject({ "request-id": "req_1", "x-should-retry": "false", "retry-after": "10800" });
    expect(json).toMatchObject({
      type: "error",
      error: { type: "rate_limit_error", details: { error_code: "budget_reached" } },
      request_id: "req_1",
    });
    expect(refuse("anthropic", "BalanceSpent").json.error.type).toBe("billing_error");
    expect(refuse("anthropic", "UpstreamOverloaded").json.error.type).toBe("overloaded_error");
  });

  test("are OpenAI's: Codex stops at the code insufficient_quota, whatever window is spent", () => {
    for (const name of ["BudgetReached", "BalanceSpent"] as const) {
      const { headers, json } = refuse("openai", name, day);
      expect(json.error).toMatchObject({ type: "insufficient_quota", code: "insufficient_quota", param: null });
      expect(headers["x-request-id"]).toBe("req_1");
    }
    expect(refuse("openai", "TokensPerMinute", soon).json.error).toMatchObject({
      type: "tokens",
      code: "rate_limit_exceeded",
    });
    expect(refuse("openai", "KeyInvalid").json.error.code).toBe("invalid_api_key");
    expect(refuse("openai", "NotSupported").json.error.code).toBe("not_supported");
  });

  test("are Google's: Gemini CLI stops at PerDay, and comes again after the delay of PerMinute", () => {
    const details = (name: RefusalName, facts: RefusalFacts) =>
      JSON.stringify(refuse("gemini", name, facts).json.error.details);
    expect(details("BudgetReached", day)).toMatch(/QuotaFailure.*PerDay/);
    expect(details("BudgetReached", day)).not.toContain("RetryInfo");
    expect(details("RequestsPerMinute", soon)).toMatch(/QuotaFailure.*PerMinute.*"retryDelay":"7s"/);
    expect(refuse("gemini", "BudgetReached", day).json.error).toMatchObject({
      code: 429,
      status: "RESOURCE_EXHAUSTED",
    });
    expect(details("KeyInvalid", {})).toContain("API_KEY_INVALID");
  });

  test("are AWS's for Bedrock's paths", () => {
    const { status, headers, json } = refuse("bedrock", "NotSupported");
    expect(status).toBe(501);
    expect(headers["x-amzn-errortype"]).toBe("NotSupported");
    expect(json.message).toBe(message);
  });

  test("name the methods that are taken", () => {
    for (const platform of ["anthropic", "openai", "gemini"] as const) {
      expect(refuse(platform, "MethodNotAllowed", { allow: ["GET", "POST"] }).headers.allow).toBe("GET, POST");
    }
  });

  test("never blame the client for a fault of the relay", () => {
    for (const platform of ["anthropic", "openai", "gemini"] as const) {
      for (const name of ["RelayUnavailable", "NoAccount", "UpstreamFailed"] as const) {
        expect(refuse(platform, name).status).toBe(503);
      }
    }
  });
});
