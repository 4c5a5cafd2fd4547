// Demand parts: what the demands of all protocols have in common.
import { Refusal } from "../refusal.ts";
import { positiveOf } from "../wire/json-values.ts";
import type { Demand } from "./protocol.ts";

/** A tool that the provider runs may be called often; where the request does not limit it, so many calls are reserved. */
export const mostCallsUnstated = 20;

/** A request that refers to more is refused: each is looked up. */
const mostBoundIds = 100;

/** Lists of models and counts of tokens cost nothing. */
export const freeDemand: Demand = {
  inputBytes: 0,
  hasInputElsewhere: false,
  mostOutputTokens: 0,
  answers: 1,
  hasVisibleOutput: false,
  serverTools: {},
};

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

/** Texts only, each once. Throws `Refusal` BodyInvalid for too many. */
export function boundIdsOf(candidates: readonly unknown[]): string[] {
  const ids = [...new Set(candidates.filter((id): id is string => typeof id === "string" && id !== ""))];
  if (ids.length > mostBoundIds) {
    const message = `The request names ${ids.length} files and other stored things; this relay takes at most ${mostBoundIds}.`;
    throw new Refusal("BodyInvalid", message, { limit: mostBoundIds });
  }
  return ids;
}
