// Fields of JSON that a client wrote: whatever is of another kind than expected counts as absent.

export type JsonObject = Readonly<Record<string, unknown>>;

export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function asText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function asNumber(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** `fieldIn(body, "generationConfig", "maxOutputTokens")` */
export function fieldIn(value: unknown, ...names: readonly string[]): unknown {
  let found: unknown = value;
  for (const name of names) found = asObject(found)?.[name];
  return found;
}
