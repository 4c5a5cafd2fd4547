// Prices as the API takes and shows them.
import * as z from "zod";
import { timeText } from "../../shared/route-fields.ts";
import { priceSchema } from "../counting/price.ts";

export const shownPrice = priceSchema.extend({
  /** Of an override: by which it is deleted. */
  priceId: z.string().nullable(),
  origin: z.enum(["table", "override"]).describe("The reviewed table of the repository, or changed over the API"),
  version: z.string().describe("As records name it"),
  isInEffect: z.boolean().describe("False: from `effectiveFrom` on"),
});

/** `effectiveFrom` left out: now. */
export const priceBody = priceSchema.extend({
  effectiveFrom: timeText().optional().describe("Counts from then on; left out: now"),
  source: z.string("Say where the price was read.").trim().min(1, "Say where the price was read.").max(300),
});

export type ShownPrice = z.output<typeof shownPrice>;
export type PriceBody = z.output<typeof priceBody>;
