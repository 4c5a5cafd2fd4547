// Event text: what one server-sent event says, and how one is written; with a cheap look at the texts inside its JSON.

export interface EventText {
  /** Empty where the event has no name. */
  readonly name: string;
  /** Lines joined with a line feed; undefined for comments and events without data. */
  readonly data: string | undefined;
}

/** Reads any event that the format allows. For the many small deltas, protocols look at the bytes first. */
export function readEvent(event: Buffer): EventText {
  const text = event.toString("utf8");
  const alone = dataAlone(text);
  if (alone !== undefined) return { name: "", data: alone };
  let name = "";
  let data: string | undefined;
  for (const line of text.split(/\r\n|\n|\r/)) {
    const [field, value] = fieldOf(line);
    if (field === "event") name = value;
    else if (field === "data") data = data === undefined ? value : `${data}\n${value}`;
  }
  return { name, data };
}

const dataField = "data: ";

/** Most events without a name are one line of data. */
function dataAlone(text: string): string | undefined {
  if (!text.startsWith(dataField)) return undefined;
  const end = text.indexOf("\n");
  if (end === text.length - 2 && !text.includes("\r")) return text.slice(dataField.length, end);
  const isWindows = end === text.length - 3 && text.indexOf("\r") === text.length - 4 && text.endsWith("\r\n\r\n");
  return isWindows ? text.slice(dataField.length, -4) : undefined;
}

function fieldOf(line: string): readonly [string, string] {
  const text = line.startsWith("\ufeff") ? line.slice(1) : line;
  const colon = text.indexOf(":");
  if (colon < 0) return [text, ""];
  return [text.slice(0, colon), text.slice(text[colon + 1] === " " ? colon + 2 : colon + 1)];
}

export function writeEvent(name: string | undefined, data: unknown): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return `${name === undefined ? "" : `event: ${name}\n`}data: ${text}\n\n`;
}

/**
 * Length of the JSON text whose first character (behind the quote) is at `start`; with `text` decoded as latin1 these are
 * bytes as they stand in the JSON, never fewer than the bytes of what it says. To the end where it is not closed.
 */
export function jsonTextLength(text: string, start: number): number {
  for (let at = start; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return at - start;
    if (code === 0x5c) at += 1;
  }
  return text.length - start;
}
