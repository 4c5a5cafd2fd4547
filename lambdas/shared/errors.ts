// Errors have names: a state machine catches the name, a client reads it, and whether to try again is decided once, here.

import { redact } from "./redact.ts";

/** Every error that Causeway raises on purpose. `true`: the same call may succeed later without anybody's help. */
export const retryableByName = {
  ConfigurationInvalid: false,
  InputInvalid: false,
  SecretMissing: false,
  AwsUnavailable: true,
  AwsRefused: false,
  TooManyBackups: false,
  UnexpectedFailure: false,
  SourceUnavailable: true,
  SourceThrottled: true,
  SourceRefused: false,
  SourceChanged: false,
  SourceIgnoresRanges: false,
  SourceChecksumsDisagree: false,
  BackupNotFound: false,
  BackupNotCopyable: false,
  EmptyBackup: false,
  BackupTooLarge: false,
  TooSlowForPart: false,
  EgressLimitReached: false,
  LinkExpired: true,
  ClaimedElsewhere: false,
  ClaimLost: false,
  TargetExists: false,
  TargetUnavailable: true,
  TargetRefused: false,
  UploadLost: false,
  PartDamaged: true,
  PartsMissing: false,
  NoProgress: false,
  CompletionUnclear: true,
  ProofFailed: false,
  ReceiptConflict: false,
  SnapshotNotFound: false,
  SnapshotNotExportable: false,
  ExportSlotsTaken: true,
  ExportFailed: false,
  SchemaNotKept: false,
  MirrorLeaseHeld: true,
  MirrorLeaseLost: true,
  RecordsExpired: false,
  ExportTooLarge: false,
  ChannelUnavailable: true,
  ChannelThrottled: true,
  ChannelRefused: false,
  AddressRefused: false,
  CredentialMissing: false,
  CredentialUnreadable: false,
  Unauthenticated: false,
  Forbidden: false,
  NotFound: false,
  MethodNotAllowed: false,
  BodyTooLarge: false,
  UnsupportedMediaType: false,
  Conflict: false,
  PreconditionMissing: false,
  PreconditionFailed: false,
  IdempotencyKeyReused: false,
  StillWorking: true,
  TooManyRequests: true,
  NotReady: true,
} as const satisfies Record<string, boolean>;

export type ErrorName = keyof typeof retryableByName;

export class CausewayError extends Error {
  override readonly name: ErrorName;
  readonly retryable: boolean;
  /** Facts for the log and the job; never a secret, never a link. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(name: ErrorName, message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    // A message travels far: into logs, jobs, events and the workflow's history.
    super(redact(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = name;
    this.retryable = retryableByName[name];
    this.details = options.details ?? {};
  }
}

export function isErrorNamed(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof Error && names.includes(error.name);
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
