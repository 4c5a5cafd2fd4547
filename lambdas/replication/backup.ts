// A backup as the replication room knows it, whichever inventory it came from.
import * as z from "zod";
import { CausewayError } from "../shared/errors.ts";

/** How a copy can be brought back to life; decided by how the backup was made. */
export const restorabilities = [
  /** Files of the engine (xbstream): a server of the same version starts from them. */
  "physical",
  /** SQL text: loads into any compatible server. */
  "logical",
  /** A cloud disk snapshot: nothing to download. */
  "snapshot-only",
  /** The vendor's encryption: the bytes are useless outside its key service. */
  "encrypted-at-vendor",
  /** An export in Parquet: for analysis. No server restores from it. */
  "parquet-analytic",
  "unknown",
] as const;

export type Restorability = (typeof restorabilities)[number];

/** A backup as an inventory lists it. Times are RFC 3339 UTC; null where the vendor says nothing. */
export interface SourceBackup {
  readonly source: string;
  readonly instanceId: string;
  /** Lower case: mysql, mariadb, postgresql, sqlserver … or unknown. */
  readonly engine: string;
  readonly backupId: string;
  readonly fileName: string | null;
  readonly sizeBytes: number;
  readonly method: string;
  readonly type: string;
  readonly status: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  /** When the vendor deletes it: the copy's deadline. */
  readonly expiresAt: string | null;
  /** CRC-64/XZ as unsigned decimal text. */
  readonly crc64: string | null;
  readonly isAvailable: boolean;
  readonly metaStatus: string;
  readonly isEncrypted: boolean;
  readonly isArchived: boolean;
  readonly hasLink: boolean;
  readonly instanceDeleted: boolean;
  readonly hostInstanceId: string | null;
}

/** A line of the list that the state machine's map reads. No link is in it: a link is as good as a key. */
export const listedBackupSchema = z.object({
  copyId: z.string(),
  source: z.string(),
  instanceId: z.string(),
  engine: z.string(),
  backupId: z.string(),
  fileName: z.string(),
  sizeBytes: z.number(),
  startedAt: z.string(),
  crc64: z.string().nullable(),
  restorability: z.enum(restorabilities),
  instanceDeleted: z.boolean(),
  force: z.boolean(),
});

export type ListedBackup = z.infer<typeof listedBackupSchema>;

/** One backup has one copy item, whoever copies it and how often. */
export function copyIdOf(backup: { source: string; instanceId: string; backupId: string }): string {
  return `${backup.source}:${backup.instanceId}:${backup.backupId}`;
}

/** S3's limit is 1,024 UTF-8 bytes; the receipt's key is this key with some 60 bytes around it. */
const longestKeyBytes = 960;

/**
 * `<prefix><engine>/<instance>/<yyyy>/<mm>/<dd>/<backup id>/<file name>`, the day being the backup's start in UTC.
 * Unicode, spaces and `+ % " '` in a file name are kept; slashes and control characters become `_`.
 * Throws `InputInvalid` when the key would be longer than S3 takes.
 */
export function objectKeyOf(
  prefix: string,
  backup: Pick<ListedBackup, "engine" | "instanceId" | "backupId" | "fileName" | "startedAt">,
): string {
  const [year, month, day] = backup.startedAt.slice(0, 10).split("-");
  const folder = [backup.engine, backup.instanceId, year, month, day, backup.backupId].map((part) =>
    safeSegment(part ?? ""),
  );
  const key = `${prefix}${folder.join("/")}/${safeSegment(backup.fileName)}`;
  if (Buffer.byteLength(key) > longestKeyBytes) {
    throw new CausewayError(
      "InputInvalid",
      `The key for backup ${backup.backupId} would be longer than ${longestKeyBytes} bytes.`,
    );
  }
  return key;
}

function safeSegment(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  const safe = text.replace(/[\u0000-\u001f\u007f/\\]/g, "_");
  return safe === "" || safe === "." || safe === ".." ? "_" : safe;
}
