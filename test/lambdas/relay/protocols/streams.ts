// Streams of the vendors, and the calls that they answer, for tests of the readers.
import { readFileSync } from "node:fs";
import type { Platform } from "../../../../lambdas/relay/platform.ts";
import { protocols } from "../../../../lambdas/relay/protocols/index.ts";
import type { AnswerReader, Call, Protocol } from "../../../../lambdas/relay/protocols/protocol.ts";
import { Refusal } from "../../../../lambdas/relay/refusal.ts";

const folder = new URL("../../../fixtures/relay/streams/", import.meta.url);

export function stream(name: string): Buffer {
  return readFileSync(new URL(name, folder));
}

/** The stream's whole events. */
export function eventsOf(name: string): Buffer[] {
  const text = stream(name).toString();
  return text.split(/(?<=\n\n|\r\n\r\n)/).map((event) => Buffer.from(event));
}

interface Asked {
  readonly path: string;
  readonly body: object;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
}

export function read(platform: Platform, { path, body, query = "", headers = {}, method = "POST" }: Asked) {
  return protocols[platform].read({ method, path, query, headers, body: Buffer.from(JSON.stringify(body)) });
}

export function callOf(platform: Platform, asked: Asked): Call {
  const call = read(platform, asked);
  if ("status" in call) throw new Error("answered by the relay itself");
  return call;
}

const messages = [{ role: "user", content: "Hi" }];

/** The call that a stream's file name says it answers. */
export function callFor(name: string, extra: object = {}): { call: Call; protocol: Protocol } {
  const [platform] = name.split("-", 1) as [Platform];
  return { call: asked(name, extra), protocol: protocols[platform] };
}

function asked(name: string, extra: object): Call {
  if (name.startsWith("anthropic")) {
    const body = { model: "claude-opus-5-5", max_tokens: 1000, stream: true, messages, ...extra };
    return callOf("anthropic", { path: "/v1/messages", body });
  }
  if (name.startsWith("openai-responses")) {
    return callOf("openai", { path: "/v1/responses", body: { model: "gpt-5", stream: true, input: "Hi", ...extra } });
  }
  if (name.startsWith("openai-chat")) {
    const n = name.includes("two-choices") ? { n: 2 } : {};
    const body = { model: "gpt-4o", stream: true, messages, ...n, ...extra };
    return callOf("openai", { path: "/v1/chat/completions", body });
  }
  const query = name.endsWith(".sse") ? "alt=sse" : "";
  const body = { contents: [{ role: "user", parts: [{ text: "Hi" }] }], ...extra };
  return callOf("gemini", { path: "/v1beta/models/gemini-2.5-flash:streamGenerateContent", query, body });
}

/** All that the reader gives for these pieces, as the entry uses it. */
export function passAll(reader: AnswerReader, pieces: readonly Buffer[]): Buffer {
  const passed = pieces.map((piece) => {
    const bytes = reader.push(piece);
    reader.passed();
    return bytes;
  });
  return Buffer.concat([...passed, reader.flush()]);
}

/** What a reader knows at its end. */
export function factsOf(reader: AnswerReader) {
  const { usage, inputUsage, servedModel, isComplete, streamedError, madeIds } = reader;
  return { usage, inputUsage, servedModel, isComplete, streamedError, madeIds: [...madeIds] };
}

/** Name of the refusal that the work throws; "none": it throws nothing. */
export function refusalOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof Refusal) return error.name;
    throw error;
  }
  return "none";
}
