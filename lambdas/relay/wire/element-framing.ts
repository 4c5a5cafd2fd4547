// Element framing: cuts a JSON array that is streamed into its elements, however its bytes were split, and passes them on.

const nothing = Buffer.alloc(0);

/** As for events: a larger element passes unread. */
const mostElementBytes = 16 * 1024 * 1024;

/**
 * What `push` gives ends with the last byte of an element, so that the array can be closed or continued behind it; what
 * stands between elements goes with the next one. The bytes behind the array's end come out with `takeRest`.
 */
export class ElementFramer {
  readonly #take: (element: Buffer) => void;
  readonly #mostBytes: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #depth = 0;
  #isInText = false;
  #isEscaped = false;
  /** Of the element within what is held: white space, bracket or comma may come first. */
  #elementStart = 0;
  /** The array's closing bracket came. */
  isClosed = false;
  isInsideRaw = false;
  hasLostElement = false;
  elements = 0;

  constructor(take: (element: Buffer) => void, mostBytes = mostElementBytes) {
    this.#take = take;
    this.#mostBytes = mostBytes;
  }

  push(bytes: Buffer): Buffer {
    const parts: Buffer[] = [];
    let start = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      if (!this.#closesElement(bytes[at] ?? 0, this.#heldBytes + at - start)) continue;
      const piece = bytes.subarray(start, at + 1);
      start = at + 1;
      parts.push(this.#pass(piece));
    }
    const rest = bytes.subarray(start);
    if (this.isInsideRaw || this.#heldBytes + rest.length > this.#mostBytes) {
      this.isInsideRaw = true;
      this.hasLostElement = true;
      parts.push(...this.#held, rest);
      this.#held = [];
      this.#heldBytes = 0;
    } else if (rest.length > 0) {
      this.#held.push(rest);
      this.#heldBytes += rest.length;
    }
    const [only = nothing] = parts;
    return parts.length > 1 ? Buffer.concat(parts) : only;
  }

  takeRest(): Buffer {
    const rest = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    return rest;
  }

  #pass(piece: Buffer): Buffer {
    const whole = this.#heldBytes > 0 ? Buffer.concat([...this.#held, piece]) : piece;
    this.#held = [];
    this.#heldBytes = 0;
    this.elements += 1;
    if (this.isInsideRaw) this.isInsideRaw = false;
    else this.#take(whole.subarray(this.#elementStart));
    return whole;
  }

  /** `offset`: of this byte within what will be passed together. */
  #closesElement(byte: number, offset: number): boolean {
    if (this.#isInText) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === 0x5c) this.#isEscaped = true;
      else if (byte === 0x22) this.#isInText = false;
      return false;
    }
    if (byte === 0x22) this.#isInText = true;
    else if (byte === 0x7b || byte === 0x5b) {
      this.#depth += 1;
      if (this.#depth === 2) this.#elementStart = offset;
    } else if (byte === 0x7d || byte === 0x5d) {
      this.#depth -= 1;
      if (this.#depth === 0) this.isClosed = true;
      return this.#depth === 1;
    }
    return false;
  }
}
