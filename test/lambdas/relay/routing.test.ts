// Tests of which protocol a request speaks, and of what is refused by name.
import { describe, expect, test } from "vitest";
import { protocols } from "../../../lambdas/relay/protocols/index.ts";
import { Refusal } from "../../../lambdas/relay/refusal.ts";
import { routeRequest } from "../../../lambdas/relay/routing.ts";

const nameOf = (path: string, headers: Record<string, string> = {}, query = "", method = "POST") => {
  const { protocol, request } = routeRequest({ method, path, query, headers, body: Buffer.alloc(0) });
  const [name] = Object.entries(protocols).find(([, known]) => known === protocol) ?? [];
  return `${name} ${request.path}`;
};

/** What the protocol says of a call without a body: the refusal's name, or the operation. */
function outcomeOf(method: string, path: string, headers: Record<string, string> = {}, query = ""): string {
  const { protocol, request } = routeRequest({ method, path, query, headers, body: Buffer.from("{}") });
  try {
    const read = protocol.read(request);
    return "status" in read ? String(read.status) : read.operation;
  } catch (error) {
    if (error instanceof Refusal) return error.name;
    throw error;
  }
}

describe("routing", () => {
  test.each([
    ["/v1/messages", "anthropic /v1/messages"],
    ["/v1/messages/count_tokens", "anthropic /v1/messages/count_tokens"],
    ["/claude/v1/messages", "anthropic /v1/messages"],
    ["/claude/messages", "anthropic /v1/messages"],
    ["/claude/v1/v1/messages", "anthropic /v1/messages"],
    ["/api/v1/messages", "anthropic /v1/messages"],
    ["//claude//v1//messages/", "anthropic /v1/messages"],
    ["/v1/v1/messages", "anthropic /v1/messages"],
    ["/", "anthropic /"],
    ["/claude", "anthropic /"],
    ["/api/hello", "anthropic /hello"],
    ["/claude/api/hello", "anthropic /api/hello"],
    ["/api/event_logging/batch", "anthropic /event_logging/batch"],
    ["/api/event_logging/v2/batch", "anthropic /event_logging/v2/batch"],
    ["/v1/chat/completions", "openai /v1/chat/completions"],
    ["/chat/completions", "openai /v1/chat/completions"],
    ["/openai/chat/completions", "openai /v1/chat/completions"],
    ["/openai/v1/responses", "openai /v1/responses"],
    ["/v1/v1/responses", "openai /v1/responses"],
    ["/api/v1/embeddings", "openai /v1/embeddings"],
    ["/openai/deployments/gpt/chat/completions", "openai /v1/deployments/gpt/chat/completions"],
    ["/v1beta/models/gemini-2.5-pro:generateContent", "gemini /v1beta/models/gemini-2.5-pro:generateContent"],
    ["/v1/models/gemini-2.5-pro:streamGenerateContent", "gemini /v1/models/gemini-2.5-pro:streamGenerateContent"],
    ["/gemini/v1beta/models/m:countTokens", "gemini /v1beta/models/m:countTokens"],
    ["/v1/models/m%3AstreamGenerateContent", "gemini /v1/models/m:streamGenerateContent"],
    ["/v1/models/llama3%3Alatest", "openai /v1/models/llama3%3Alatest"],
    ["/gemini/models/m:countTokens", "gemini /v1beta/models/m:countTokens"],
    ["/v1/v1beta/models/m:embedContent", "gemini /v1beta/models/m:embedContent"],
    ["/v1beta/v1beta/models/m:embedContent", "gemini /v1beta/models/m:embedContent"],
    ["/v1internal:loadCodeAssist", "gemini /v1internal:loadCodeAssist"],
    [
      "/v1/projects/p/locations/l/publishers/google/models/m:generateContent",
      "gemini /v1/projects/p/locations/l/publishers/google/models/m:generateContent",
    ],
    [
      "/v1beta1/projects/p/locations/l/publishers/google/models/m:generateContent",
      "gemini /v1beta1/projects/p/locations/l/publishers/google/models/m:generateContent",
    ],
    // Whoever gave an operation's whole address as the base URL.
    ["/v1/messages/v1/messages", "anthropic /v1/messages"],
    ["/claude/v1/messages/v1/messages/count_tokens", "anthropic /v1/messages/count_tokens"],
    ["/v1/chat/completions/chat/completions", "openai /v1/chat/completions"],
    ["/v1/chat/completions/v1/messages", "anthropic /v1/messages"],
    ["/v1/chat/completions/models", "openai /v1/models"],
    ["/v1/responses/responses", "openai /v1/responses"],
    ["/v1/responses/resp_1/input_items", "openai /v1/responses/resp_1/input_items"],
    ["/v1/chat/completions/chatcmpl_1/messages", "openai /v1/chat/completions/chatcmpl_1/messages"],
    ["/v1beta/models/v1beta/models/m:generateContent", "gemini /v1beta/models/m:generateContent"],
    ["/v1beta/models/models/m:generateContent", "gemini /v1beta/models/m:generateContent"],
    ["/v1/models/models/gemini-2.5-pro", "openai /v1/models/models/gemini-2.5-pro"],
    ["/model/us.anthropic.claude%3A0/invoke", "bedrock /model/us.anthropic.claude%3A0/invoke"],
    ["/inference-profiles", "bedrock /inference-profiles"],
    ["/claudette/v1/messages", "openai /v1/claudette/v1/messages"],
  ])("leads %s to %s", (path, expected) => {
    expect(nameOf(path)).toBe(expected);
  });

  test.each(["/v1/models", "/v1/models/some-model", "/api/v1/models", "/models", "/v1/files", "/v1/nothing"])(
    "lets the headers decide at %s",
    (path) => {
      expect(nameOf(path, { "anthropic-version": "2023-06-01" })).toMatch(/^anthropic /);
      expect(nameOf(path, { "anthropic-version": "2026-10-21", "x-goog-api-key": "x" })).toMatch(/^anthropic /);
      expect(nameOf(path, { "x-goog-api-key": "x" })).toMatch(/^gemini /);
      expect(nameOf(path, {}, "a=1&key=x")).toMatch(/^gemini /);
      expect(nameOf(path, { authorization: "Bearer x" })).toMatch(/^openai /);
    },
  );

  test("lets a prefix decide whatever the headers say", () => {
    expect(nameOf("/openai/v1/models", { "anthropic-version": "2023-06-01" })).toBe("openai /v1/models");
    expect(nameOf("/gemini/models", { "anthropic-version": "2023-06-01" })).toBe("gemini /v1beta/models");
    expect(nameOf("/claude/models", { "x-goog-api-key": "x" })).toBe("anthropic /v1/models");
  });

  test.each([
    ["HEAD", "/", "200"],
    ["GET", "/", "200"],
    ["HEAD", "/api/hello", "200"],
    ["GET", "/claude/api/hello", "200"],
    ["POST", "/api/event_logging/batch", "200"],
    ["GET", "/v1/responses", "UpgradeRequired"],
    ["GET", "/openai/responses", "UpgradeRequired"],
    ["GET", "/v1/messages", "MethodNotAllowed"],
    ["POST", "/claude/v1/models", "MethodNotAllowed"],
    ["DELETE", "/v1/chat/completions", "MethodNotAllowed"],
    ["GET", "/v1beta/models/m:generateContent", "MethodNotAllowed"],
    ["GET", "/v1/nothing", "NotFound"],
    ["POST", "/claude/v1/nothing", "NotFound"],
    ["POST", "/gemini/v1beta/nothing", "NotFound"],
    ["POST", "/v1/messages/batches", "NotSupported"],
    ["GET", "/v1/messages/batches/b/results", "NotSupported"],
    ["POST", "/claude/v1/files", "NotSupported"],
    ["POST", "/v1/batches", "NotSupported"],
    ["POST", "/v1/files", "NotSupported"],
    ["GET", "/v1/realtime", "NotSupported"],
    ["POST", "/v1/audio/speech", "NotSupported"],
    ["POST", "/v1/completions", "NotSupported"],
    ["POST", "/v1/responses/resp_1/cancel", "NotSupported"],
    ["POST", "/v1beta1/projects/p/locations/l/publishers/google/models/m:generateContent", "NotSupported"],
    ["POST", "/v1/conversations", "NotSupported"],
    ["POST", "/openai/deployments/d/chat/completions", "NotSupported"],
    ["POST", "/backend-api/codex/responses", "NotSupported"],
    ["POST", "/model/m/invoke-with-response-stream", "NotSupported"],
    ["GET", "/inference-profiles", "NotSupported"],
    ["POST", "/v1internal:loadCodeAssist", "NotSupported"],
    ["POST", "/v1/projects/p/locations/l/publishers/google/models/m:generateContent", "NotSupported"],
    ["POST", "/v1beta/cachedContents", "NotSupported"],
    ["POST", "/upload/v1beta/files", "NotSupported"],
    ["POST", "/v1beta/models/imagen:predict", "NotSupported"],
    ["POST", "/v1beta/models/m:batchGenerateContent", "NotSupported"],
    ["GET", "/v1beta/models", "models"],
    ["GET", "/v1beta/models/gemini-2.5-pro", "model"],
    ["GET", "/v1/models/org%2Fmodel", "model"],
    ["GET", "/claude/v1/models/anthropic/claude-opus-4.5", "model"],
  ])("answers %s %s with %s", (method, path, expected) => {
    expect(outcomeOf(method, path)).toBe(expected);
  });

  test.each([
    ["/openai/v1/models/../files/file-1/content", {}],
    ["/openai/v1/models/%2e%2e/files/file-1/content", {}],
    ["/openai/v1/models/a%2F..%2f..%2Ffiles", {}],
    ["/openai/v1/models/..\\files", {}],
    ["/v1/models/%2E%2E", { "anthropic-version": "2023-06-01" }],
    ["/v1beta/models/%2e%2e%2ffiles", {}],
    ["/v1beta/models/%E0%A4%A", {}],
  ])("lets no name climb out of the list of models: %s", (path, headers) => {
    expect(outcomeOf("GET", path, headers)).toBe("NotFound");
  });

  test("refuses Azure by name: by its path, its header at the list of models, its parameter anywhere", () => {
    expect(outcomeOf("GET", "/v1/models", { "api-key": "x" })).toBe("NotSupported");
    expect(outcomeOf("POST", "/openai/chat/completions", {}, "api-version=2024-10-21")).toBe("NotSupported");
    expect(outcomeOf("POST", "/openai/responses", {}, "api-version=preview")).toBe("NotSupported");
    expect(outcomeOf("GET", "/v1/models", { authorization: "Bearer x" })).toBe("models");
  });
});
