// Request body: decoded and parsed once, with what decides about money checked for being said twice.
import { Refusal } from "../refusal.ts";
import { decodeBody } from "../wire/decode-body.ts";
import { membersOf } from "../wire/json-members.ts";
import { type JsonObject, objectOf, parseJson } from "../wire/json-values.ts";
import type { ClientRequest } from "./protocol.ts";

export interface RequestBody {
  /** Without content-encoding. */
  readonly bytes: Buffer;
  /** The same, as text. */
  readonly text: string;
  readonly json: JsonObject;
}

/** A name in a vendor's catalogue, with slashes and colons where it has them; longer or odder ones are typing errors. */
const modelForm = /^[\w.:@/+~[\]-]{1,200}$/;

/**
 * Throws `Refusal` BodyInvalid or BodyTooLarge. `decisive`: members that decide about money. JSON allows a name twice and
 * leaves open which one counts: the relay would read one, and the upstream might do the other.
 */
export function readBody(request: ClientRequest, decisive: readonly string[]): RequestBody {
  const bytes = decodeBody(request.body, request.headers["content-encoding"]);
  const text = bytes.toString("utf8");
  const json = objectOf(parseJson(text.startsWith("\ufeff") ? text.slice(1) : text));
  if (json === undefined) throw new Refusal("BodyInvalid", "The body is no JSON object.");
  const seen = new Set<string>();
  for (const { name } of membersOf(bytes)) {
    if (seen.has(name) && decisive.includes(name)) {
      throw new Refusal("BodyInvalid", `${name}: is in the body more than once.`);
    }
    seen.add(name);
  }
  return { bytes, text, json };
}

/** Throws `Refusal` BodyInvalid where the model is missing. */
export function readModel(model: unknown): string {
  if (typeof model !== "string" || model === "") throw new Refusal("BodyInvalid", "model: give the name of a model.");
  if (!modelForm.test(model)) throw new Refusal("BodyInvalid", "model: this is no name of a model.");
  return model;
}
