// Demand parts: what the demands of all protocols have in common.
import { Refusal } from "../refusal.ts";
import { type JsonObject, objectOf, positiveOf } from "../wire/json-values.ts";

/** A tool that the provider runs may be called often; where the request does not limit it, so many calls are reserved. */
export const mostCallsUnstated = 20;

/** A request that refers to more is refused: each is looked up. */
const mostBoundIds = 100;

/**
 * Answers asked for at once: what is not given is one. Throws `Refusal` BodyInvalid for what is no whole number: some servers
 * would take the text "8" for eight answers, and the relay would have reserved one.
 */
export function answersOf(asked: unknown, field: string): number {
  if (asked === undefined || asked === null || asked === 0) return 1;
  const answers = positiveOf(asked);
  if (answers !== undefined) return answers;
  throw new Refusal("BodyInvalid", `${field}: give a whole number from 1 on.`);
}

/**
 * What is not given is no. Throws `Refusal` BodyInvalid for what is neither yes nor no: some servers would take 1 or "true"
 * for a yes, and answer in a form, or go on for a time, that the relay does not follow.
 */
export function flagOf(asked: unknown, field: string): boolean {
  if (asked === undefined || asked === null) return false;
  if (typeof asked === "boolean") return asked;
  throw new Refusal("BodyInvalid", `${field}: give true or false.`);
}

/**
 * Of gateways that may stand upstream (OpenRouter, LiteLLM): lists of other models to take, and another request inside of
 * the one that is read here. Of the vendors Google alone knows one of them (`googleExtras`).
 */
const hidingMembers = ["models", "fallbacks", "context_window_fallbacks", "content_policy_fallbacks", "extra_body"];

/**
 * Google's server for OpenAI's form takes how to think from `extra_body.google`, and clients of Gemini models send it
 * wherever they are pointed to (ai.google.dev/gemini-api/docs/openai, "Thinking"). Its cached contents stay refused.
 */
const googleExtras: ReadonlySet<string> = new Set(["thinking_config", "safety_settings"]);

/** Throws `Refusal` for what would be served by a model that the key's policy and the price table do not see. */
export function refuseOtherModels(json: JsonObject): void {
  for (const name of hidingMembers) {
    const value = json[name] ?? [];
    if (Array.isArray(value) && value.length === 0) continue;
    if (name === "extra_body" && isOfGoogleAlone(objectOf(value))) continue;
    throw new Refusal("NotSupported", `${name}: this relay serves the model that is asked for, as it is asked.`);
  }
}

function isOfGoogleAlone(extras: JsonObject | undefined): boolean {
  if (extras === undefined) return false;
  const { google = {}, ...others } = extras;
  const said = objectOf(google);
  const isHarmless = said !== undefined && Object.keys(said).every((name) => googleExtras.has(name));
  return isHarmless && Object.keys(others).length === 0;
}

/** Texts only, each once. Throws `Refusal` BodyInvalid for too many. */
export function boundIdsOf(candidates: readonly unknown[]): string[] {
  const ids = [...new Set(candidates.filter((id): id is string => typeof id === "string" && id !== ""))];
  if (ids.length > mostBoundIds) {
    const message = `The request names ${ids.length} files and other stored things; this relay takes at most ${mostBoundIds}.`;
    throw new Refusal("BodyInvalid", message, { limit: mostBoundIds });
  }
  return ids;
}
