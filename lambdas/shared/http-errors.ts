// Errors over HTTP: which status each name has, and what a caller is told of it.
import { randomUUID } from "node:crypto";
import { namedError } from "./aws-errors.ts";
import type { CausewayError, ErrorName } from "./errors.ts";
import type { FieldProblem } from "./wrong-input.ts";

/** The one table of statuses. A name that no route can meet has the status that it would deserve. */
export const statusByName = {
  ConfigurationInvalid: 500,
  InputInvalid: 400,
  SecretMissing: 503,
  AwsUnavailable: 503,
  AwsRefused: 500,
  TooManyBackups: 409,
  UnexpectedFailure: 500,
  SourceUnavailable: 503,
  SourceThrottled: 503,
  SourceRefused: 502,
  SourceChanged: 409,
  SourceIgnoresRanges: 502,
  SourceChecksumsDisagree: 502,
  BackupNotFound: 404,
  BackupNotCopyable: 409,
  EmptyBackup: 409,
  BackupTooLarge: 409,
  TooSlowForPart: 409,
  EgressLimitReached: 409,
  LinkExpired: 503,
  ClaimedElsewhere: 409,
  ClaimLost: 409,
  TargetExists: 409,
  TargetUnavailable: 503,
  TargetRefused: 502,
  UploadLost: 409,
  PartDamaged: 502,
  PartsMissing: 409,
  NoProgress: 500,
  CompletionUnclear: 503,
  ProofFailed: 409,
  ReceiptConflict: 409,
  SnapshotNotFound: 404,
  SnapshotNotExportable: 409,
  ExportSlotsTaken: 503,
  ExportFailed: 502,
  SchemaNotKept: 502,
  MirrorLeaseHeld: 409,
  MirrorLeaseLost: 409,
  RecordsExpired: 409,
  ExportTooLarge: 409,
  ChannelUnavailable: 503,
  ChannelThrottled: 503,
  ChannelRefused: 502,
  AddressRefused: 409,
  CredentialMissing: 503,
  CredentialUnreadable: 503,
  Unauthenticated: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  BodyTooLarge: 413,
  UnsupportedMediaType: 415,
  Conflict: 409,
  PreconditionMissing: 428,
  PreconditionFailed: 412,
  IdempotencyKeyReused: 422,
  TooManyRequests: 429,
  StillWorking: 409,
  NotReady: 503,
} as const satisfies Record<ErrorName, number>;

/** `data` of an answer that is no success. */
export interface FailureData {
  readonly name: ErrorName;
  readonly fields: readonly FieldProblem[];
  readonly retryable: boolean;
  readonly requestId: string;
}

export interface Failure {
  readonly status: number;
  readonly message: string;
  readonly data: FailureData;
}

/** Their messages quote AWS or a library: for the log, not for a caller. */
const internal: ReadonlySet<ErrorName> = new Set([
  "UnexpectedFailure",
  "AwsRefused",
  "AwsUnavailable",
  "ConfigurationInvalid",
]);

/** Whatever was thrown, as a caller may see it. */
export function failureOf(thrown: unknown, requestId: string = randomUUID()): Failure {
  const error = namedError(thrown);
  const fields = fieldsOf(error);
  return {
    status: statusByName[error.name],
    message: internal.has(error.name) ? internalMessage(error, requestId) : error.message,
    data: { name: error.name, fields, retryable: error.retryable, requestId },
  };
}

function fieldsOf({ details }: CausewayError): readonly FieldProblem[] {
  const { fields } = details;
  return Array.isArray(fields) ? (fields as readonly FieldProblem[]) : [];
}

function internalMessage({ retryable }: CausewayError, requestId: string): string {
  return retryable
    ? `A service that this needs did not answer well. Try again; the log has more under request ${requestId}.`
    : `Something went wrong inside. The log has more under request ${requestId}.`;
}
