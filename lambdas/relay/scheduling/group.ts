// A group of accounts: keys are bound to it, and it may have an algorithm of its own.
import * as z from "zod";

export const groupSchema = z.strictObject({
  group: z.string().regex(/^[a-z][a-z0-9-]{0,40}$/, 'Give a lower-case name of letters, digits and "-".'),
  description: z.string().max(300).default(""),
  algorithm: z.enum(["round-robin", "weighted-random", "least-connections", "response-time"]).nullable().default(null),
});

export type Group = z.output<typeof groupSchema>;
