// Anthropic's answers, form by form: what each says of the account, and until when.
import { describe, expect, it } from "vitest";
import { anthropic } from "../../../../lambdas/relay/providers/anthropic.ts";
import { answerOf, now } from "./sample-calls.ts";

const asked = { model: "claude-opus-5-5", family: "opus" };
const errorOf = (type: string, message: string, details?: object) => ({
  type: "error",
  error: { type, message, ...(details && { details }) },
  request_id: "req_1",
});
const unixIn = (seconds: number) => String(now / 1000 + seconds);
const timeIn = (seconds: number) => new Date(now + seconds * 1000).toISOString().replace(".000Z", "Z");

describe("a 429", () => {
  const limit = errorOf("rate_limit_error", "This request would exceed your organization's rate limit.");
  const plain = (seconds: number) => ({
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": timeIn(seconds),
    "anthropic-ratelimit-tokens-remaining": "4000",
    "anthropic-ratelimit-tokens-reset": timeIn(900),
  });
  const unified = (window: string, claim: string, seconds: number) => ({
    "anthropic-ratelimit-unified-status": "rejected",
    "anthropic-ratelimit-unified-reset": unixIn(seconds),
    "anthropic-ratelimit-unified-representative-claim": claim,
    "anthropic-ratelimit-unified-overage-status": "rejected",
    [`anthropic-ratelimit-unified-${window}-status`]: "rejected",
    [`anthropic-ratelimit-unified-${window}-reset`]: unixIn(seconds),
  });

  it.each<[string, Record<string, string>, number | undefined, string | undefined]>([
    ["says nothing more", {}, undefined, "opus"],
    ["says seconds", { "retry-after": "12" }, 12, "opus"],
    ["says milliseconds, which are finer", { "retry-after-ms": "1500", "retry-after": "2" }, 1.5, "opus"],
    ["says a date", { "retry-after": new Date(now + 60_000).toUTCString() }, 60, "opus"],
    ["has an empty bucket", plain(37), 37, "opus"],
    ["has an empty bucket, but takes the next one earlier", { ...plain(37), "retry-after": "5" }, 5, "opus"],
    ["closes a window for all", unified("5h", "five_hour", 7200), 7200, undefined],
    [
      "closes a window for all, retry-after or not",
      { ...unified("7d", "seven_day", 86_400), "retry-after": "9" },
      86_400,
      undefined,
    ],
    ["closes a family's window", unified("7d_opus", "seven_day_opus", 3600), 3600, "opus"],
    [
      "closes a window that it names by its claim alone",
      {
        "anthropic-ratelimit-unified-status": "rejected",
        "anthropic-ratelimit-unified-reset": unixIn(99),
        "anthropic-ratelimit-unified-representative-claim": "seven_day_opus",
      },
      99,
      "opus",
    ],
    ["closes two windows", { ...unified("5h", "five_hour", 60), ...unified("7d", "seven_day", 600) }, 600, undefined],
    ["says a time that is past", { "retry-after": "0", ...plain(-5) }, undefined, "opus"],
    ["says nonsense", { "retry-after": "soon", "anthropic-ratelimit-requests-remaining": "0" }, undefined, "opus"],
    ["says a year", { "retry-after": "31536000" }, undefined, "opus"],
  ])("that %s", (_what, headers, seconds, family) => {
    const verdict = anthropic.judge(answerOf(429, limit, headers), asked, now);
    const until = seconds === undefined ? undefined : now + seconds * 1000;
    expect(verdict).toEqual({
      kind: "account",
      change: {
        state: "rate-limited",
        said: "HTTP 429 rate_limit_error: This request would exceed your organization's rate limit.",
        ...(until !== undefined && { until }),
        ...(family !== undefined && { family }),
      },
      refusal: expect.objectContaining({
        name: "AccountsLimited",
        facts: until === undefined ? {} : { resetAt: until },
      }),
    });
  });
});

describe("money", () => {
  it.each<[number, object, number | undefined]>([
    [402, errorOf("billing_error", "Your credit balance is too low to access the Anthropic API."), undefined],
    [
      400,
      errorOf(
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
      ),
      undefined,
    ],
    [
      400,
      errorOf(
        "invalid_request_error",
        "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
      ),
      Date.parse("2026-12-01T00:00:00Z"),
    ],
    [400, errorOf("invalid_request_error", "x", { error_code: "enforced_spend_limit_reached" }), undefined],
    [403, errorOf("permission_error", "x", { error_code: "contract_spend_limit_reached" }), undefined],
    [429, errorOf("rate_limit_error", "x", { error_code: "enforced_spend_limit_reached" }), undefined],
  ])("that is gone: %s %j", (status, body, until) => {
    const verdict = anthropic.judge(answerOf(status, body), asked, now);
    expect(verdict).toMatchObject({ change: { state: "quota-spent" }, refusal: { name: "AccountsLimited" } });
    expect(verdict).not.toHaveProperty("change.family");
    if (until !== undefined) expect(verdict).toMatchObject({ change: { until } });
  });

  it("is not meant by a request that speaks of it", () => {
    const body = errorOf(
      "invalid_request_error",
      "messages.0.content: Your credit balance is too low to access the Anthropic API.",
    );
    expect(anthropic.judge(answerOf(400, body), asked, now)).toEqual({ kind: "pass" });
  });
});

describe("a refusal", () => {
  it.each([
    [400, "This organization has been disabled."],
    [403, "This organization has been disabled."],
    [403, "Your API key has been revoked."],
  ])("that closes the account: %s %s", (status, message) => {
    const verdict = anthropic.judge(answerOf(status, errorOf("permission_error", message)), asked, now);
    expect(verdict).toMatchObject({ change: { state: "blocked" }, refusal: { name: "UpstreamFailed" } });
  });

  it.each([
    "Your API key does not have permission to use the specified resource.",
    "Your organization does not have access to claude-opus-5-5.",
    "The long context beta is not available for this account.",
  ])("of what this account lacks leaves it as it is, and lets another one try: %s", (message) => {
    const verdict = anthropic.judge(answerOf(403, errorOf("permission_error", message)), asked, now);
    expect(verdict).toMatchObject({ kind: "account", refusal: { name: "NoAccount" } });
    expect(verdict).not.toHaveProperty("change");
  });

  it("for long context, which its plan has not, is no limit of the account's", () => {
    const error = errorOf("rate_limit_error", "Extra usage is required for long context requests.");
    const verdict = anthropic.judge(answerOf(429, error), asked, now);
    expect(verdict).toMatchObject({ kind: "account", refusal: { name: "NoAccount" } });
    expect(verdict).not.toHaveProperty("change");
  });

  it("that one program meets and another does not, locks no account out", () => {
    const body = { error: { type: "forbidden", message: "Request not allowed" } };
    const verdict = anthropic.judge(answerOf(403, body), asked, now);
    expect(verdict).toMatchObject({ change: { state: "failing", isDoubtful: true } });
  });

  it("that nobody knows pauses the account for that family only", () => {
    const verdict = anthropic.judge(answerOf(403, "<html>Forbidden</html>"), asked, now);
    expect(verdict).toMatchObject({
      change: { state: "failing", family: "opus", said: "HTTP 403: <html>Forbidden</html>" },
    });
  });

  it("of an overloaded model is its family's", () => {
    const verdict = anthropic.judge(answerOf(529, errorOf("overloaded_error", "Overloaded")), asked, now);
    expect(verdict).toMatchObject({
      change: { state: "overloaded", family: "opus" },
      refusal: { name: "UpstreamOverloaded" },
    });
  });
});

describe("an error in the stream", () => {
  it.each([
    ["overloaded_error", "overloaded", "UpstreamOverloaded"],
    ["rate_limit_error", "rate-limited", "AccountsLimited"],
    ["api_error", "failing", "UpstreamFailed"],
    ["timeout_error", "failing", "UpstreamTimeout"],
    ["authentication_error", "unauthorised", "UpstreamFailed"],
    ["billing_error", "quota-spent", "AccountsLimited"],
    ["something_new", "failing", "UpstreamFailed"],
  ])("%s is judged as with its status: %s", (type, state, refusal) => {
    expect(anthropic.judgeStreamed({ type, message: "m" }, asked, now)).toMatchObject({
      change: { state },
      refusal: { name: refusal },
    });
  });

  it("about the request passes", () => {
    expect(anthropic.judgeStreamed({ type: "invalid_request_error", message: "m" }, asked, now)).toEqual({
      kind: "pass",
    });
  });
});

describe("a success", () => {
  it("with room left says nothing", () => {
    const headers = { "anthropic-ratelimit-requests-remaining": "3", "anthropic-ratelimit-requests-reset": timeIn(60) };
    expect(anthropic.foresee(headers, asked, now)).toBeUndefined();
    expect(anthropic.foresee({}, asked, now)).toBeUndefined();
  });

  it("that was the last one says until when", () => {
    const headers = {
      "anthropic-ratelimit-requests-remaining": "3",
      "anthropic-ratelimit-output-tokens-remaining": "0",
      "anthropic-ratelimit-output-tokens-reset": timeIn(42),
    };
    expect(anthropic.foresee(headers, asked, now)).toMatchObject({
      state: "rate-limited",
      until: now + 42_000,
      family: "opus",
    });
  });

  it("of a subscription whose window is closed says so, unless more is paid for", () => {
    const headers = {
      "anthropic-ratelimit-unified-status": "rejected",
      "anthropic-ratelimit-unified-reset": unixIn(600),
      "anthropic-ratelimit-unified-representative-claim": "five_hour",
    };
    expect(anthropic.foresee(headers, asked, now)).toEqual({
      state: "rate-limited",
      until: now + 600_000,
      said: "the answer's rate-limit headers",
    });
    const paid = { ...headers, "anthropic-ratelimit-unified-overage-status": "allowed" };
    expect(anthropic.foresee(paid, asked, now)).toBeUndefined();
  });
});
