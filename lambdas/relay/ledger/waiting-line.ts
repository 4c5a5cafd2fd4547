// The line of a key: instead of a refusal at the limit of concurrency, so many requests wait so long. Unused, it costs no write.
import { number, numberOf, type StoredItem } from "./attributes.ts";
import type { Write } from "./write-expressions.ts";

/** Between two looks: long enough for a hundred waiting requests not to be the load, short enough not to be felt. */
const shortestPauseMilliseconds = 50;
const longestPauseMilliseconds = 250;

/** Whoever died in the line holds a place until its time is over; so many are cleared away at once. */
const mostCleared = 20;

/** `random`: 0 to 1. Never beyond the end of the wait. */
export function pauseInLine(random: number, now: number, until: number): number {
  const drawn = shortestPauseMilliseconds + random * (longestPauseMilliseconds - shortestPauseMilliseconds);
  return Math.max(0, Math.min(drawn, until - now));
}

/** `most`: places in the line. `over`: places of requests whose time is over, taken away by the same write. */
export function joinWrite(requestId: string, until: number, most: number, over: readonly string[]): Write {
  const names: Record<string, string> = { "#q": "q", "#id": requestId };
  over.forEach((id, at) => {
    names[`#o${at}`] = id;
  });
  const paths = over.map((_, at) => `#q.#o${at}`);
  const present = paths.map((path) => ` AND attribute_exists(${path})`).join("");
  return {
    ConditionExpression: `attribute_not_exists(#q.#id) AND size(#q) < :most${present}`,
    UpdateExpression: `SET #q.#id = :until${paths.length === 0 ? "" : ` REMOVE ${paths.join(", ")}`}`,
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: { ":until": number(until), ":most": number(most + over.length) },
  };
}

export function leaveWrite(requestId: string): Write {
  return {
    ConditionExpression: "attribute_exists(#q.#id)",
    UpdateExpression: "REMOVE #q.#id",
    ExpressionAttributeNames: { "#q": "q", "#id": requestId },
    ExpressionAttributeValues: undefined,
  };
}

export function standsInLine(item: StoredItem, requestId: string): boolean {
  return item.q?.M?.[requestId] !== undefined;
}

export function placesThatAreOver(item: StoredItem, now: number): string[] {
  const places = Object.entries(item.q?.M ?? {});
  return places.flatMap(([id, until]) => ((numberOf(until) ?? 0) < now ? [id] : [])).slice(0, mostCleared);
}
