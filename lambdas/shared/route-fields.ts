// Fields that routes of several rooms share: paging, numbers and times in a query. Schemas alone, for a room's routes.ts.
import * as z from "zod";

/** The longest cursor that is read; ours are about 200 letters. */
const longestCursor = 2000;

/** A whole number in a path or query, where everything is text. Arrives as a number. */
export function numberText(least: number, most: number, unit: string) {
  const message = `Give a whole number of ${unit} from ${least} to ${most}.`;
  return z
    .string()
    .regex(/^\d{1,15}$/, message)
    .transform(Number)
    .refine((number) => number >= least && number <= most, message)
    .meta({ type: "integer", minimum: least, maximum: most });
}

/** `true` or `false` in a query. Arrives as a boolean. */
export function flagText() {
  return z
    .enum(["true", "false"], "Give true or false.")
    .transform((text) => text === "true")
    .meta({ type: "boolean" });
}

/** RFC 3339, as in answers. Arrives as text in UTC with milliseconds, so that it compares with stored times. */
export function timeText() {
  return z.iso
    .datetime({ offset: true, error: 'Give a time, such as "2026-11-20T03:30:00Z".' })
    .transform((text) => new Date(text).toISOString());
}

export const cursorField = z
  .string()
  .min(1, "Give the cursor of the page before, or leave it out.")
  .max(longestCursor, "This is no cursor of ours; pass the one of the page before unchanged.")
  .optional()
  .describe("`cursor` of the page before; left out: the first page");

export function limitField(most: number, standard: number) {
  return numberText(1, most, "items").default(standard).describe(`Most items of a page; ${standard} when left out`);
}

/** Paging by cursor: for lists that grow while they are read. */
export const cursorPaging = { cursor: cursorField, limit: limitField(100, 25) };

/** Paging by number: for lists that are short and of known length. */
export const numberedPaging = {
  page: numberText(1, 10_000, "pages").default(1).describe("From 1"),
  limit: limitField(100, 25),
};

/** `data` of a list that is paged by cursor. */
export function cursorPageOf<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    /** Null at the end. */
    cursor: z.string().nullable(),
  });
}

/** `data` of a list that is paged by number. */
export function numberedPageOf<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    page: z.int().min(1),
    limit: z.int().min(1),
    total: z.int().min(0),
  });
}

/** One segment of a path that names a thing; whatever is longer or holds control characters names none. */
export function idText(what: string, longest = 256) {
  return z
    .string()
    .regex(/^[\x21-\x7e]+$/, `Give the id of ${what}.`)
    .max(longest, `Give the id of ${what}.`);
}
