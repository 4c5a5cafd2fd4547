// Content hash: names a session by what a provider can cache of it, where the client gave it no name.
import { createHash } from "node:crypto";

/** The beginning decides; a conversation that differs only behind this shares its cache up to there anyway. */
const mostHashedCharacters = 64 * 1024;

/**
 * `parts`: what stands first in every request of the conversation: instructions AND its first message. Instructions
 * alone would send every user of an application to one account (the weak point of claude-relay-service's form).
 */
export function contentHash(parts: readonly unknown[]): string {
  const text = JSON.stringify(parts).slice(0, mostHashedCharacters);
  return `content:${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}
