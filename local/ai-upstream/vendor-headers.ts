// The headers that vendors send with their answers; those that tell of the account must not reach a relay's client.
import type { Operation, Platform } from "./behaviour.ts";
import { anthropicWindow } from "./rate-limits.ts";

const anthropic = {
  "anthropic-organization-id": "c0ffee00-5eed-4000-8000-000000000001",
  "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
  "x-envoy-upstream-service-time": "7",
  "cf-cache-status": "DYNAMIC",
  "x-robots-tag": "none",
  server: "cloudflare",
};

const openai = {
  "openai-organization": "org-causeway-upstream",
  "openai-project": "proj_causeway_upstream",
  "openai-processing-ms": "7",
  "openai-version": "2020-10-01",
  "x-ratelimit-limit-requests": "500",
  "x-ratelimit-limit-tokens": "200000",
  "x-ratelimit-remaining-requests": "499",
  "x-ratelimit-remaining-tokens": "199000",
  "x-ratelimit-reset-requests": "120ms",
  "x-ratelimit-reset-tokens": "300ms",
  "set-cookie": "__cf_bm=causeway-upstream; path=/; HttpOnly; Secure; SameSite=None",
  "x-content-type-options": "nosniff",
  server: "cloudflare",
};

const gemini = {
  vary: "Origin, X-Origin, Referer",
  server: "scaffolding on HTTPServer2",
  "x-xss-protection": "0",
  "x-frame-options": "SAMEORIGIN",
  "x-content-type-options": "nosniff",
  "server-timing": "gfet4t7; dur=7",
};

const contentTypes = {
  anthropic: { json: "application/json", sse: "text/event-stream; charset=utf-8" },
  openai: { json: "application/json", sse: "text/event-stream; charset=utf-8" },
  gemini: { json: "application/json; charset=UTF-8", sse: "text/event-stream" },
};

export type ContentKind = "json" | "sse";

/** `requestId` as in `requestIdOf`; `now` in milliseconds since 1970. Limits of tokens and requests go with answers only. */
export function vendorHeaders(
  platform: Platform,
  operation: Operation,
  kind: ContentKind,
  requestId: string,
  now: number,
): Record<string, string> {
  const contentType = contentTypes[platform][kind];
  if (platform === "gemini") return { "content-type": contentType, ...gemini };
  if (platform === "openai") return { "content-type": contentType, ...openai, "x-request-id": requestId };
  const headers = { "content-type": contentType, ...anthropic, "request-id": requestId };
  return operation === "anthropic.messages" ? { ...headers, ...windowsAt(now) } : headers;
}

export function requestIdOf(platform: Platform, id: string): string {
  return platform === "anthropic" ? `req_011${id}` : `req_${id}`;
}

let windowsSecond = 0;
let windows: Readonly<Record<string, string>> = {};

/** They change once a second, so that a benchmark does not pay for writing times. */
function windowsAt(now: number): Readonly<Record<string, string>> {
  const second = Math.floor(now / 1000);
  if (second !== windowsSecond) {
    windowsSecond = second;
    const reset = `${new Date((second + 1) * 1000).toISOString().slice(0, 19)}Z`;
    windows = {
      ...anthropicWindow("requests", 4000, 3999, reset),
      ...anthropicWindow("tokens", 500_000, 499_000, reset),
      ...anthropicWindow("input-tokens", 400_000, 399_000, reset),
      ...anthropicWindow("output-tokens", 100_000, 99_000, reset),
    };
  }
  return windows;
}
