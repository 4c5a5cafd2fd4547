// Sends a range of a body piece by piece: one piece in memory, back-pressure respected, rate and damage as asked.
import { once } from "node:events";
import type http from "node:http";
import type { Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import type { Clock } from "../rig/clock.ts";
import type { FaultEffect } from "../rig/faults.ts";
import type { BackupBody } from "./backup-body.ts";
import type { ByteRange } from "./byte-range.ts";

export interface SendOptions {
  readonly fault: FaultEffect | undefined;
  readonly signal: AbortSignal;
  readonly pace: Pace;
  readonly socket: Socket;
  readonly bytesPerSecond: number | undefined;
  /** Told after each piece that was handed to the connection. */
  readonly onSent: (bytes: number) => void;
}

const largestPieceBytes = 256 * 1024;
const smallestPieceBytes = 4 * 1024;
/** Pieces per second at a limited rate: smooth, yet few enough timers for hundreds of connections. */
const piecesPerSecond = 50;
/** A late timer may be caught up for by this much, so that the rate is met on average. */
const catchUpMilliseconds = 100;

/** Holds each connection to its rate over all of its requests, in cloud time. */
export class Pace {
  readonly #clock: Clock;
  readonly #freeAt = new WeakMap<Socket, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Waits until the connection may send these bytes. */
  async wait(socket: Socket, bytes: number, bytesPerSecond: number, signal: AbortSignal): Promise<void> {
    const now = this.#clock.now();
    const start = Math.max(this.#freeAt.get(socket) ?? now, now - catchUpMilliseconds);
    const end = start + (bytes / bytesPerSecond) * 1000;
    this.#freeAt.set(socket, end);
    if (end > now) await this.#clock.sleep(end - now, { signal });
  }
}

/** Throws when the caller went away. */
export async function sendBody(
  response: http.ServerResponse,
  body: BackupBody,
  range: ByteRange,
  options: SendOptions,
): Promise<void> {
  const { fault, signal, pace, socket, bytesPerSecond, onSent } = options;
  const endsAfter = fault?.kind === "short-body" ? Math.floor(range.length * fault.share) : range.length;
  const flipAt = fault?.kind === "flip-bit" ? Math.min(range.length - 1, Math.floor(range.length * fault.share)) : -1;
  let sent = 0;
  for await (const piece of body.read(range.start, endsAfter, pieceBytes(bytesPerSecond))) {
    if (bytesPerSecond !== undefined) await pace.wait(socket, piece.length, bytesPerSecond, signal);
    if (signal.aborted) throw signal.reason;
    const isHit = flipAt >= sent && flipAt < sent + piece.length;
    sent += piece.length;
    onSent(piece.length);
    if (!response.write(isHit ? withFlippedBit(piece, flipAt - sent + piece.length) : piece)) {
      await once(response, "drain", { signal });
    }
  }
  if (fault?.kind === "short-body" && fault.ending !== "clean") {
    // What was written leaves first, then the connection closes: the caller sees a body that stops.
    response.flushHeaders();
    await setImmediate();
    socket.end(() => socket.destroy());
  } else response.end();
}

function pieceBytes(bytesPerSecond: number | undefined): number {
  if (bytesPerSecond === undefined) return largestPieceBytes;
  return Math.min(largestPieceBytes, Math.max(smallestPieceBytes, Math.round(bytesPerSecond / piecesPerSecond)));
}

function withFlippedBit(piece: Buffer, at: number): Buffer {
  const flipped = Buffer.from(piece);
  flipped[at] = (flipped[at] ?? 0) ^ 1;
  return flipped;
}
