// Which backups are worth copying, and for each one that is not, the reason in a sentence.
import type { Restorability, SourceBackup } from "./backup.ts";

export type Verdict =
  | { readonly copyable: true; readonly restorability: Restorability }
  | { readonly copyable: false; readonly restorability: Restorability; readonly reason: string };

export interface ValidationRules {
  readonly nowMilliseconds: number;
  /** 0: backups of any age. */
  readonly maximumAgeHours: number;
  /** The target's largest object. */
  readonly largestObjectBytes: number;
}

const hourMilliseconds = 3_600_000;

export function restorabilityOf(backup: Pick<SourceBackup, "method" | "isEncrypted">): Restorability {
  if (backup.isEncrypted) return "encrypted-at-vendor";
  const byMethod: Record<string, Restorability> = {
    physical: "physical",
    logical: "logical",
    snapshot: "snapshot-only",
  };
  return byMethod[backup.method.toLowerCase()] ?? "unknown";
}

/** Looks at everything the inventory says; the first reason against copying wins. */
export function validateBackup(backup: SourceBackup, rules: ValidationRules): Verdict {
  const restorability = restorabilityOf(backup);
  const reason = reasonAgainst(backup, restorability, rules);
  return reason === undefined ? { copyable: true, restorability } : { copyable: false, restorability, reason };
}

function reasonAgainst(backup: SourceBackup, restorability: Restorability, rules: ValidationRules): string | undefined {
  if (backup.status !== "Success") return `failed: the vendor reports status ${backup.status || "(none)"}`;
  if (restorability === "snapshot-only") {
    return "snapshot-only: not downloadable (a cloud disk snapshot has no file; it needs the vendor's advanced download)";
  }
  if (backup.metaStatus === "EMPTY") return "empty: MetaStatus is EMPTY, the file is left over from a failed task";
  if (restorability === "encrypted-at-vendor") {
    return "encrypted: the vendor's key service holds the key, the copy could not be restored anywhere else";
  }
  if (!backup.isAvailable) return "unavailable: IsAvail is 0, the vendor does not offer the set for restoring";
  if (backup.isArchived) return "archived: the set is in the vendor's archive storage and must be thawed first";
  if (!Number.isSafeInteger(backup.sizeBytes) || backup.sizeBytes < 0)
    return "size unknown: the vendor reports no usable size";
  if (backup.sizeBytes === 0) return "empty: the vendor reports a size of 0 bytes";
  if (backup.sizeBytes > rules.largestObjectBytes) {
    return `too large: ${backup.sizeBytes} bytes, and the target takes at most ${rules.largestObjectBytes}`;
  }
  if (backup.startedAt === null) return "start time unknown: the vendor reports none that can be read";
  const ageHours = (rules.nowMilliseconds - Date.parse(backup.startedAt)) / hourMilliseconds;
  if (rules.maximumAgeHours > 0 && ageHours > rules.maximumAgeHours) {
    return `too old: ${Math.floor(ageHours)} hours, and the limit is ${rules.maximumAgeHours}`;
  }
  if (backup.expiresAt !== null && Date.parse(backup.expiresAt) <= rules.nowMilliseconds) {
    return `expired: the vendor was to delete it at ${backup.expiresAt}`;
  }
  if (!backup.hasLink || backup.fileName === null) return "no link: the vendor hands out no download address";
  return undefined;
}
