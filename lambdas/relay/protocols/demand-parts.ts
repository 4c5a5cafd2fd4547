// Demand parts: what the demands of all protocols have in common.
import { Refusal } from "../refusal.ts";
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

/** Texts only, each once. Throws `Refusal` BodyInvalid for too many. */
export function boundIdsOf(candidates: readonly unknown[]): string[] {
  const ids = [...new Set(candidates.filter((id): id is string => typeof id === "string" && id !== ""))];
  if (ids.length > mostBoundIds) {
    const message = `The request names ${ids.length} files and other stored things; this relay takes at most ${mostBoundIds}.`;
    throw new Refusal("BodyInvalid", message, { limit: mostBoundIds });
  }
  return ids;
}
