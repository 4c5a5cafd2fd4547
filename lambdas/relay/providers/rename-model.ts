// Rename model: the model's name is changed where it stands in a request, and not one other byte.
import type { UpstreamMessage } from "../protocols/protocol.ts";
import { Refusal } from "../refusal.ts";
import { decodeBody } from "../wire/decode-body.ts";
import { endOfValue, membersOf } from "../wire/json-members.ts";

/**
 * The message with another `model` in its JSON body. A compressed body is decoded for it, and goes on without its
 * content-encoding. Messages without a body stay as they are. Throws `Refusal` BodyInvalid where no model stands.
 */
export function renameBodyModel(message: UpstreamMessage, model: string): UpstreamMessage {
  if (message.body.length === 0) return message;
  return editBody(message, (json) => {
    const ranges = modelRanges(json, 0);
    if (ranges.length === 0) throw new Refusal("BodyInvalid", "model: give the name of a model.");
    return replaceRanges(json, ranges, () => JSON.stringify(model));
  });
}

/** `/v1beta/models/<name>:<method>`: one of Gemini's calls that name a model. */
const geminiCall = /^(\/v1[a-z0-9]*\/models\/)[^/:]+(:[^/]+)$/i;

/**
 * Gemini's model stands in the path, and in some bodies once more (`models/<name>`): in the request itself, in
 * `generateContentRequest`, and in each of `requests`. Paths that call no model stay as they are.
 */
export function renameGeminiModel(message: UpstreamMessage, model: string): UpstreamMessage {
  if (!geminiCall.test(message.path)) return message;
  const path = message.path.replace(geminiCall, `$1${encodeURIComponent(model).replaceAll("$", "$$$$")}$2`);
  if (message.body.length === 0) return { ...message, path };
  return editBody({ ...message, path }, (json) => {
    const members = membersOf(json);
    const inner = members.filter(
      ({ name }) => name === "generateContentRequest" || name === "generate_content_request",
    );
    const lists = members.filter(({ name }) => name === "requests");
    const ranges = [
      ...modelRanges(json, 0),
      ...inner.flatMap(({ valueStart }) => modelRanges(json, valueStart)),
      ...lists
        .flatMap(({ valueStart, valueEnd }) => elementStarts(json, valueStart, valueEnd))
        .flatMap((start) => modelRanges(json, start)),
    ];
    return replaceRanges(json, ranges, (old) => JSON.stringify(old.startsWith("models/") ? `models/${model}` : model));
  });
}

interface Range {
  readonly from: number;
  readonly to: number;
}

function editBody(message: UpstreamMessage, edit: (json: Buffer) => Buffer): UpstreamMessage {
  const { "content-encoding": encoding, ...headers } = message.headers;
  const decoded = decodeBody(message.body, encoding);
  const edited = edit(decoded);
  // Nothing to change: what the client compressed stays compressed.
  if (edited === decoded) return message;
  return { ...message, headers, body: edited };
}

/** Where the object at `start` has texts under "model". */
function modelRanges(json: Buffer, start: number): Range[] {
  return membersOf(json, start)
    .filter(({ name, valueStart }) => name === "model" && json[valueStart] === 0x22)
    .map(({ valueStart, valueEnd }) => ({ from: valueStart, to: valueEnd }));
}

/** Where the objects in a list begin. */
function elementStarts(json: Buffer, from: number, to: number): number[] {
  const starts: number[] = [];
  for (let at = json.indexOf("{", from); at >= 0 && at < to; at = json.indexOf("{", at)) {
    starts.push(at);
    at = endOfValue(json, at);
  }
  return starts;
}

function replaceRanges(json: Buffer, ranges: readonly Range[], replacement: (old: string) => string): Buffer {
  if (ranges.length === 0) return json;
  const pieces: Buffer[] = [];
  let at = 0;
  for (const { from, to } of ranges.toSorted((left, right) => left.from - right.from)) {
    pieces.push(json.subarray(at, from), Buffer.from(replacement(JSON.parse(json.toString("utf8", from, to)))));
    at = to;
  }
  return Buffer.concat([...pieces, json.subarray(at)]);
}
