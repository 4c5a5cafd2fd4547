// What may be given to an execution of export-rds-snapshot; `{}` exports the newest snapshot of every database.
import * as z from "zod";

export const mostSnapshots = 100;
export const snapshotArnPattern = /^arn:[^:]+:rds:[^:]*:\d*:(cluster-)?snapshot:.+$/;

export const exportRequestSchema = z.strictObject({
  /** Exactly these, whatever their age; each must be there. */
  snapshotArns: z
    .array(z.string().regex(snapshotArnPattern, "Give the ARN of a snapshot."))
    .min(1)
    .max(mostSnapshots)
    .optional(),
  /** Export again what was exported before. */
  force: z.boolean().optional(),
});

export type ExportRequest = z.infer<typeof exportRequestSchema>;
