// Request body: decoded and parsed once, with what decides about money checked for being said twice.
import { Refusal } from "../refusal.ts";
import { decodeBody } from "../wire/decode-body.ts";
import { hasMoreValues, type JsonMember, membersOf } from "../wire/json-members.ts";
import { type JsonObject, objectOf, parseJson } from "../wire/json-values.ts";
import type { Found } from "./find-operation.ts";
import type { ClientRequest } from "./protocol.ts";

export interface RequestBody {
  /** Without content-encoding. */
  readonly bytes: Buffer;
  /** The same, as text. */
  readonly text: string;
  readonly json: JsonObject;
}

/**
 * A name in a vendor's catalogue, or of a gateway's making: with a provider before a comma (claude-code-router), an effort in
 * parentheses (CLIProxyAPI), in Chinese (one-api and its kin). Longer or odder ones are typing errors.
 */
const modelForm = /^[\p{L}\p{M}\p{N}_.:@/+~[\](),-]+$/u;
const mostModelBytes = 200;

/** A list or an object takes some fifty bytes of memory for two of the body: 30 KB of gzip would become a gigabyte. */
const mostValues = 1_000_000;

/** No vendor's request has a tenth of it; each costs time before the key is known. */
const mostMembers = 1000;

/**
 * Throws `Refusal` BodyInvalid or BodyTooLarge. `decisive`: members that decide about money. JSON allows a name twice and
 * leaves open which one counts, Go's encoding/json takes names in other letters for the same, and some servers (LiteLLM)
 * prefer a model in the query: the relay would read one, and the upstream might do the other.
 */
export function readBody(request: ClientRequest, decisive: readonly string[]): RequestBody {
  const bytes = decodeBody(request.body, request.headers["content-encoding"]);
  // What comes uncoded is small enough by itself.
  if (bytes !== request.body && hasMoreValues(bytes, mostValues)) {
    throw new Refusal("BodyInvalid", `The body has more than ${mostValues} values.`, { limit: mostValues });
  }
  const text = bytes.toString("utf8");
  const json = objectOf(parseJson(text.startsWith("\ufeff") ? text.slice(1) : text));
  if (json === undefined) throw new Refusal("BodyInvalid", "The body is no JSON object.");
  checkMembers(bytes, decisive);
  checkQuery(request.query, decisive);
  return { bytes, text, json };
}

function checkMembers(bytes: Buffer, decisive: readonly string[]): void {
  const members = membersOf(bytes, 0, mostMembers + 1);
  if (members.length > mostMembers) {
    throw new Refusal("BodyInvalid", `The body has more than ${mostMembers} members.`, { limit: mostMembers });
  }
  const folded = foldedOf(decisive);
  const seen = new Set<string>();
  for (const { name, valueStart } of members) {
    const known = folded.get(fold(name));
    if (known === undefined) continue;
    if (known !== name) throw new Refusal("BodyInvalid", `${known}: is in the body in other letters.`);
    if (seen.has(name)) throw new Refusal("BodyInvalid", `${name}: is in the body more than once.`);
    seen.add(name);
    checkInner(name, membersOf(bytes, valueStart, mostMembers + 1));
  }
}

function checkQuery(query: string, decisive: readonly string[]): void {
  const folded = foldedOf(decisive);
  for (const name of new URLSearchParams(query).keys()) {
    if (!folded.has(fold(name))) continue;
    throw new Refusal("BodyInvalid", `${name}: stands in the query; give it in the body alone.`);
  }
}

/** Of `generationConfig`, `thinking` and their like: what stands in them decides, too. */
function checkInner(outer: string, members: readonly JsonMember[]): void {
  if (members.length > mostMembers) {
    throw new Refusal("BodyInvalid", `${outer}: has more than ${mostMembers} members.`, { limit: mostMembers });
  }
  if (new Set(members.map(({ name }) => fold(name))).size === members.length) return;
  throw new Refusal("BodyInvalid", `${outer}: something is in it more than once.`);
}

const folds = new WeakMap<readonly string[], ReadonlyMap<string, string>>();

/** The names by how they read without regard to case. */
function foldedOf(names: readonly string[]): ReadonlyMap<string, string> {
  const known = folds.get(names) ?? new Map(names.map((name) => [fold(name), name]));
  folds.set(names, known);
  return known;
}

/** As Go folds: the Kelvin sign is a k, and the long s an s. */
function fold(name: string): string {
  return name.toLowerCase().toUpperCase();
}

/** Throws `Refusal` BodyInvalid where the model is missing. */
export function readModel(model: unknown): string {
  if (typeof model !== "string" || model === "") throw new Refusal("BodyInvalid", "model: give the name of a model.");
  if (Buffer.byteLength(model) > mostModelBytes || !modelForm.test(model)) {
    throw new Refusal("BodyInvalid", "model: this is no name of a model.");
  }
  return model;
}

/** What HTTP carries in a path, as it is. */
const inPath = /^[\x21-\x7e]+$/;

/** Of an operation whose path names a model; empty where none does. Throws `Refusal` BodyInvalid. */
export function readPathModel({ parts: [model] }: Found): string {
  if (model === undefined) return "";
  if (!inPath.test(model)) throw new Refusal("BodyInvalid", "model: a path names models in ASCII alone.");
  return readModel(model);
}
