// What the upstream can be told to do with a call: the script's vocabulary. Everything in a behaviour can be combined.

export type Platform = "anthropic" | "openai" | "gemini";

export const operations = [
  ...(["anthropic.messages", "anthropic.count-tokens", "anthropic.models", "anthropic.model"] as const),
  ...(["openai.chat", "openai.responses", "openai.compact", "openai.count-tokens"] as const),
  ...(["openai.embeddings", "openai.models", "openai.model"] as const),
  ...(["gemini.generate", "gemini.stream", "gemini.count-tokens", "gemini.embed", "gemini.batch-embed"] as const),
  ...(["gemini.models", "gemini.model"] as const),
  /** Answered with a bare 200: `HEAD /`, `/api/hello`. */
  "hello",
  "unknown",
] as const;

export type Operation = (typeof operations)[number];

/** Which calls a rule means; what is absent is any. */
export interface Match {
  readonly platform?: Platform;
  readonly operation?: Operation;
  /** Whole, or a pattern. */
  readonly model?: string | RegExp;
  /** The name that `issueKey` gave. */
  readonly key?: string;
  /** Part of the path, or a pattern for it; without the query. */
  readonly path?: string | RegExp;
  /** Whether a stream was asked for. */
  readonly stream?: boolean;
  /** Only the n-th (1-based) of the calls that all the rest of this match means. */
  readonly nth?: number | readonly number[];
  /** The rule is used up after so many calls. */
  readonly times?: number;
}

/** An error in the vendor's own envelope. What is absent is what that vendor says with that status. */
export interface VendorError {
  readonly status: number;
  /** Anthropic and OpenAI: `error.type`. Gemini: `error.status` (RESOURCE_EXHAUSTED …). */
  readonly type?: string;
  /** OpenAI: `error.code`, such as `insufficient_quota`, `rate_limit_exceeded`. Anthropic: `error.details.error_code`. */
  readonly code?: string | null;
  readonly message?: string;
  /** OpenAI only. */
  readonly param?: string | null;
  /** Gemini: `error.details`. Anthropic: further fields of `error.details`. */
  readonly details?: unknown;
}

/** A 429 as the vendor of the call says it, with headers that tell when it ends. */
export interface RateLimit {
  readonly resetAfterSeconds: number;
  /**
   * `plain` (default): Anthropic's requests and tokens per minute; OpenAI's `rate_limit_exceeded`; Gemini's quota per minute.
   * `unified`: Anthropic's subscription windows. `daily`: OpenAI's and Gemini's quota per day. Where a vendor has no such
   * form it is the plain one.
   */
  readonly form?: "plain" | "unified" | "daily";
  /** Anthropic unified: the window of a model family only, such as `7d_opus`. Default `5h`. */
  readonly window?: string;
  /** False leaves `retry-after` out, so that only the vendor's own headers and fields tell. */
  readonly retryAfter?: boolean;
}

/** A call of a tool that the request offers. Calls of tools that it does not offer are left out. */
export interface ToolCall {
  /** Absent: the first tool that the request offers. */
  readonly name?: string;
  /** Absent: made from the tool's own schema. Text for a custom tool of the Responses API. */
  readonly input?: Readonly<Record<string, unknown>> | string;
}

/** Numbers in the place of the honest ones. Input that is cached is not in `inputTokens`; each vendor's form adds it. */
export interface ScriptedUsage {
  readonly inputTokens?: number;
  readonly cacheWrite5mTokens?: number;
  readonly cacheWrite1hTokens?: number;
  readonly cacheReadTokens?: number;
  /** All output, reasoning included. */
  readonly outputTokens?: number;
  readonly reasoningTokens?: number;
  readonly webSearchRequests?: number;
  readonly webFetchRequests?: number;
  /** Gemini only. */
  readonly toolUsePromptTokens?: number;
}

export type Encoding = "gzip" | "deflate" | "br" | "zstd";

export interface Behaviour {
  // What is said.
  /** In the place of an answer, before the request is looked at. */
  readonly error?: VendorError;
  readonly rateLimit?: RateLimit;
  /** Exactly these bytes in the place of whatever would be said; with `status` (default 200, or the error's). */
  readonly body?: string | Uint8Array;
  readonly status?: number;
  /** Letters and digits in the place of the number that makes ids differ, so that two answers have the same bytes. */
  readonly id?: string;
  readonly text?: string;
  /** Visible output of so many tokens, 4 bytes each; cut by what the request allows. Wins over `text`. */
  readonly outputTokens?: number;
  /** In how many deltas the text comes; never more than it has characters. Default: 24 characters a delta. */
  readonly events?: number;
  /** Reasoning of so many tokens before the text, visible where the vendor shows it; counts as output. */
  readonly thinkingTokens?: number;
  readonly toolCalls?: readonly ToolCall[];
  /** Verbatim in the vendor's field, such as `refusal`, `content_filter`, `SAFETY`. */
  readonly stopReason?: string;
  readonly usage?: ScriptedUsage | "missing";
  /** Every number of the usage times this. */
  readonly usageFactor?: number;
  /** Anthropic: zeros in message_start, as compatible providers send. Gemini: usage in the last chunk only. */
  readonly usageOnlyAtEnd?: boolean;

  // How it looks.
  /** Added to the vendor's, or in their place; lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The body is compressed whatever the request accepts; a stream is flushed event by event. */
  readonly encoding?: Encoding;
  /** An SSE comment before each event. */
  readonly comments?: boolean;
  /** Streams: an event of an unknown type after the first one and before the last one. */
  readonly unknownEvents?: boolean;
  /** A field that nobody knows in every JSON object that is sent. */
  readonly unknownFields?: boolean;
  /** Streams: after HTTP 200 and so many events this error, and the end. */
  readonly streamError?: VendorError & { readonly afterEvents: number };

  // When and in which pieces it comes. All waits are in the time of the clock that was handed in.
  readonly beforeHeadersMilliseconds?: number;
  readonly betweenEventsMilliseconds?: number;
  /** Nothing after so many events (0: after the headers), but a ping in the vendor's form where it is asked for. */
  readonly silence?: {
    readonly afterEvents: number;
    readonly milliseconds: number;
    readonly pingEveryMilliseconds?: number;
  };
  /** Nothing until the promise settles; `afterEvents` absent: not even headers. */
  readonly hold?: { readonly afterEvents?: number; readonly until: Promise<unknown> };
  /** Where the body, as it goes over the wire, is cut into pieces that are written one after the other. */
  readonly split?: { readonly everyBytes: number } | { readonly atBytes: readonly number[] };
  /**
   * The end before the end: after so many events or wire bytes of the body, or before the headers. `reset`: RST. `close`:
   * the socket is closed in the middle of the message. `clean`: the message is ended as if that were all.
   */
  readonly end?: {
    readonly afterEvents?: number;
    readonly afterBytes?: number;
    readonly beforeHeaders?: true;
    readonly how: "reset" | "close" | "clean";
  };
}
