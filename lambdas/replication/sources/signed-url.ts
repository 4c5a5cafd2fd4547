// Source: an HTTP(S) address signed for GET, as Aliyun's RDS hands out for its backups (an OSS object behind it).
import http from "node:http";
import https from "node:https";
import type { Readable } from "node:stream";
import { CausewayError, messageOf } from "../../shared/errors.ts";
import type { ByteRange } from "../plan-parts.ts";
import { lengthOfRange } from "../plan-parts.ts";
import { OneBufferAgent, OneBufferTlsAgent } from "./one-buffer-agent.ts";
import type { RangedSource, SourceFacts } from "./source.ts";

export interface SignedUrlOptions {
  /** Until the first byte of an answer; afterwards the engine watches the flow itself. */
  readonly answerTimeoutMilliseconds?: number;
  /** Connections kept open for the next range. */
  readonly mostIdleConnections?: number;
}

const defaultAnswerTimeoutMilliseconds = 60_000;
const defaultIdleConnections = 64;
/** What is read of an error page, to name the vendor's reason. */
const longestErrorPageBytes = 4096;

export function signedUrlSource(options: SignedUrlOptions = {}): RangedSource {
  const agentOptions = { keepAlive: true, maxFreeSockets: options.mostIdleConnections ?? defaultIdleConnections };
  const agents = { "http:": new OneBufferAgent(agentOptions), "https:": new OneBufferTlsAgent(agentOptions) };
  const timeout = options.answerTimeoutMilliseconds ?? defaultAnswerTimeoutMilliseconds;

  function get(address: string, headers: Record<string, string>, signal?: AbortSignal): Promise<http.IncomingMessage> {
    const url = new URL(address);
    const secure = url.protocol === "https:";
    return new Promise((resolve, reject) => {
      const request = (secure ? https : http).get(
        url,
        {
          agent: secure ? agents["https:"] : agents["http:"],
          headers: { ...headers, "accept-encoding": "identity" },
          ...(signal ? { signal } : {}),
        },
        (answer) => {
          clearTimeout(timer);
          resolve(answer);
        },
      );
      // A timer of our own: a socket's timeout also fires while a slow target holds the flow back.
      const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeout} ms`)), timeout);
      request.on("error", (error) => {
        clearTimeout(timer);
        reject(signal?.aborted ? reasonOf(signal) : unavailable(error));
      });
    });
  }

  return {
    async probe(address, signal) {
      const answer = await get(address, { range: "bytes=0-0" }, signal);
      if (answer.statusCode === 200) {
        // Whoever ignores the range would now send the whole backup: the connection is cut, not drained.
        answer.destroy();
        if (answer.headers["content-length"] === "0") {
          throw new CausewayError("EmptyBackup", "The backup's file has no bytes.");
        }
        throw new CausewayError("SourceIgnoresRanges", "The source answered 200 to a ranged read instead of 206.");
      }
      if (answer.statusCode !== 206) throw await refusal(answer, timeout);
      const total = /^bytes 0-0\/(\d+)$/.exec(answer.headers["content-range"] ?? "")?.[1];
      await drain(answer, timeout);
      if (total === undefined) {
        throw new CausewayError("SourceIgnoresRanges", `Unexpected Content-Range ${answer.headers["content-range"]}.`);
      }
      return { sizeBytes: Number(total), etag: answer.headers.etag ?? null, crc64: crcHeader(answer) };
    },

    async open(address, range, pinned, signal) {
      const headers: Record<string, string> = { range: `bytes=${range.first}-${range.last}` };
      if (pinned.etag !== null) headers["if-match"] = pinned.etag;
      const answer = await get(address, headers, signal);
      const problem = answer.statusCode === 206 ? problemOfRange(answer, range, pinned) : undefined;
      if (problem) {
        answer.destroy();
        throw problem;
      }
      if (answer.statusCode === 206) return answer as Readable;
      if (answer.statusCode === 200) {
        answer.destroy();
        throw new CausewayError("SourceIgnoresRanges", "The source answered 200 to a ranged read instead of 206.");
      }
      throw await refusal(answer, timeout);
    },

    close() {
      agents["http:"].destroy();
      agents["https:"].destroy();
    },
  };
}

function problemOfRange(
  answer: http.IncomingMessage,
  range: ByteRange,
  pinned: SourceFacts,
): CausewayError | undefined {
  const { headers } = answer;
  if (pinned.etag !== null && headers.etag !== undefined && headers.etag !== pinned.etag) {
    return new CausewayError("SourceChanged", `The source's ETag was ${pinned.etag} and is now ${headers.etag}.`);
  }
  const expected = `bytes ${range.first}-${range.last}/${pinned.sizeBytes}`;
  if (headers["content-range"] !== expected) {
    const total = /\/(\d+)$/.exec(headers["content-range"] ?? "")?.[1];
    if (total !== undefined && Number(total) !== pinned.sizeBytes) {
      return new CausewayError("SourceChanged", `The source had ${pinned.sizeBytes} bytes and has now ${total}.`);
    }
    return new CausewayError("SourceIgnoresRanges", `Asked for "${expected}", got "${headers["content-range"]}".`);
  }
  if (headers["content-encoding"] !== undefined && headers["content-encoding"] !== "identity") {
    return new CausewayError("SourceIgnoresRanges", `The source sent ${headers["content-encoding"]}-encoded bytes.`);
  }
  if (Number(headers["content-length"] ?? Number.NaN) !== lengthOfRange(range)) {
    return new CausewayError(
      "SourceUnavailable",
      `The source announced ${headers["content-length"] ?? "no number of"} bytes for a range of ${lengthOfRange(range)}.`,
    );
  }
  return undefined;
}

/** The vendor's answer as one of our errors. OSS answers XML with a Code and a Message. */
async function refusal(answer: http.IncomingMessage, timeoutMilliseconds: number): Promise<CausewayError> {
  const status = answer.statusCode ?? 0;
  const page = await firstBytes(answer, timeoutMilliseconds);
  const code = /<Code>([^<]*)<\/Code>/.exec(page)?.[1] ?? "";
  const message = /<Message>([^<]*)<\/Message>/.exec(page)?.[1] ?? "";
  const said = `${status} ${code} ${message}`.trim();
  if (status === 403 && /expired/i.test(message))
    return new CausewayError("LinkExpired", `The link has expired (${said}).`);
  if (status === 412)
    return new CausewayError("SourceChanged", `The source is no longer the object that was planned (${said}).`);
  if (status === 404) return new CausewayError("SourceChanged", `The source is gone (${said}).`);
  if (status === 416) return new CausewayError("SourceChanged", `The source is shorter than it was (${said}).`);
  if (status === 429 || status === 503)
    return new CausewayError("SourceThrottled", `The source asks to slow down (${said}).`);
  if (status >= 500) return new CausewayError("SourceUnavailable", `The source failed (${said}).`);
  return new CausewayError("SourceRefused", `The source refused the read (${said}).`);
}

/** A time limit of the caller is the source's fault; any other reason is the caller's own. */
function reasonOf(signal: AbortSignal): unknown {
  const { reason } = signal;
  if (!(reason instanceof DOMException && reason.name === "TimeoutError")) return reason;
  return new CausewayError("SourceUnavailable", "The source did not answer in time.", { cause: reason });
}

/** Errors of the other side's identity: waiting does not mend them, and going on would be wrong. */
const identityProblem = /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET))/;

/** Whatever else happens to a connection on its long way may not happen to the next one. */
function unavailable(error: Error): CausewayError {
  const refused = identityProblem.test((error as NodeJS.ErrnoException).code ?? "");
  return new CausewayError(
    refused ? "SourceRefused" : "SourceUnavailable",
    `The source could not be reached: ${messageOf(error)}`,
    { cause: error },
  );
}

function crcHeader(answer: http.IncomingMessage): string | null {
  const value = answer.headers["x-oss-hash-crc64ecma"];
  return typeof value === "string" && /^\d{1,20}$/.test(value) ? BigInt(value).toString() : null;
}

async function drain(answer: http.IncomingMessage, timeoutMilliseconds: number): Promise<void> {
  const timer = cutOffAfter(answer, timeoutMilliseconds);
  try {
    for await (const _ of answer) {
      // A single byte, read so that the connection can serve the next range.
    }
  } catch (error) {
    throw new CausewayError("SourceUnavailable", `The source broke off: ${messageOf(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

async function firstBytes(answer: http.IncomingMessage, timeoutMilliseconds: number): Promise<string> {
  const timer = cutOffAfter(answer, timeoutMilliseconds);
  let page = "";
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      page += chunk.toString("utf8");
      if (page.length >= longestErrorPageBytes) break;
    }
  } catch {
    // The status alone tells enough when the page breaks off.
  } finally {
    clearTimeout(timer);
  }
  return page;
}

/** Few bytes are to come; whoever does not send them in time is not waited for. */
function cutOffAfter(answer: http.IncomingMessage, milliseconds: number): NodeJS.Timeout {
  return setTimeout(() => answer.destroy(new Error(`no answer within ${milliseconds} ms`)), milliseconds);
}
