// Watches the bytes between source and target: they are counted and summed as they pass, and a flow that stops is ended.
import type { Readable } from "node:stream";
import { CausewayError, messageOf } from "../shared/errors.ts";

/** A flow in which no byte moves for so long is given up: one of the two sides hangs. */
const longestStallMilliseconds = 60_000;

/** Taps the stream without a copy, and stops the upload when the source breaks off or nothing moves any more. */
export function watchFlow(
  body: Readable,
  expected: number,
  stop: AbortController,
  now: () => number,
  onChunk: (chunk: Buffer) => void,
) {
  let seen = 0;
  let movedAt = now();
  // Paused first: a listener alone would set the stream flowing before the target reads it.
  body.pause();
  body.on("data", (chunk: Buffer) => {
    seen += chunk.length;
    movedAt = now();
    onChunk(chunk);
  });
  body.once("error", (error: unknown) => {
    stop.abort(
      error instanceof CausewayError
        ? error
        : new CausewayError("SourceUnavailable", `The source broke off: ${messageOf(error)}`, { cause: error }),
    );
  });
  body.once("close", () => {
    if (seen < expected) stop.abort(endedEarly(seen, expected));
  });
  const timer = setInterval(() => {
    if (now() - movedAt < longestStallMilliseconds) return;
    stop.abort(new CausewayError("SourceUnavailable", `No byte moved for ${longestStallMilliseconds / 1000} s.`));
  }, longestStallMilliseconds / 4);
  return { end: () => clearInterval(timer) };
}

export function endedEarly(seen: number, expected: number): CausewayError {
  return new CausewayError("SourceUnavailable", `The source ended after ${seen} of ${expected} bytes.`);
}
