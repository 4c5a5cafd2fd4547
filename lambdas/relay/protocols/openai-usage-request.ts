// Asks the upstream of a chat stream for its usage, by the smallest edit of the request's text, and takes it out of the chunks again.
import { insideOf, type JsonMember, membersOf, withoutMember } from "../wire/json-members.ts";
import { objectOf } from "../wire/json-values.ts";
import type { RequestBody } from "./request-body.ts";

const wholeOption = '"stream_options":{"include_usage":true}';
const option = '"include_usage":true';

/**
 * The body with `stream_options.include_usage`; undefined where the client asked for it itself. What it wrote instead of
 * yes or no gives way, too: some upstreams take a 0 for a no. Every other byte stays: numbers, order, unknown fields, white
 * space.
 */
export function askForUsage({ bytes, json }: RequestBody): Buffer | undefined {
  const options = json.stream_options;
  if (options === undefined) return insert(bytes, insideOf(bytes), `${wholeOption},`);
  const member = membersOf(bytes).findLast(({ name }) => name === "stream_options");
  if (member === undefined) return undefined;
  const said = objectOf(options);
  if (said === undefined) return replace(bytes, member, '{"include_usage":true}');
  const inner = membersOf(bytes, member.valueStart);
  const include = inner.findLast(({ name }) => name === "include_usage");
  if (include === undefined) {
    return insert(bytes, insideOf(bytes, member.valueStart), inner.length === 0 ? option : `${option},`);
  }
  return said.include_usage === true ? undefined : replace(bytes, include, "true");
}

/** Beginning and end of the data of a chunk in its event. */
const dataField = "data:";
const compactNull = Buffer.from(',"usage":null');

/** A chunk's event without `"usage":null`, which no chunk has where usage was not asked for; the same buffer if it has none. */
export function withoutNullUsage(event: Buffer): Buffer {
  // A quote inside of a JSON text stands behind a backslash: the bytes with plain quotes are a member, nothing else.
  const at = event.lastIndexOf(compactNull);
  if (at >= 0) return Buffer.concat([event.subarray(0, at), event.subarray(at + compactNull.length)]);
  if (!event.includes('"usage"')) return event;
  const start = event.indexOf("{", event.indexOf(dataField));
  const members = start < 0 ? [] : membersOf(event, start);
  const usage = members.find(({ name }) => name === "usage");
  if (usage === undefined || event.toString("latin1", usage.valueStart, usage.valueEnd) !== "null") return event;
  return withoutMember(event, members, usage);
}

function insert(bytes: Buffer, at: number, text: string): Buffer {
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(text), bytes.subarray(at)]);
}

function replace(bytes: Buffer, { valueStart, valueEnd }: JsonMember, text: string): Buffer {
  return Buffer.concat([bytes.subarray(0, valueStart), Buffer.from(text), bytes.subarray(valueEnd)]);
}
