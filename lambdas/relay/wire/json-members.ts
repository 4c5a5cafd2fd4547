// JSON members: where the members of an object lie in its bytes, so that one can be changed without touching the others.

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

export interface JsonMember {
  readonly name: string;
  /** Of the name's opening quote. */
  readonly nameStart: number;
  readonly valueStart: number;
  /** Behind the value's last byte. */
  readonly valueEnd: number;
}

/**
 * Members of the object that begins at `start` (white space and a byte order mark are skipped), in their order, repeated
 * names included, at most `most`. Empty where there is no object. The bytes must be valid JSON: whoever calls has parsed them.
 */
export function membersOf(json: Buffer, start = 0, most = Number.POSITIVE_INFINITY): JsonMember[] {
  let at = skipSpace(json, json[start] === 0xef ? start + 3 : start);
  if (json[at] !== openBrace) return [];
  at = skipSpace(json, at + 1);
  const members: JsonMember[] = [];
  while (at < json.length && json[at] === quote && members.length < most) {
    const nameStart = at;
    const nameEnd = endOfString(json, at);
    const valueStart = skipSpace(json, skipSpace(json, nameEnd) + 1);
    const valueEnd = endOfValue(json, valueStart);
    members.push({ name: JSON.parse(json.toString("utf8", nameStart, nameEnd)), nameStart, valueStart, valueEnd });
    at = skipSpace(json, valueEnd);
    if (json[at] !== comma) break;
    at = skipSpace(json, at + 1);
  }
  return members;
}

/** Whether the text, valid or not, may hold more values than `most`: counted by what stands before each of them. */
export function hasMoreValues(json: Buffer, most: number): boolean {
  // Each value has two bytes at the least.
  if (json.length < most) return false;
  let values = 0;
  for (let at = 0; at < json.length && values <= most; at += 1) {
    const byte = json[at];
    if (byte === quote) at = endOfString(json, at) - 1;
    else if (byte === comma || byte === openBrace || byte === openBracket) values += 1;
  }
  return values > most;
}

/** Where the object's first member would stand: behind its opening brace. */
export function insideOf(json: Buffer, start = 0): number {
  return json.indexOf(openBrace, start) + 1;
}

/** Behind the last byte of the value that begins at `at`. */
export function endOfValue(json: Buffer, at: number): number {
  const first = json[at];
  if (first === quote) return endOfString(json, at);
  if (first === openBrace || first === openBracket) return endOfNested(json, at);
  let end = at;
  while (end < json.length && !endsScalar(json[end])) end += 1;
  return end;
}

/** The bytes without one member, its comma included. */
export function withoutMember(json: Buffer, members: readonly JsonMember[], member: JsonMember): Buffer {
  const index = members.indexOf(member);
  const before = members[index - 1];
  const after = members[index + 1];
  const [from, to] =
    before === undefined ? [member.nameStart, after?.nameStart ?? member.valueEnd] : [before.valueEnd, member.valueEnd];
  return Buffer.concat([json.subarray(0, from), json.subarray(to)]);
}

function endOfNested(json: Buffer, start: number): number {
  let depth = 0;
  for (let at = start; at < json.length; at += 1) {
    const byte = json[at];
    if (byte === quote) at = endOfString(json, at) - 1;
    else if (byte === openBrace || byte === openBracket) depth += 1;
    else if (byte === closeBrace || byte === closeBracket) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return json.length;
}

/** Long texts (an image in base64) are skipped by the runtime's own search. */
function endOfString(json: Buffer, start: number): number {
  let at = start;
  for (;;) {
    at = json.indexOf(quote, at + 1);
    if (at < 0) return json.length;
    let before = at - 1;
    while (json[before] === backslash) before -= 1;
    if ((at - before) % 2 === 1) return at + 1;
  }
}

function skipSpace(json: Buffer, start: number): number {
  let at = start;
  while (at < json.length && isSpace(json[at])) at += 1;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function endsScalar(byte: number | undefined): boolean {
  return byte === comma || byte === closeBrace || byte === closeBracket || isSpace(byte);
}
