// The port of client protocols: reads a request, words refusals, and follows an answer while its bytes pass unchanged.
import type { Platform } from "../platform.ts";
import type { Refusal } from "../refusal.ts";
import type { TokenUsage } from "../token-usage.ts";

/** A request as it came, without what only the gateway needs. */
export interface ClientRequest {
  readonly method: string;
  /** Without the gateway's stage and without double slashes; percent-encoded as sent. Begins with one slash. */
  readonly path: string;
  /** As sent, without the question mark; may carry a key: never logged. */
  readonly query: string;
  /** Names in lower case; several values joined with ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** As the client sent it, still content-encoded if it was. */
  readonly body: Buffer;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** What a request may cost at most, before prices. Bytes and tokens as upper bounds. */
export interface Demand {
  /**
   * Upper bound of input tokens by bytes: the (decoded) body, and what vendors add to it (instructions for tools, images
   * that cost more than their bytes). Not capped: a model's context window is, by whoever knows it.
   */
  readonly inputBytes: number;
  /** Files, cached contents, earlier responses, what tools of the provider find …: not bounded by the body; counts as the context window. */
  readonly hasInputElsewhere: boolean;
  /** Largest output of one answer, as asked; absent: the model's own limit counts. */
  readonly mostOutputTokens: number | undefined;
  /** Answers asked for at once (`n`, candidateCount). At least 1. */
  readonly answers: number;
  /** Every billed output token is seen in the stream as text: output may be reserved in slices. */
  readonly hasVisibleOutput: boolean;
  /** Tools that the provider runs and bills by the request, by the name that prices know, with the most calls; 20 where none is stated. */
  readonly serverTools: Readonly<Record<string, number>>;
  /** The longest-lived cache that the request asks to be written (`cache_control`); absent: it asks for none. */
  readonly cacheWrites?: "5m" | "1h";
  /** Service tier asked for, by the name that prices know (`priority`, `flex`; Anthropic's `speed`: `fast`); absent: the standard one. */
  readonly tier?: string;
}

/** One request to a model, or a question about models, understood. */
export interface Call {
  readonly platform: Platform;
  /** Such as `messages`, `count-tokens`, `chat`, `responses`, `embeddings`, `generate`, `embed`, `models`. */
  readonly operation: string;
  /** `free`: never stopped by a budget or a limit, and charged nothing (count_tokens, lists of models). */
  readonly metering: "metered" | "free";
  /** As the client named it; empty where the operation has none. */
  readonly model: string;
  /** How the answer comes; errors are JSON in any case. */
  readonly answers: "json" | "sse" | "json-array";
  /** What goes upstream, the client's credentials and hop-by-hop headers removed; providers add their own. */
  readonly upstream: UpstreamMessage;
  readonly demand: Demand;
  /** The client's own name of the session, the best first: header, field; then a hash of cacheable content. Raw: the store hashes it with the key. */
  readonly sessions: readonly string[];
  /** Ids in the request of things that live in one account (`previous_response_id`, files, cached contents …). At most 100. */
  readonly boundIds: readonly string[];
  /** What the protocol itself put into the body, and takes out of the answer again. */
  readonly injected?: "include_usage";
  /** What goes to an upstream that refuses what was injected: the client's own message. Absent: nothing was injected. */
  readonly uninjected?: UpstreamMessage;
  /** The answer's ids may be asked for later (`store` of the Responses API): its reader names them. */
  readonly keepsThings?: boolean;
}

export interface UpstreamMessage {
  readonly method: string;
  /** Such as `/v1/messages`; Gemini's carries the model. */
  readonly path: string;
  /** Without question mark, without keys. */
  readonly query: string;
  /** Open list: all headers of the client but its credentials, hop-by-hop ones, `host`, `content-length`, `accept-encoding` and the gateway's. */
  readonly headers: Readonly<Record<string, string>>;
  /** The bytes to send; the very bytes of the client unless something had to be injected. */
  readonly body: Buffer;
}

/** Follows one answer. Its memory is bounded whatever the length of the stream. */
export interface AnswerReader {
  /**
   * Takes bytes as they came (decoded), gives those that may go to the client now: whole events only, so that the stream
   * can be ended between any two. Everything that came in comes out, in order, unchanged, apart from what was injected.
   */
  push(bytes: Buffer): Buffer;
  /**
   * What the last `push` gave went to the client. `ending` and `failure` continue from here: what was pushed but refused
   * by the budget was never seen, so that a block it opened is not to be closed.
   */
  passed(): void;
  /** At the end of the upstream's bytes: what was still held back. */
  flush(): Buffer;
  /** Upper bound of output tokens passed on so far, one per byte of visible output. */
  readonly outputBytes: number;
  /** What the upstream reported so far; undefined until it did. Never the placeholder of a stream that was cut. */
  readonly usage: TokenUsage | undefined;
  /** The input of the usage is known though the output is not (an Anthropic stream that was cut). */
  readonly inputUsage: TokenUsage | undefined;
  readonly servedModel: string | undefined;
  /** The end of the answer in its protocol was seen. */
  readonly isComplete: boolean;
  /** An error that came inside the stream, after status 200. */
  readonly streamedError: { readonly type: string; readonly message: string } | undefined;
  /** Ids of things that the answer made in the account (response ids …), at most a few. */
  readonly madeIds: readonly string[];
  /**
   * Sent while the upstream is silent, so that nobody on the way gives the stream up; empty where nothing may be sent now.
   * Not a constant: clients of Gemini bear neither comments nor blank lines, see gemini-answer.ts.
   */
  ping(): Buffer;
  /** Bytes that end the stream in its protocol's form, as if the model had reached its largest output. Empty for JSON. */
  ending(reason: "budget" | "deadline"): Buffer;
  /** Bytes that tell an error inside the stream, in the protocol's form. */
  failure(refusal: Refusal): Buffer;
}

export interface Protocol {
  readonly platform: Platform;
  /** Throws `Refusal`. `HttpAnswer`: the relay answers by itself (HEAD /, event logging …). */
  read(request: ClientRequest): Call | HttpAnswer;
  /** In the client's own language, so that it stops or tries again as it should. `now`: milliseconds since 1970. */
  refuse(refusal: Refusal, requestId: string, now: number): HttpAnswer;
  follow(call: Call): AnswerReader;
}

/** Lists of models and counts of tokens cost nothing. */
export const freeDemand: Demand = {
  inputBytes: 0,
  hasInputElsewhere: false,
  mostOutputTokens: 0,
  answers: 1,
  hasVisibleOutput: false,
  serverTools: {},
};
