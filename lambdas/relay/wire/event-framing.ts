// Event framing: cuts a stream of server-sent events into whole events, however its bytes were split, and passes them on.

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const blankLine = Buffer.from("\n\n");
const nothing = Buffer.alloc(0);

/** An event that is larger passes unread: no vendor sends such, and memory stays bounded. */
const mostEventBytes = 16 * 1024 * 1024;

/** Sees each whole event with its blank line, and gives what goes on in its place: mostly the very same bytes. */
export type TakeEvent = (event: Buffer) => Buffer;

/**
 * Lines end with LF, CRLF or CR, as the format allows (WHATWG HTML, 9.2.5). What `push` gives are whole events only, but
 * for one that is too large: its pieces pass as they come (`isInsideRaw`).
 */
export class EventFramer {
  readonly #take: TakeEvent;
  readonly #mostBytes: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #lastByte = 0;
  /** A carriage return was seen: from then on every byte is looked at. */
  #hasReturns = false;
  #isLineEmpty = true;
  #hasContent = false;
  #endedByReturn = false;
  /** What ends now is only the line feed behind an event that had ended with its carriage return. */
  #isLeftOver = false;
  /** It goes where the event did not go: what the reader gave in its place has its own end. */
  #dropsLeftOver = false;
  /** Pieces of an event that is too large are passing. */
  isInsideRaw = false;
  /** An event passed unread: what it said of usage is not known. */
  hasLostEvent = false;
  /** Some event came. */
  hasEvents = false;

  constructor(take: TakeEvent, mostBytes = mostEventBytes) {
    this.#take = take;
    this.#mostBytes = mostBytes;
  }

  push(bytes: Buffer): Buffer {
    if (bytes.length === 0) return nothing;
    if (!this.#hasReturns && bytes.includes(carriageReturn)) this.#beginReturns();
    const out = new Outgoing(bytes);
    let start = 0;
    for (;;) {
      const end = this.#hasReturns ? this.#endAmongReturns(bytes, start) : this.#endOfEvent(bytes, start);
      if (end < 0) break;
      this.#pass(bytes, start, end, out);
      start = end;
    }
    if (start < bytes.length) this.#hold(bytes.subarray(start), out);
    this.#lastByte = bytes[bytes.length - 1] ?? 0;
    return out.finish(start);
  }

  /** The held rest, which is then forgotten. It is no whole event, or one without its blank line. */
  takeRest(): Buffer {
    const rest = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    return rest;
  }

  #pass(bytes: Buffer, start: number, end: number, out: Outgoing): void {
    if (this.#isLeftOver) {
      this.#isLeftOver = false;
      if (this.#dropsLeftOver) out.replace(start, end, nothing);
      return;
    }
    this.hasEvents = true;
    if (this.isInsideRaw) {
      this.isInsideRaw = false;
      return;
    }
    if (this.#heldBytes > 0) {
      const event = Buffer.concat([...this.#held, bytes.subarray(start, end)], this.#heldBytes + end - start);
      this.#held = [];
      this.#heldBytes = 0;
      out.replace(start, end, this.#taken(event));
      return;
    }
    const event = bytes.subarray(start, end);
    const taken = this.#taken(event);
    if (taken !== event) out.replace(start, end, taken);
  }

  #taken(event: Buffer): Buffer {
    const taken = this.#take(event);
    this.#dropsLeftOver = taken[taken.length - 1] !== carriageReturn;
    return taken;
  }

  #hold(rest: Buffer, out: Outgoing): void {
    if (this.isInsideRaw || this.#heldBytes + rest.length > this.#mostBytes) {
      const start = out.length - rest.length;
      out.replace(start, out.length, Buffer.concat([...this.#held, rest]));
      this.#held = [];
      this.#heldBytes = 0;
      this.isInsideRaw = true;
      this.hasLostEvent = true;
      return;
    }
    this.#held.push(rest);
    this.#heldBytes += rest.length;
  }

  #endOfEvent(bytes: Buffer, start: number): number {
    if (start === 0 && this.#lastByte === lineFeed && bytes[0] === lineFeed && this.#isInside()) return 1;
    const at = bytes.indexOf(blankLine, start);
    return at < 0 ? -1 : at + 2;
  }

  #isInside(): boolean {
    return this.#heldBytes > 0 || this.isInsideRaw;
  }

  #beginReturns(): void {
    this.#hasReturns = true;
    this.#hasContent = this.#isInside();
    this.#isLineEmpty = !this.#hasContent || this.#lastByte === lineFeed;
  }

  #endAmongReturns(bytes: Buffer, start: number): number {
    for (let at = start; at < bytes.length; at += 1) {
      const byte = bytes[at];
      const previous = at > 0 ? bytes[at - 1] : this.#lastByte;
      if (byte === lineFeed && previous === carriageReturn) {
        // The second half of a line's end. Where the event ended with the first half already, it is its last byte.
        if (!this.#endedByReturn) continue;
        this.#endedByReturn = false;
        this.#isLeftOver = true;
        return at + 1;
      }
      this.#endedByReturn = false;
      if (byte !== lineFeed && byte !== carriageReturn) {
        this.#isLineEmpty = false;
        this.#hasContent = true;
        continue;
      }
      if (this.#isLineEmpty && this.#hasContent) {
        this.#hasContent = false;
        if (byte === lineFeed) return at + 1;
        if (bytes[at + 1] === lineFeed) return at + 2;
        this.#endedByReturn = at + 1 === bytes.length;
        return at + 1;
      }
      this.#isLineEmpty = true;
    }
    return -1;
  }
}

/** What goes on of one piece: the piece itself as long as nothing of it was changed. */
class Outgoing {
  readonly length: number;
  readonly #bytes: Buffer;
  #parts: Buffer[] | undefined;
  #copiedTo = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.length = bytes.length;
  }

  replace(start: number, end: number, by: Buffer): void {
    this.#parts ??= [];
    if (start > this.#copiedTo) this.#parts.push(this.#bytes.subarray(this.#copiedTo, start));
    if (by.length > 0) this.#parts.push(by);
    this.#copiedTo = end;
  }

  /** `end`: up to there the piece consists of whole events. */
  finish(end: number): Buffer {
    if (this.#parts === undefined) return end === this.length ? this.#bytes : this.#bytes.subarray(0, end);
    if (end > this.#copiedTo) this.#parts.push(this.#bytes.subarray(this.#copiedTo, end));
    const [only] = this.#parts;
    if (only === undefined) return nothing;
    return this.#parts.length === 1 ? only : Buffer.concat(this.#parts);
  }
}
