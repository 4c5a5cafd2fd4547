// What may be given to an execution of reconcile-mirror; `{}` compares everything that is mirrored.
import * as z from "zod";

/** S3's and OSS's longest key. */
const mostPrefixLetters = 1023;

export const reconcileRequestSchema = z.strictObject({
  /** Only keys of S3 that begin with this. It may be a part of a folder's name. */
  prefix: z.string().min(1).max(mostPrefixLetters).optional(),
  /** Reads every object on both sides and compares the bytes: finds what neither cloud noticed. Costs egress from OSS. */
  readData: z.boolean().optional(),
});

export type ReconcileRequest = z.infer<typeof reconcileRequestSchema>;
