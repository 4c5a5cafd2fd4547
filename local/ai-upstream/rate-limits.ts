// A vendor's 429: its error and the headers or details that say when it ends (facts/relay.md 2.1 to 2.3).
import type { Platform, RateLimit, VendorError } from "./behaviour.ts";

export interface Refusal {
  readonly error: VendorError;
  readonly headers: Readonly<Record<string, string>>;
}

const secondsPerDay = 86_400;

/** `now` in milliseconds since 1970, the cloud's. */
export function refuseByRate(platform: Platform, limit: RateLimit, now: number): Refusal {
  const { resetAfterSeconds: seconds, form = "plain" } = limit;
  const retryAfter = limit.retryAfter === false ? undefined : { "retry-after": String(Math.ceil(seconds)) };
  if (platform === "gemini") return geminiLimit(seconds, form === "daily");
  if (platform === "openai") {
    const headers = form === "daily" ? openaiDaily(seconds) : openaiPlain(seconds);
    const per = form === "daily" ? "requests per day (RPD)" : "requests per min (RPM)";
    const message = `Rate limit reached for requests on ${per}: Limit 500, Used 500, Requested 1. Please try again in ${duration(seconds)}.`;
    return { error: { status: 429, message }, headers: { ...headers, ...retryAfter } };
  }
  if (form === "unified") return anthropicUnified(limit, now, retryAfter);
  const reset = `${new Date(now + seconds * 1000).toISOString().slice(0, 19)}Z`;
  return {
    error: { status: 429 },
    headers: {
      ...anthropicWindow("requests", 4000, 0, reset),
      ...anthropicWindow("tokens", 500_000, 0, reset),
      ...retryAfter,
    },
  };
}

export function anthropicWindow(what: string, most: number, left: number, reset: string): Record<string, string> {
  const name = `anthropic-ratelimit-${what}`;
  return { [`${name}-limit`]: String(most), [`${name}-remaining`]: String(left), [`${name}-reset`]: reset };
}

/** `1m12s`, `20s`, `350ms`: as OpenAI writes how long something lasts. */
export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
  const whole = Math.ceil(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return `${hours > 0 ? `${hours}h` : ""}${hours > 0 || minutes > 0 ? `${minutes}m` : ""}${rest}s`;
}

function anthropicUnified(
  { resetAfterSeconds, window = "5h" }: RateLimit,
  now: number,
  retryAfter: Record<string, string> | undefined,
): Refusal {
  const reset = String(Math.ceil(now / 1000 + resetAfterSeconds));
  const name = `anthropic-ratelimit-unified`;
  const claim = window === "5h" ? "five_hour" : window.replace(/^7d/, "seven_day");
  return {
    error: { status: 429, message: "This request would exceed your account's rate limit. Please try again later." },
    headers: {
      [`${name}-status`]: "rejected",
      [`${name}-reset`]: reset,
      [`${name}-representative-claim`]: claim,
      [`${name}-fallback-percentage`]: "0.5",
      [`${name}-overage-status`]: "rejected",
      [`${name}-overage-disabled-reason`]: "org_level_disabled",
      [`${name}-${window}-status`]: "rejected",
      [`${name}-${window}-reset`]: reset,
      [`${name}-${window}-utilization`]: "1",
      ...retryAfter,
    },
  };
}

function openaiPlain(seconds: number): Record<string, string> {
  return {
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-limit-tokens": "200000",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-requests": duration(seconds),
    "x-ratelimit-reset-tokens": duration(seconds),
  };
}

/** The tokens of the minute are still there. */
function openaiDaily(seconds: number): Record<string, string> {
  return {
    ...openaiPlain(seconds),
    "x-ratelimit-remaining-tokens": "199000",
    "x-ratelimit-reset-tokens": "300ms",
  };
}

function geminiLimit(seconds: number, isDaily: boolean): Refusal {
  const window = isDaily ? "PerDay" : "PerMinute";
  const delay = `${Math.min(seconds, secondsPerDay)}s`;
  const metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests";
  return {
    error: {
      status: 429,
      message: `You exceeded your current quota, please check your plan and billing details.\n* Quota exceeded for metric: ${metric}, limit: 20\nPlease retry in ${delay}.`,
      details: [
        {
          "@type": "type.googleapis.com/google.rpc.QuotaFailure",
          violations: [
            {
              quotaMetric: metric,
              quotaId: `GenerateRequests${window}PerProjectPerModel-FreeTier`,
              quotaDimensions: { location: "global", model: "gemini" },
              quotaValue: "20",
            },
          ],
        },
        {
          "@type": "type.googleapis.com/google.rpc.Help",
          links: [
            {
              description: "Learn more about Gemini API quotas",
              url: "https://ai.google.dev/gemini-api/docs/rate-limits",
            },
          ],
        },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: delay },
      ],
    },
    headers: {},
  };
}
