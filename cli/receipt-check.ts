// One thing that a receipt says, held against what is there now.

export interface Check {
  readonly what: string;
  /** `unknown`: it could not be looked at, which is no proof either way. */
  readonly outcome: "equal" | "different" | "unknown";
  readonly detail: string;
}

export function compare(what: string, expected: unknown, found: unknown): Check {
  if (expected === null || expected === undefined) return { what, outcome: "unknown", detail: "the receipt has none" };
  if (found === null || found === undefined) return { what, outcome: "unknown", detail: "none is stated now" };
  return expected === found
    ? { what, outcome: "equal", detail: String(found) }
    : { what, outcome: "different", detail: `the receipt says ${expected}, found ${found}` };
}
