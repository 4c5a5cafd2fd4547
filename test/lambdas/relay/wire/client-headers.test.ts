// Test of which of the client's headers go upstream.
import { expect, test } from "vitest";
import { headersForUpstream } from "../../../../lambdas/relay/wire/client-headers.ts";

test("everything goes upstream but the client's secrets, what is of the hop, and what is of the way", () => {
  const kept = {
    "anthropic-version": "2026-10-21",
    "anthropic-beta": "a-2026-01-01,b-unknown",
    "user-agent": "claude-cli/2.1.328 (external, sdk-cli)",
    "x-app": "cli",
    "x-stainless-lang": "js",
    "x-claude-code-session-id": "s",
    "content-type": "application/json",
    "content-encoding": "gzip",
    "idempotency-key": "i",
    "x-something-new": "yes",
  };
  const removed = {
    authorization: "Bearer cwk_x",
    "x-api-key": "cwk_x",
    "api-key": "cwk_x",
    "x-goog-api-key": "cwk_x",
    "proxy-authorization": "Basic x",
    cookie: "session=1",
    "openai-organization": "org-of-the-client",
    "openai-project": "proj",
    "x-goog-user-project": "p",
    "x-goog-fieldmask": "candidates",
    "x-http-method-override": "GET",
    host: "relay.example",
    connection: "keep-alive, X-Hop",
    "x-hop": "1",
    "keep-alive": "timeout=5",
    "transfer-encoding": "chunked",
    "content-length": "12",
    "accept-encoding": "br",
    upgrade: "websocket",
    "x-forwarded-for": "10.0.0.1",
    "x-amzn-trace-id": "Root=1",
    via: "1.1 x",
    origin: "https://page.example",
    "sec-fetch-mode": "cors",
    "cloudfront-viewer-country": "NO",
  };
  expect(headersForUpstream({ ...kept, ...removed })).toEqual(kept);
});

test("no key or path for a gateway that may stand upstream goes there: it would choose whose account, or which address", () => {
  const steering = {
    "x-litellm-api-key": "sk-x",
    "x-portkey-api-key": "x",
    "x-portkey-custom-host": "https://evil.example",
    "helicone-auth": "Bearer x",
    "helicone-target-url": "https://evil.example",
    "helicone-cache-enabled": "true",
    "x-portkey-config": '{"override_params":{"model":"o1-pro"}}',
    "x-litellm-tags": "free",
    "cf-aig-authorization": "Bearer x",
    "ocp-apim-subscription-key": "x",
    "x-auth-token": "x",
    "x-goog-iam-authorization-token": "x",
    "x-original-url": "/v1/files",
    "x-rewrite-url": "/v1/files",
    "x-http-method": "DELETE",
    "x-method-override": "DELETE",
  };
  const kept = { "x-codex-turn-metadata": "{}", "x-client-request-id": "r", "openai-beta": "responses=v1" };
  expect(headersForUpstream({ ...steering, ...kept })).toEqual(kept);
});
