// Which vendor's operation a call means: by its base path, else by its path, and where paths collide by its headers.
import type { IncomingHttpHeaders } from "node:http";
import type { Operation, Platform } from "./behaviour.ts";

export interface Route {
  readonly platform: Platform;
  readonly operation: Operation;
  /** From the path: Gemini's, and that of a single model. */
  readonly model?: string;
  /** Gemini's streams: SSE, else a JSON array. */
  readonly sse?: boolean;
}

const platforms: readonly Platform[] = ["anthropic", "openai", "gemini"];

const posts: Readonly<Record<string, Route>> = {
  "/v1/messages": { platform: "anthropic", operation: "anthropic.messages" },
  "/v1/messages/count_tokens": { platform: "anthropic", operation: "anthropic.count-tokens" },
  "/v1/chat/completions": { platform: "openai", operation: "openai.chat" },
  "/v1/responses": { platform: "openai", operation: "openai.responses" },
  "/v1/responses/compact": { platform: "openai", operation: "openai.compact" },
  "/v1/responses/input_tokens": { platform: "openai", operation: "openai.count-tokens" },
  "/v1/embeddings": { platform: "openai", operation: "openai.embeddings" },
};

const geminiMethods: Readonly<Record<string, Operation>> = {
  generateContent: "gemini.generate",
  streamGenerateContent: "gemini.stream",
  countTokens: "gemini.count-tokens",
  embedContent: "gemini.embed",
  batchEmbedContents: "gemini.batch-embed",
};

/** `path` is without the query. What no vendor has is `unknown`, on the platform that the call looks like. */
export function readRoute(method: string, path: string, query: string, headers: IncomingHttpHeaders): Route {
  const base = platforms.find((platform) => path === `/${platform}` || path.startsWith(`/${platform}/`));
  const rest = base ? path.slice(base.length + 1) || "/" : path;
  const route = findRoute(method, rest, query, headers, base);
  // A vendor's path under another vendor's base is nothing that exists.
  if (route === undefined || (base && route.platform !== base)) {
    return { platform: base ?? platformOf(rest, query, headers), operation: "unknown" };
  }
  return route;
}

function findRoute(
  method: string,
  path: string,
  query: string,
  headers: IncomingHttpHeaders,
  base: Platform | undefined,
): Route | undefined {
  const found = method === "POST" ? posts[path] : undefined;
  if (found) return found;
  const isRead = method === "GET" || method === "HEAD";
  if (isRead && (path === "/" || path === "/api/hello")) return { platform: base ?? "anthropic", operation: "hello" };
  const models = /^\/(v1|v1beta|v1alpha)\/models(?:\/([^:]+)(?::([A-Za-z]+))?)?$/.exec(path);
  if (!models) return undefined;
  const [, version, encodedModel, geminiMethod] = models;
  const model = encodedModel === undefined ? undefined : decodeModel(encodedModel);
  if (geminiMethod !== undefined) {
    const operation = method === "POST" ? geminiMethods[geminiMethod] : undefined;
    if (!operation || model === undefined) return undefined;
    return { platform: "gemini", operation, model, sse: /(^|&)alt=sse(&|$)/.test(query) };
  }
  if (!isRead) return undefined;
  const platform = version === "v1" ? (base ?? platformOf(path, query, headers)) : "gemini";
  return model === undefined
    ? { platform, operation: `${platform}.models` }
    : { platform, operation: `${platform}.model`, model };
}

function platformOf(path: string, query: string, headers: IncomingHttpHeaders): Platform {
  if (headers["anthropic-version"] !== undefined) return "anthropic";
  const isGemini = headers["x-goog-api-key"] !== undefined || /(^|&)key=/.test(query) || path.startsWith("/v1beta/");
  return isGemini ? "gemini" : "openai";
}

function decodeModel(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
