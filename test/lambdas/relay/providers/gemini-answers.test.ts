// Gemini's answers, form by form: what each says of the account, and until when.
import { describe, expect, it } from "vitest";
import { gemini } from "../../../../lambdas/relay/providers/gemini.ts";
import { answerOf, now } from "./sample-calls.ts";

const asked = { model: "gemini-3-pro", family: "gemini-pro" };

const errorOf = (code: number, status: string, message: string, ...details: readonly object[]) => ({
  error: { code, message, status, ...(details.length > 0 && { details }) },
});
const reason = (name: string) => ({
  "@type": "type.googleapis.com/google.rpc.ErrorInfo",
  reason: name,
  domain: "googleapis.com",
});
const retryIn = (retryDelay: string) => ({ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay });
const quota = (...quotaIds: readonly string[]) => ({
  "@type": "type.googleapis.com/google.rpc.QuotaFailure",
  violations: quotaIds.map((quotaId) => ({ quotaMetric: "m", quotaId, quotaValue: "20" })),
});

describe("a 429", () => {
  const exhausted = (...details: readonly object[]) =>
    errorOf(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", ...details);
  /** Midnight in Los Angeles, in winter. */
  const midnight = Date.parse("2026-11-21T08:00:00Z");

  it.each<[string, object, Record<string, string>, string, number | undefined, string | undefined]>([
    ["says nothing more", exhausted(), {}, "rate-limited", undefined, "gemini-pro"],
    [
      "says how long",
      exhausted(retryIn("34.074824224s")),
      {},
      "rate-limited",
      Math.ceil(now + 34_074.824224),
      "gemini-pro",
    ],
    ["says it in a header", exhausted(), { "retry-after": "9" }, "rate-limited", now + 9000, "gemini-pro"],
    [
      "is of a minute and a model",
      exhausted(quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"), retryIn("7s")),
      {},
      "rate-limited",
      now + 7000,
      "gemini-pro",
    ],
    [
      "is of a minute and the project",
      exhausted(quota("GenerateRequestsPerMinutePerProject"), retryIn("7s")),
      {},
      "rate-limited",
      now + 7000,
      undefined,
    ],
    [
      "is of a day, whatever RetryInfo says",
      exhausted(quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), retryIn("21s")),
      {},
      "quota-spent",
      midnight,
      "gemini-pro",
    ],
    [
      "is of a day and a minute",
      exhausted(quota("XPerMinutePerProjectPerModel", "XPerDayPerProjectPerModel")),
      {},
      "quota-spent",
      midnight,
      "gemini-pro",
    ],
  ])("that %s", (_what, body, headers, state, until, family) => {
    const verdict = gemini.judge(answerOf(429, body, headers), asked, now);
    expect(verdict).toEqual({
      kind: "account",
      change: {
        state,
        said: "HTTP 429 RESOURCE_EXHAUSTED, 429: You exceeded your current quota.",
        ...(until !== undefined && { until }),
        ...(family !== undefined && { family }),
      },
      refusal: expect.objectContaining({ name: "AccountsLimited" }),
    });
  });

  it.each([
    ["2026-07-01T06:30:00Z", "2026-07-01T07:00:00Z"],
    ["2026-07-01T07:00:00Z", "2026-07-02T07:00:00Z"],
    ["2026-03-08T12:00:00Z", "2026-03-09T07:00:00Z"],
    ["2026-11-01T07:30:00Z", "2026-11-02T08:00:00Z"],
    ["2026-12-31T23:59:59Z", "2027-01-01T08:00:00Z"],
  ])("of a day that is used up at %s ends at Google's midnight, %s", (at, end) => {
    const verdict = gemini.judge(answerOf(429, exhausted(quota("XPerDay"))), asked, Date.parse(at));
    expect(verdict).toMatchObject({ change: { until: Date.parse(end) } });
  });

  it("in a list, as streams without SSE have it, is read as well", () => {
    const verdict = gemini.judge(answerOf(429, [exhausted(retryIn("5s"))]), asked, now);
    expect(verdict).toMatchObject({ change: { state: "rate-limited", until: now + 5000 } });
  });
});

describe("a refusal", () => {
  it.each<[number, object]>([
    [
      400,
      errorOf(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", reason("API_KEY_INVALID")),
    ],
    [400, errorOf(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.")],
    [
      401,
      errorOf(
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials.",
        reason("ACCESS_TOKEN_TYPE_UNSUPPORTED"),
      ),
    ],
    [
      403,
      errorOf(
        403,
        "PERMISSION_DENIED",
        "Method doesn't allow unregistered callers (callers without established identity).",
      ),
    ],
    [403, errorOf(403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key.")],
  ])("of the key: %s %j", (status, body) => {
    expect(gemini.judge(answerOf(status, body), asked, now)).toMatchObject({
      change: { state: "unauthorised" },
      refusal: { name: "UpstreamFailed" },
    });
  });

  it.each<[number, object]>([
    [400, errorOf(400, "FAILED_PRECONDITION", "User location is not supported for the API use.")],
    [
      403,
      errorOf(
        403,
        "PERMISSION_DENIED",
        "Generative Language API has not been used in project 1 before or it is disabled.",
        reason("SERVICE_DISABLED"),
      ),
    ],
    [
      403,
      errorOf(
        403,
        "PERMISSION_DENIED",
        "Permission denied: Consumer 'api_key:x' has been suspended.",
        reason("CONSUMER_SUSPENDED"),
      ),
    ],
    [
      403,
      errorOf(
        403,
        "PERMISSION_DENIED",
        "Requests from referer <empty> are blocked.",
        reason("API_KEY_HTTP_REFERRER_BLOCKED"),
      ),
    ],
  ])("of the project: %s %j", (status, body) => {
    expect(gemini.judge(answerOf(status, body), asked, now)).toMatchObject({ change: { state: "blocked" } });
  });

  it("for want of credits", () => {
    const body = errorOf(402, "FAILED_PRECONDITION", "Your prepayment credits are depleted.");
    for (const status of [400, 402]) {
      expect(gemini.judge(answerOf(status, body), asked, now)).toMatchObject({ change: { state: "quota-spent" } });
    }
  });

  it("of a model that this key may not use leaves the account as it is", () => {
    const body = errorOf(403, "PERMISSION_DENIED", "You do not have permission to use this model.");
    const verdict = gemini.judge(answerOf(403, body), asked, now);
    expect(verdict).toMatchObject({ kind: "account", refusal: { name: "NoAccount" } });
    expect(verdict).not.toHaveProperty("change");
  });

  it.each<[number, object]>([
    [400, errorOf(400, "INVALID_ARGUMENT", 'Invalid JSON payload received. Unknown name "API key not valid"')],
    [400, errorOf(400, "FAILED_PRECONDITION", "The File abc is not in an ACTIVE state and usage is not allowed.")],
    [404, errorOf(404, "NOT_FOUND", "models/x is not found for API version v1beta")],
    [403, errorOf(403, "PERMISSION_DENIED", "You do not have permission to access the File abc or it may not exist.")],
    [
      403,
      errorOf(
        403,
        "PERMISSION_DENIED",
        "CachedContent not found (or permission denied): you do not have permission to access the cached content, or it may not exist",
      ),
    ],
  ])("of the request passes: %s %j", (status, body) => {
    expect(gemini.judge(answerOf(status, body), asked, now)).toEqual({ kind: "pass" });
  });

  it("of an overloaded model is its family's", () => {
    const body = errorOf(503, "UNAVAILABLE", "The model is overloaded. Please try again later.");
    expect(gemini.judge(answerOf(503, body), asked, now)).toMatchObject({
      change: { state: "overloaded", family: "gemini-pro" },
    });
  });
});

describe("an error in the stream", () => {
  it.each([
    ["RESOURCE_EXHAUSTED", "rate-limited"],
    ["UNAVAILABLE", "overloaded"],
    ["INTERNAL", "failing"],
    ["DEADLINE_EXCEEDED", "failing"],
    ["UNAUTHENTICATED", "unauthorised"],
  ])("%s is judged as with its status: %s", (type, state) => {
    expect(gemini.judgeStreamed({ type, message: "m" }, asked, now)).toMatchObject({ change: { state } });
  });

  it("about the request passes", () => {
    expect(gemini.judgeStreamed({ type: "INVALID_ARGUMENT", message: "m" }, asked, now)).toEqual({ kind: "pass" });
  });
});
