// An upstream with a key of each vendor, the vendors' own clients pointed at it, and a plain caller that sees pieces.

import http from "node:http";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OldAnthropic from "anthropic-sdk-0";
import OpenAI from "openai";
import OldOpenAI from "openai-6";
import { type AiUpstream, type AiUpstreamOptions, startAiUpstream } from "../../../local/ai-upstream/ai-upstream.ts";
import type { Platform } from "../../../local/ai-upstream/behaviour.ts";

export interface Received {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** As Node's client saw them arrive. */
  readonly pieces: readonly Buffer[];
  readonly body: Buffer;
  /** Whether the answer came to its end. */
  readonly isWhole: boolean;
}

export async function startUpstreamRig(options: AiUpstreamOptions = {}) {
  const upstream = await startAiUpstream(options);
  const keys = {
    anthropic: upstream.issueKey("anthropic"),
    openai: upstream.issueKey("openai"),
    gemini: upstream.issueKey("gemini"),
  };
  return {
    upstream,
    keys,
    clients: clientsFor(upstream, keys),
    post: (platform: Platform, path: string, body: unknown, headers: Record<string, string> = {}) =>
      post(upstream.url + path, body, { ...credentialOf(platform, keys[platform]), ...headers }),
  };
}

export type UpstreamRig = Awaited<ReturnType<typeof startUpstreamRig>>;

function clientsFor(upstream: AiUpstream, keys: Readonly<Record<Platform, string>>) {
  const anthropic = { baseURL: upstream.baseUrl("anthropic"), apiKey: keys.anthropic, maxRetries: 0 };
  const openai = { baseURL: `${upstream.baseUrl("openai")}/v1`, apiKey: keys.openai, maxRetries: 0 };
  return {
    anthropic: new Anthropic(anthropic),
    oldAnthropic: new OldAnthropic(anthropic),
    openai: new OpenAI(openai),
    oldOpenai: new OldOpenAI(openai),
    gemini: new GoogleGenAI({ apiKey: keys.gemini, httpOptions: { baseUrl: upstream.baseUrl("gemini") } }),
  };
}

function credentialOf(platform: Platform, key: string): Record<string, string> {
  if (platform === "anthropic") return { "x-api-key": key, "anthropic-version": "2023-06-01" };
  return platform === "openai" ? { authorization: `Bearer ${key}` } : { "x-goog-api-key": key };
}

/** Resolves when the answer ended, however it did; rejects when there was none. `onPiece` is called at every arrival. */
export function post(
  url: string,
  body: unknown,
  headers: Record<string, string>,
  onPiece?: (request: http.ClientRequest) => void,
): Promise<Received> {
  const bytes = body instanceof Uint8Array ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const request = http.request(url, {
      method: "POST",
      agent: false,
      headers: { "content-type": "application/json", ...headers },
    });
    request.on("error", reject);
    request.on("response", (answer) => {
      const pieces: Buffer[] = [];
      answer.on("data", (piece: Buffer) => {
        pieces.push(piece);
        onPiece?.(request);
      });
      answer.on("error", () => undefined);
      answer.on("close", () => {
        const { statusCode: status = 0, headers: received, complete: isWhole } = answer;
        resolve({ status, headers: received, pieces, body: Buffer.concat(pieces), isWhole });
      });
    });
    request.end(bytes);
  });
}

/** The `data:` of each SSE event that is JSON. */
export function eventsIn(body: Buffer): Record<string, unknown>[] {
  return body
    .toString()
    .split(/\r?\n/)
    .filter((line) => line.startsWith("data: {"))
    .map((line) => JSON.parse(line.slice("data: ".length)) as Record<string, unknown>);
}
