// OSS's errors, and their XML form. Codes and sentences: OSS's pages on HTTP status codes 400, 403, 404, 409 and 503.
import type { ServiceResponse } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import { xmlDocument } from "./xml.ts";

export interface ErrorPlace {
  readonly requestId: string;
  readonly method: string;
  readonly host: string;
}

/** To HEAD the document comes in a header, in base64: it has no body to hold it. */
export function renderError(error: ServiceError, place: ErrorPlace): ServiceResponse {
  const document = errorDocument(error, place);
  if (place.method === "HEAD") {
    return { status: error.status, headers: { "x-oss-err": Buffer.from(document).toString("base64") } };
  }
  return { status: error.status, headers: { "content-type": "application/xml" }, body: document };
}

function errorDocument(error: ServiceError, place: ErrorPlace): string {
  return xmlDocument("Error", {
    Code: error.code,
    Message: error.message,
    RequestId: place.requestId,
    HostId: place.host,
    ...(error.details as Readonly<Record<string, string>>),
  });
}

export function invalidArgument(name: string, value: string, message: string): ServiceError {
  return new ServiceError(400, "InvalidArgument", message, { ArgumentName: name, ArgumentValue: value });
}

export function malformedXml(): ServiceError {
  return new ServiceError(
    400,
    "MalformedXML",
    "The XML you provided was not well-formed or did not validate against our published schema.",
  );
}

/** Refuses by name what OSS has and the local cloud does not. */
export function notImplemented(what: string): ServiceError {
  return new ServiceError(501, "NotImplemented", `The local cloud's OSS does not have ${what}.`);
}

export function noSuchKey(key: string): ServiceError {
  return new ServiceError(404, "NoSuchKey", "The specified key does not exist.", { Key: key });
}

export function noSuchBucket(bucket: string): ServiceError {
  return new ServiceError(404, "NoSuchBucket", "The specified bucket does not exist.", { BucketName: bucket });
}

export function noSuchUpload(uploadId: string): ServiceError {
  return new ServiceError(
    404,
    "NoSuchUpload",
    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    { UploadId: uploadId },
  );
}

export function fileAlreadyExists(): ServiceError {
  return new ServiceError(
    409,
    "FileAlreadyExists",
    "The object you specified already exists and can not be overwritten.",
  );
}

export function internalError(): ServiceError {
  return new ServiceError(500, "InternalError", "We encountered an internal error. Please try again.");
}

const throttlingByOperation: Readonly<Record<string, readonly [code: string, message: string]>> = {
  PutObject: ["UploadTrafficRateLimitExceeded", "Please reduce your upload request traffic."],
  UploadPart: ["UploadTrafficRateLimitExceeded", "Please reduce your upload request traffic."],
  GetObject: ["DownloadTrafficRateLimitExceeded", "Please reduce your download request traffic."],
};

/** All of OSS's throttling answers are 503; the code tells what there was too much of. */
export function throttled(operation: string): ServiceError {
  const [code, message] = throttlingByOperation[operation] ?? [
    "TotalQpsLimitExceeded",
    "The total qps limit is exceeded. Please reduce your request rate.",
  ];
  return new ServiceError(503, code, message);
}
