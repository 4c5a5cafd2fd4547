// JSON values of requests and answers: read without trusting their shape. What is not of the expected kind is not there.

export type JsonObject = Readonly<Record<string, unknown>>;

export function objectOf(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

/** Empty where it is no list. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The objects of a list. */
export function objectsOf(value: unknown): readonly JsonObject[] {
  return listOf(value).filter((entry): entry is JsonObject => objectOf(entry) !== undefined);
}

/** Undefined for an empty text, too. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A whole number from 1 on, as limits of output are. Anything else is undefined: the upstream will refuse it. */
export function positiveOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1 ? value : undefined;
}

/** No request has a thousandth of it; sums of counts stay exact numbers, whatever an upstream claims. */
const mostCount = 1_000_000_000;

/** 64-bit numbers of protocol buffers are texts in JSON; some servers write all of theirs so. */
const numberForm = /^\d{1,20}(\.\d{1,20})?$/;

/** A count of tokens: 0 where it is missing, null, negative or no number; fractions are rounded up. */
export function countOf(value: unknown): number {
  const count = typeof value === "string" && numberForm.test(value) ? Number(value) : value;
  return typeof count === "number" && count > 0 ? Math.min(mostCount, Math.ceil(count)) : 0;
}

/** A service tier's name, as vendors write them; in lower case. Undefined for what is no such name. */
export function tierNameOf(value: unknown): string | undefined {
  return typeof value === "string" && /^[\w-]{1,40}$/.test(value) ? value.toLowerCase() : undefined;
}

/** Undefined where the text is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
