// OpenAI's answers and its peers', form by form: what each says of the account, and until when.
import { describe, expect, it } from "vitest";
import { openai } from "../../../../lambdas/relay/providers/openai.ts";
import { answerOf, now } from "./sample-calls.ts";

const asked = { model: "gpt-5.5", family: "gpt-5" };
const errorOf = (type: string, code: string | null, message: string) => ({
  error: { message, type, param: null, code },
});

describe("a 429", () => {
  const limit = (message = "Rate limit reached for requests") => errorOf("requests", "rate_limit_exceeded", message);
  const buckets = (requests: [string, string], tokens: [string, string]) => ({
    "x-ratelimit-remaining-requests": requests[0],
    "x-ratelimit-reset-requests": requests[1],
    "x-ratelimit-remaining-tokens": tokens[0],
    "x-ratelimit-reset-tokens": tokens[1],
  });

  it.each<[string, string | undefined, Record<string, string>, number | undefined]>([
    ["says nothing more", undefined, {}, undefined],
    ["says seconds", undefined, { "retry-after": "20" }, 20],
    ["says milliseconds", undefined, { "retry-after-ms": "340" }, 0.34],
    ["has no requests left", undefined, buckets(["0", "6m0s"], ["100", "1s"]), 360],
    ["has no tokens left", undefined, buckets(["5", "1h0m0s"], ["0", "1m12.5s"]), 72.5],
    ["has neither left", undefined, buckets(["0", "8.64s"], ["0", "20ms"]), 8.64],
    ["says it in its message", "Rate limit reached. Please try again in 1h12m0s. Visit", {}, 4320],
    ["says it in its message, short", "Please try again in 340ms.", {}, 0.34],
    ["says it in its message, with a fraction", "Please try again in 7.66s. Visit", {}, 7.66],
  ])("that %s", (_what, message, headers, seconds) => {
    const verdict = openai.judge(answerOf(429, limit(message), headers), asked, now);
    const until = seconds === undefined ? undefined : Math.ceil(now + seconds * 1000);
    expect(verdict).toMatchObject({
      change: { state: "rate-limited", family: "gpt-5" },
      refusal: { name: "AccountsLimited" },
    });
    expect((verdict as { change: { until?: number } }).change.until).toBe(until);
  });

  it.each([
    errorOf(
      "insufficient_quota",
      "insufficient_quota",
      "You exceeded your current quota, please check your plan and billing details.",
    ),
    errorOf("insufficient_quota", null, "x"),
    errorOf("exceeded_current_quota_error", null, "Your account is out of balance"),
    errorOf("invalid_request_error", "billing_hard_limit_reached", "x"),
  ])("of a quota that is gone has no end of its own: %j", (body) => {
    const verdict = openai.judge(answerOf(429, body, { "retry-after": "1" }), asked, now);
    expect(verdict).toMatchObject({ change: { state: "quota-spent" }, refusal: { name: "AccountsLimited" } });
    expect(verdict).not.toHaveProperty("change.until");
    expect(verdict).not.toHaveProperty("change.family");
  });

  it("of an account that is not active blocks it", () => {
    const body = errorOf(
      "billing_not_active",
      "billing_not_active",
      "Your account is not active, please check your billing details.",
    );
    expect(openai.judge(answerOf(429, body), asked, now)).toMatchObject({ change: { state: "blocked" } });
  });

  it("of one request that is larger than the account's limit leaves it as it is: a larger account may take it", () => {
    const message =
      "Request too large for gpt-5.5 in organization org-x on tokens per min (TPM): Limit 10000, Requested 20000.";
    const verdict = openai.judge(answerOf(429, errorOf("tokens", "rate_limit_exceeded", message)), asked, now);
    expect(verdict).toMatchObject({
      kind: "account",
      refusal: { name: "NoAccount", message: expect.not.stringContaining("org-x") },
    });
    expect(verdict).not.toHaveProperty("change");
  });

  it("of a used-up plan lasts until it says", () => {
    const until = now + 7_200_000;
    const body = { error: { type: "usage_limit_reached", message: "m", resets_at: until / 1000 } };
    expect(openai.judge(answerOf(429, body), asked, now)).toMatchObject({ change: { state: "quota-spent", until } });
    const relative = { error: { type: "usage_limit_reached", message: "m", resets_in_seconds: 7200 } };
    expect(openai.judge(answerOf(429, relative), asked, now)).toMatchObject({ change: { until } });
  });
});

describe("a refusal", () => {
  it.each<[number, object]>([
    [401, errorOf("invalid_request_error", "invalid_api_key", "Incorrect API key provided: sk-ab***wxyz.")],
    [401, { error: "unauthorized" }],
    [
      400,
      { error: { code: 400, message: "API key not valid. Please pass a valid API key.", status: "INVALID_ARGUMENT" } },
    ],
  ])("of the key: %s %j", (status, body) => {
    expect(openai.judge(answerOf(status, body), asked, now)).toMatchObject({ change: { state: "unauthorised" } });
  });

  it.each<[number, object]>([
    [
      401,
      errorOf(
        "invalid_request_error",
        "account_deactivated",
        "The OpenAI account associated with this API key has been deactivated.",
      ),
    ],
    [
      403,
      errorOf(
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
      ),
    ],
    [401, errorOf("invalid_request_error", "ip_not_authorized", "Your IP is not allowed")],
  ])("of the account: %s %j", (status, body) => {
    expect(openai.judge(answerOf(status, body), asked, now)).toMatchObject({ change: { state: "blocked" } });
  });

  it.each<[number, object]>([
    [
      403,
      errorOf(
        "invalid_request_error",
        "model_not_found",
        "Project `proj_secret` does not have access to model `gpt-5.5`",
      ),
    ],
    [
      401,
      errorOf(
        "invalid_request_error",
        null,
        "You have insufficient permissions for this operation. Missing scopes: api.responses.write.",
      ),
    ],
    [403, errorOf("insufficient_permissions", null, "x")],
  ])("of what this key may not do leaves it as it is: %s %j", (status, body) => {
    const verdict = openai.judge(answerOf(status, body), asked, now);
    expect(verdict).toMatchObject({
      kind: "account",
      refusal: { name: "NoAccount", message: expect.not.stringContaining("proj_") },
    });
    expect(verdict).not.toHaveProperty("change");
  });

  it.each<[number, object]>([
    [
      404,
      errorOf(
        "invalid_request_error",
        "model_not_found",
        "The model `x` does not exist or you do not have access to it.",
      ),
    ],
    [400, errorOf("invalid_request_error", "content_policy_violation", "Your request was rejected")],
    [400, errorOf("invalid_request_error", "context_length_exceeded", "This model's maximum context length is")],
    [
      403,
      {
        error: {
          code: 403,
          message: "openai/gpt requires moderation. Your input was flagged",
          metadata: { reasons: ["violence"] },
        },
      },
    ],
    [403, errorOf("content_policy", null, "x")],
    [400, errorOf("invalid_request_error", null, "messages[0].content: Incorrect API key")],
  ])("of the request passes: %s %j", (status, body) => {
    expect(openai.judge(answerOf(status, body), asked, now)).toEqual({ kind: "pass" });
  });

  it("for want of money, as peers say it", () => {
    const verdict = openai.judge(
      answerOf(402, errorOf("unknown_error", "invalid_request_error", "Insufficient Balance")),
      asked,
      now,
    );
    expect(verdict).toMatchObject({ change: { state: "quota-spent" } });
  });
});

describe("an error in the stream", () => {
  it.each([
    ["insufficient_quota", "quota-spent"],
    ["rate_limit_exceeded", "rate-limited"],
    ["server_error", "failing"],
    ["server_is_overloaded", "overloaded"],
    ["slow_down", "overloaded"],
  ])("%s is judged as with its status: %s", (type, state) => {
    expect(openai.judgeStreamed({ type, message: "m" }, asked, now)).toMatchObject({ change: { state } });
  });

  it("about the request passes", () => {
    expect(openai.judgeStreamed({ type: "invalid_prompt", message: "m" }, asked, now)).toEqual({ kind: "pass" });
  });
});

describe("a success", () => {
  const headers = (remaining: string, reset: string) => ({
    "x-ratelimit-remaining-requests": remaining,
    "x-ratelimit-reset-requests": reset,
  });

  it("that was the last one for a while says until when", () => {
    expect(openai.foresee(headers("0", "6m0s"), asked, now)).toMatchObject({ until: now + 360_000, family: "gpt-5" });
  });

  it.each([headers("1", "6m0s"), headers("0", "120ms"), headers("0", "soon"), {}])("with %j says nothing", (these) => {
    expect(openai.foresee(these, asked, now)).toBeUndefined();
  });
});
