// Request body: decoded and parsed once, with what decides about money checked for being said twice.
import { Refusal } from "../refusal.ts";
import { decodeBody } from "../wire/decode-body.ts";
import { membersOf } from "../wire/json-members.ts";
import { type JsonObject, objectOf, parseJson } from "../wire/json-values.ts";
import type { ClientRequest } from "./protocol.ts";

export interface RequestBody {
  /** Without content-encoding. */
  readonly bytes: Buffer;
  readonly json: JsonObject;
}

/** A name in a vendor's catalogue, with slashes and colons where it has them; longer or odder ones are typing errors. */
const modelForm = /^[\w.:@/+~-]{1,200}$/;

/**
 * Throws `Refusal` BodyInvalid or BodyTooLarge. `decisive`: members that decide about money. JSON allows a name twice and
 * leaves open which one counts: the relay would read one, and the upstream might do the other.
 */
export function readBody(request: ClientRequest, decisive: readonly string[]): RequestBody {
  const bytes = decodeBody(request.body, request.headers["content-encoding"]);
  const json = objectOf(parseJson(bytes.toString("utf8").replace(/^\ufeff/, "")));
  if (json === undefined) throw new Refusal("BodyInvalid", "The body is no JSON object.");
  const repeated = repeatedMember(bytes, decisive);
  if (repeated !== undefined) throw new Refusal("BodyInvalid", `${repeated}: is in the body more than once.`);
  return { bytes, json };
}

/** Throws `Refusal` BodyInvalid where the model is missing. */
export function readModel(model: unknown): string {
  if (typeof model !== "string" || model === "") throw new Refusal("BodyInvalid", "model: give the name of a model.");
  if (!modelForm.test(model)) throw new Refusal("BodyInvalid", "model: this is no name of a model.");
  return model;
}

/** Names may also be written with escapes, which is found by the closer look. */
function repeatedMember(bytes: Buffer, names: readonly string[]): string | undefined {
  if (!bytes.includes("\\u00") && !names.some((name) => isTwiceIn(bytes, `"${name}"`))) return undefined;
  const seen = new Set<string>();
  for (const { name } of membersOf(bytes)) {
    if (seen.has(name) && names.includes(name)) return name;
    seen.add(name);
  }
  return undefined;
}

function isTwiceIn(bytes: Buffer, text: string): boolean {
  const first = bytes.indexOf(text);
  return first >= 0 && bytes.indexOf(text, first + text.length) >= 0;
}
