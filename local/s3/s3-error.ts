// S3's errors, and their XML form.
// Source: "Error responses" in the S3 API reference.
import type { ServiceResponse } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import { xmlDocument } from "./xml.ts";

/** A ServiceError that also sends headers, as S3 does with delete markers and unsatisfiable ranges. */
export class S3Error extends ServiceError {
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    more: { details?: Readonly<Record<string, string>>; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(status, code, message, more.details);
    this.headers = more.headers ?? {};
  }
}

export function renderS3Error(
  error: ServiceError,
  request: { readonly requestId: string; readonly method: string },
): ServiceResponse {
  const headers = error instanceof S3Error ? error.headers : {};
  if (request.method === "HEAD") return { status: error.status, headers };
  return {
    status: error.status,
    headers: { ...headers, "content-type": "application/xml" },
    body: errorDocument(error, request.requestId),
  };
}

export function errorDocument(error: ServiceError, requestId: string): string {
  return xmlDocument("Error", {
    Code: error.code,
    Message: error.message,
    ...(error.details as Readonly<Record<string, string>>),
    RequestId: requestId,
  });
}

export function invalidRequest(message: string): S3Error {
  return new S3Error(400, "InvalidRequest", message);
}

export function invalidArgument(name: string, value: string, message: string): S3Error {
  return new S3Error(400, "InvalidArgument", message, { details: { ArgumentName: name, ArgumentValue: value } });
}

export function malformedXml(): S3Error {
  return new S3Error(
    400,
    "MalformedXML",
    "The XML you provided was not well-formed or did not validate against our published schema",
  );
}

/** Refuses by name what AWS has and the local cloud does not. */
export function notImplemented(what: string): S3Error {
  return new S3Error(501, "NotImplemented", `The local cloud's S3 does not have ${what}.`);
}

export function accessDenied(): S3Error {
  return new S3Error(403, "AccessDenied", "Access Denied");
}

export function noSuchKey(key: string, headers: Readonly<Record<string, string>> = {}): S3Error {
  return new S3Error(404, "NoSuchKey", "The specified key does not exist.", { details: { Key: key }, headers });
}

export function noSuchBucket(bucket: string): S3Error {
  return new S3Error(404, "NoSuchBucket", "The specified bucket does not exist", { details: { BucketName: bucket } });
}

export function noSuchVersion(key: string, versionId: string): S3Error {
  return new S3Error(404, "NoSuchVersion", "The specified version does not exist.", {
    details: { Key: key, VersionId: versionId },
  });
}

export function noSuchUpload(uploadId: string): S3Error {
  return new S3Error(
    404,
    "NoSuchUpload",
    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    { details: { UploadId: uploadId } },
  );
}

export function preconditionFailed(condition: string): S3Error {
  return new S3Error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", {
    details: { Condition: condition },
  });
}

export function badDigest(what: string): S3Error {
  return new S3Error(400, "BadDigest", `The ${what} you specified did not match what we received.`);
}

export function internalError(): S3Error {
  return new S3Error(500, "InternalError", "We encountered an internal error. Please try again.");
}

/** SQLite's own code for a full disk. */
const sqliteFull = 13;

/** An error of the machine as one that its user can act upon; anything else comes back as it is. */
export function explainMachineError(error: unknown, stateDirectory: string): unknown {
  const { code, errcode } = (error ?? {}) as { code?: unknown; errcode?: unknown };
  if (code !== "ENOSPC" && code !== "EDQUOT" && errcode !== sqliteFull) return error;
  return new S3Error(
    507,
    "InsufficientStorage",
    `The disk that holds ${stateDirectory} is full: the local cloud's S3 keeps its objects there. ` +
      "Free space on it, delete objects, or clear the local cloud with `npm run local:reset`.",
  );
}
