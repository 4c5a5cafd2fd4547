// Cutting texts to what a channel takes: by bytes of UTF-8, between characters, and never without saying so.

/** At most so many bytes of UTF-8, the mark included, if it had to be cut. A mark that does not fit itself is left out. */
export function cutToBytes(text: string, mostBytes: number, mark: string): string {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= mostBytes) return text;
  const markBytes = Buffer.byteLength(mark, "utf8");
  const room = markBytes <= mostBytes ? mostBytes - markBytes : mostBytes;
  return bytes.toString("utf8", 0, boundaryBefore(bytes, room)) + (markBytes <= mostBytes ? mark : "");
}

/** A continuation byte (10xxxxxx) is never where a character begins. */
function boundaryBefore(bytes: Buffer, end: number): number {
  let at = Math.max(0, end);
  while (at > 0 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at -= 1;
  return at;
}

/** Keeps both ends of a long name: keys differ at their ends. In characters, the ellipsis included. */
export function shortenMiddle(text: string, mostCharacters: number): string {
  const characters = [...text];
  if (characters.length <= mostCharacters) return text;
  const tail = Math.ceil((mostCharacters - 1) * 0.6);
  const head = mostCharacters - 1 - tail;
  return `${characters.slice(0, head).join("")}…${characters.slice(-tail).join("")}`;
}
