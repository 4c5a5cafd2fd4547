// What may be given to an execution of the state machine; `{}` copies everything new.
import * as z from "zod";

const mostIds = 1000;
const ids = z.array(z.string().min(1)).max(mostIds);

export const runRequestSchema = z.strictObject({
  /** Only these instances. */
  instanceIds: ids.optional(),
  /** Only these backups; each must be in the window. */
  backupIds: ids.optional(),
  /** Backups begun between these times (RFC 3339). Default: the stage's window until now. */
  window: z.object({ start: z.iso.datetime({ offset: true }), end: z.iso.datetime({ offset: true }) }).optional(),
  types: z.array(z.enum(["FullBackup", "IncrementalBackup"])).optional(),
  methods: z.array(z.enum(["Physical", "Logical", "Snapshot"])).optional(),
  /** Copy again what was copied before, and replace it. */
  force: z.boolean().optional(),
});
