// Source: one version of an object in S3. Its address names bucket, key and version; it is no secret and never expires.
import type { Readable } from "node:stream";
import { GetObjectCommand, type GetObjectCommandOutput, S3Client } from "@aws-sdk/client-s3";
import { isPassingAwsError } from "../../shared/aws-errors.ts";
import { CausewayError, messageOf } from "../../shared/errors.ts";
import type { ByteRange } from "../plan-parts.ts";
import { lengthOfRange } from "../plan-parts.ts";
import { parseS3Address } from "../s3-address.ts";
import { OneBufferAgent, OneBufferTlsAgent } from "./one-buffer-agent.ts";
import type { RangedSource, SourceFacts } from "./source.ts";

/** Connections kept open for the next range. */
const mostIdleConnections = 64;
/** The SDK's default of 50 would hold back a Lambda that found more to be worth it. */
const mostConnections = 128;
/** Until the first byte of an answer; afterwards the engine watches the flow itself. */
const answerTimeoutMilliseconds = 60_000;

export function s3ObjectSource(): RangedSource {
  const agentOptions = { keepAlive: true, maxFreeSockets: mostIdleConnections, maxSockets: mostConnections };
  const agents = { httpAgent: new OneBufferAgent(agentOptions), httpsAgent: new OneBufferTlsAgent(agentOptions) };
  const client = new S3Client({
    // The engine tries again by itself, and must hear of every request to slow down.
    maxAttempts: 1,
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: agents,
  });

  async function get(address: string, range: string, etag: string | null, signal?: AbortSignal) {
    const { bucket, key, versionId } = parseS3Address(address);
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), answerTimeoutMilliseconds);
    try {
      return await client.send(
        new GetObjectCommand({
          Bucket: bucket,
          Key: key,
          Range: range,
          ...(versionId === null ? {} : { VersionId: versionId }),
          ...(etag === null ? {} : { IfMatch: etag }),
        }),
        { abortSignal: signal === undefined ? late.signal : AbortSignal.any([late.signal, signal]) },
      );
    } catch (error) {
      if (signal?.aborted) throw reasonOf(signal);
      if (late.signal.aborted) {
        throw new CausewayError("SourceUnavailable", `S3 sent no answer within ${answerTimeoutMilliseconds / 1000} s.`);
      }
      throw sourceError(error);
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    async probe(address, signal) {
      const answer = await get(address, "bytes=0-0", null, signal);
      const total = /^bytes 0-0\/(\d+)$/.exec(answer.ContentRange ?? "")?.[1];
      if (total === undefined) {
        bodyOf(answer).destroy();
        throw new CausewayError("SourceIgnoresRanges", `Unexpected Content-Range ${answer.ContentRange}.`);
      }
      await drain(bodyOf(answer));
      return { sizeBytes: Number(total), etag: answer.ETag ?? null, crc64: null };
    },

    async open(address, range, pinned, signal) {
      const answer = await get(address, `bytes=${range.first}-${range.last}`, pinned.etag, signal);
      const body = bodyOf(answer);
      const problem = problemOfRange(answer, range, pinned);
      if (problem === undefined) return closedBy(body, signal);
      body.on("error", () => undefined);
      body.destroy();
      throw problem;
    },

    close() {
      client.destroy();
    },
  };
}

/** On Node a body is a stream; the SDK's type has the browser's kinds as well. */
function bodyOf(answer: GetObjectCommandOutput): Readable {
  return answer.Body as unknown as Readable;
}

/** The SDK's signal ends with the answer's head; the body is the caller's, and so is its end. */
function closedBy(body: Readable, signal: AbortSignal): Readable {
  const stop = () => body.destroy(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  body.once("close", () => signal.removeEventListener("abort", stop));
  return body;
}

function problemOfRange(
  answer: GetObjectCommandOutput,
  range: ByteRange,
  pinned: SourceFacts,
): CausewayError | undefined {
  if (pinned.etag !== null && answer.ETag !== undefined && answer.ETag !== pinned.etag) {
    return new CausewayError("SourceChanged", `The source's ETag was ${pinned.etag} and is now ${answer.ETag}.`);
  }
  const expected = `bytes ${range.first}-${range.last}/${pinned.sizeBytes}`;
  if (answer.ContentRange !== expected) {
    const total = /\/(\d+)$/.exec(answer.ContentRange ?? "")?.[1];
    if (total !== undefined && Number(total) !== pinned.sizeBytes) {
      return new CausewayError("SourceChanged", `The source had ${pinned.sizeBytes} bytes and has now ${total}.`);
    }
    return new CausewayError("SourceIgnoresRanges", `Asked for "${expected}", got "${answer.ContentRange}".`);
  }
  if (answer.ContentLength !== lengthOfRange(range)) {
    return new CausewayError(
      "SourceUnavailable",
      `S3 announced ${answer.ContentLength ?? "no number of"} bytes for a range of ${lengthOfRange(range)}.`,
    );
  }
  return undefined;
}

/** A time limit of the caller is the source's fault; any other reason is the caller's own. */
function reasonOf({ reason }: AbortSignal): unknown {
  if (!(reason instanceof DOMException && reason.name === "TimeoutError")) return reason;
  return new CausewayError("SourceUnavailable", "S3 did not answer in time.", { cause: reason });
}

const throttling = /^(SlowDown|ThrottlingException|TooManyRequests|RequestLimitExceeded|BandwidthLimitExceeded)$/i;
const gone = new Set(["NoSuchKey", "NoSuchVersion", "NotFound", "PreconditionFailed", "MethodNotAllowed"]);

function sourceError(error: unknown): unknown {
  if (error instanceof CausewayError || !(error instanceof Error)) return error;
  const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode ?? 0;
  const said = `${status > 0 ? `${status} ` : ""}${error.name}: ${messageOf(error)}`;
  const named = (name: ConstructorParameters<typeof CausewayError>[0], sentence: string) =>
    new CausewayError(name, `${sentence} (${said}).`, { cause: error });
  if (error.name === "InvalidRange") {
    const { ActualObjectSize } = error as { ActualObjectSize?: string };
    if (ActualObjectSize === "0") return named("EmptyBackup", "The object has no bytes");
    return named("SourceChanged", "The source is shorter than it was");
  }
  // MethodNotAllowed: the version is a delete marker.
  if (gone.has(error.name) || status === 412 || status === 404) {
    return named("SourceChanged", "The source is no longer the object that was planned");
  }
  if (throttling.test(error.name) || status === 503 || status === 429) {
    return named("SourceThrottled", "S3 asks to slow down");
  }
  if (isPassingAwsError(error) || error.name === "TimeoutError" || /socket hang up/i.test(error.message)) {
    return named("SourceUnavailable", "S3 did not answer well");
  }
  return named("SourceRefused", "S3 refused the read");
}

async function drain(body: Readable): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) bytes += chunk.length;
  } catch (error) {
    throw new CausewayError("SourceUnavailable", `S3 broke off: ${messageOf(error)}`, { cause: error });
  }
  if (bytes === 0) throw new CausewayError("SourceUnavailable", "S3 broke off before the first byte.");
}
