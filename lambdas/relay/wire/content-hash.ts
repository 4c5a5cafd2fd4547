// Content hash: names a session by what a provider can cache of it, where the client gave it no name.
import { createHash } from "node:crypto";
import { Refusal } from "../refusal.ts";

/** The beginning decides; a conversation that differs only behind this shares its cache up to there anyway. */
const mostHashedCharacters = 64 * 1024;

/**
 * `parts`: what stands first in every request of the conversation: instructions AND its first message. Instructions
 * alone would send every user of an application to one account (the weak point of claude-relay-service's form). Throws
 * `Refusal` BodyInvalid for what nests too deeply.
 */
export function contentHash(parts: readonly unknown[]): string {
  const text = textOf(parts).slice(0, mostHashedCharacters);
  return `content:${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}

/** JSON is parsed without the stack, but written with it. */
function textOf(parts: readonly unknown[]): string {
  try {
    return JSON.stringify(parts);
  } catch (error) {
    throw new Refusal("BodyInvalid", "The body nests too deeply.", { cause: error });
  }
}
