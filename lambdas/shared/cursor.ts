// Opaque cursors: where a list goes on, bound to the list and its filters, and refused when altered.
import { createHash } from "node:crypto";
import type * as z from "zod";
import { wrongInput } from "./wrong-input.ts";

/** Enough that nobody meets it by chance. It guards against mistakes, not against readers: a position holds no secret. */
const checkLetters = 16;

/** `scope`: the list and its filters; a cursor of another list is refused. `position`: JSON. */
export function writeCursor(scope: unknown, position: unknown): string {
  const body = Buffer.from(JSON.stringify(position)).toString("base64url");
  return `${body}.${check(scope, body)}`;
}

/** Throws `InputInvalid` naming `query.cursor` unless `writeCursor` made it for the same scope. */
export function readCursor<Position>(
  scope: unknown,
  cursor: string | undefined,
  position: z.ZodType<Position>,
): Position | undefined {
  if (cursor === undefined) return undefined;
  const [body = "", given, ...rest] = cursor.split(".");
  if (rest.length === 0 && given === check(scope, body)) {
    const parsed = position.safeParse(parseJson(Buffer.from(body, "base64url").toString()));
    if (parsed.success) return parsed.data;
  }
  throw wrongInput([
    {
      field: "query.cursor",
      problem: "This is no cursor of this list with these filters; pass the one of the page before unchanged.",
    },
  ]);
}

function check(scope: unknown, body: string): string {
  return createHash("sha256")
    .update(JSON.stringify(scope))
    .update("\0")
    .update(body)
    .digest("hex")
    .slice(0, checkLetters);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
