// Streaming integrations: the function's metadata become status and headers, and each piece of its body goes on at once.
// Source: "Stream the integration response for your proxy integrations" in the API Gateway Developer Guide.
import * as z from "zod";
import { GatewayError, internalServerError } from "./gateway-error.ts";
import { asGatewayError, type FunctionCaller } from "./lambda-integration.ts";
import { malformed, parseJson, proxyHead, readHeaders } from "./proxy-answer.ts";
import { StreamedBody } from "./streamed-body.ts";

export interface StreamedAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  /** Is broken off when the function fails in the middle. */
  readonly body: StreamedBody;
}

const streamHead = proxyHead.extend({ cookies: z.array(z.string()).nullish() });
const delimiter = Buffer.alloc(8);
/** Metadata are a few headers; a function that sends no delimiter is not to be waited for. */
const largestMetadataBytes = 65_536;
/** Source: "Lambda quotas": 200 MB for a streamed response. */
const largestStreamedBytes = 209_715_200;

export interface StreamLimits {
  /** Of the whole answer. */
  readonly timeoutMilliseconds: number;
  /** Between two pieces of it. */
  readonly idleMilliseconds: number;
}

/**
 * Resolves when status and headers are there. Throws GatewayError: 504 when a time is over by then, 502 when the function
 * failed or sent no proper metadata. Later troubles break the body off: the status is sent already. The function goes on.
 */
export function streamFunction(
  caller: FunctionCaller,
  functionArn: string,
  event: string,
  limits: StreamLimits,
): Promise<StreamedAnswer> {
  return new Promise((resolve, reject) => {
    const body = new StreamedBody();
    const answer = new AnswerReader(body, resolve);
    const fail = (error: unknown) => {
      reject(error);
      body.breakOff();
    };
    const watch = new StreamWatch(caller, limits, () =>
      fail(new GatewayError("INTEGRATION_TIMEOUT", "Endpoint request timed out")),
    );
    const onChunk = (bytes: Buffer) => {
      watch.heard();
      try {
        return answer.take(bytes);
      } catch (error) {
        fail(error);
        return undefined;
      }
    };
    // The client has its answer then; what the function still does, or fails to do, is not its concern.
    const onStreamEnd = () => {
      if (answer.isBegun) body.end();
    };
    caller.lambda
      .run(functionArn, event, { onChunk, onStreamEnd })
      .then(({ error }) => {
        if (error) fail(internalServerError("INTEGRATION_FAILURE", 502));
        else if (!answer.isBegun) fail(malformed());
        else body.end();
      })
      .catch((error: unknown) => fail(asGatewayError(error)))
      .finally(() => watch.end());
  });
}

/** One for all: making an error, with its stack, for each answer costs more than the answer's watch. */
const ended = new Error("The answer has ended.");

/** Calls `late` once, when either time is over. */
class StreamWatch {
  readonly #ended = new AbortController();
  readonly #caller: FunctionCaller;
  readonly #limits: StreamLimits;
  readonly #endsAt: number;
  #heardAt: number;

  constructor(caller: FunctionCaller, limits: StreamLimits, late: () => void) {
    this.#caller = caller;
    this.#limits = limits;
    this.#heardAt = caller.clock.now();
    this.#endsAt = this.#heardAt + limits.timeoutMilliseconds;
    this.#wait().then(late, () => undefined);
  }

  heard(): void {
    this.#heardAt = this.#caller.clock.now();
  }

  end(): void {
    this.#ended.abort(ended);
  }

  async #wait(): Promise<void> {
    const { clock } = this.#caller;
    for (;;) {
      const until = Math.min(this.#endsAt, this.#heardAt + this.#limits.idleMilliseconds);
      if (clock.now() >= until) return;
      await clock.sleep(until - clock.now(), { signal: this.#ended.signal });
    }
  }
}

class AnswerReader {
  isBegun = false;
  readonly #body: StreamedBody;
  readonly #begin: (answer: StreamedAnswer) => void;
  #metadata: Buffer = Buffer.alloc(0);
  #bytes = 0;

  constructor(body: StreamedBody, begin: (answer: StreamedAnswer) => void) {
    this.#body = body;
    this.#begin = begin;
  }

  /**
   * Undefined when there is room for more, else a promise of it. Throws GatewayError (502) about the metadata, Error about
   * the body's size.
   */
  take(bytes: Buffer): Promise<void> | undefined {
    if (this.isBegun) return this.#write(bytes);
    this.#metadata = Buffer.concat([this.#metadata, bytes]);
    const at = this.#metadata.indexOf(delimiter);
    if (at < 0) {
      if (this.#metadata.length > largestMetadataBytes) throw malformed();
      return undefined;
    }
    const head = readMetadata(this.#metadata.subarray(0, at));
    this.isBegun = true;
    this.#begin({ ...head, body: this.#body });
    return this.#write(this.#metadata.subarray(at + delimiter.length));
  }

  #write(bytes: Buffer): Promise<void> | undefined {
    this.#bytes += bytes.length;
    if (this.#bytes > largestStreamedBytes) throw new Error("The streamed response is larger than Lambda allows.");
    return this.#body.write(bytes);
  }
}

function readMetadata(bytes: Buffer): Omit<StreamedAnswer, "body"> {
  const parsed = streamHead.safeParse(parseJson(bytes.toString("utf8")));
  if (!parsed.success) throw malformed();
  const { statusCode, cookies } = parsed.data;
  const cookieHeaders = (cookies ?? []).map((cookie) => ["Set-Cookie", cookie] as const);
  return { status: statusCode ?? 200, headers: [...readHeaders(parsed.data), ...cookieHeaders] };
}
