// AWS's errors under Causeway's names, so that a state machine needs to know two instead of hundreds.
import { CausewayError, messageOf } from "./errors.ts";

/** Somebody else's write to the same item was under way: the SDK does not try again by itself. */
const passingConflicts = new Set(["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]);

interface SdkError extends Error {
  readonly CancellationReasons?: readonly { readonly Code?: string }[];
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
  readonly $retryable?: { readonly throttling?: boolean };
  readonly code?: string;
}

/** Connection errors of Node that a later attempt may not meet. */
const passingConnectionErrors = new Set([
  "ECONNRESET",
  "ECONNREFUSED",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "ENOTFOUND",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_SOCKET",
]);

const throttlingNames = /throttl|slowdown|toomanyrequests|provisionedthroughput|requestlimit|limitexceeded|timeout/i;

export function isPassingConnectionError(error: unknown): boolean {
  return error instanceof Error && passingConnectionErrors.has((error as SdkError).code ?? "");
}

/** True where AWS or the way to it was at fault, not the request. */
export function isPassingAwsError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { $metadata, $retryable, name } = error as SdkError;
  const status = $metadata?.httpStatusCode ?? 0;
  if (isPassingConnectionError(error)) return true;
  if (name === "TransactionConflictException" || isPassingCancellation(error)) return true;
  return $retryable !== undefined || status >= 500 || status === 429 || throttlingNames.test(name);
}

/** A transaction that DynamoDB cancelled for nothing but what passes. */
function isPassingCancellation({ name, CancellationReasons = [] }: SdkError): boolean {
  if (name !== "TransactionCanceledException") return false;
  const codes = CancellationReasons.map(({ Code = "None" }) => Code).filter((code) => code !== "None");
  return codes.length > 0 && codes.every((code) => passingConflicts.has(code));
}

/** Whatever was thrown, as a CausewayError; those that are already stay as they are. */
export function namedError(error: unknown): CausewayError {
  if (error instanceof CausewayError) return error;
  const sdkError: SdkError = error instanceof Error ? error : new Error(String(error));
  const fromAws = sdkError.$metadata !== undefined;
  const said = messageOf(error);
  const details = { awsError: sdkError.name, requestId: sdkError.$metadata?.requestId };
  if (isPassingAwsError(error)) {
    return new CausewayError("AwsUnavailable", `AWS did not answer well: ${sdkError.name}: ${said}`, {
      cause: error,
      details,
    });
  }
  if (fromAws) {
    return new CausewayError("AwsRefused", `AWS refused the call: ${sdkError.name}: ${said}`, {
      cause: error,
      details,
    });
  }
  return new CausewayError("UnexpectedFailure", `${sdkError.name}: ${said}`, { cause: error });
}
