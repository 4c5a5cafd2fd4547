// What every operation gets: the state of the service, one call, and the permission checks as AWS makes them.
import type { DatabaseSync } from "node:sqlite";
import type { Principal, ServiceContext, ServiceRequest, ServiceResponse } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import type { BodyFiles } from "./body-files.ts";
import type { ObjectEvents } from "./object-events.ts";
import type { Bucket, ObjectIndex, ObjectVersion } from "./object-index.ts";
import type { Encryption } from "./object-metadata.ts";
import { accessDenied, invalidArgument, type S3Error } from "./s3-error.ts";
import type { UploadIndex } from "./upload-index.ts";
import { type XmlFields, xmlDocument } from "./xml.ts";

export interface S3State {
  readonly context: ServiceContext;
  readonly database: DatabaseSync;
  readonly index: ObjectIndex;
  readonly uploads: UploadIndex;
  readonly bodies: BodyFiles;
  readonly events: ObjectEvents;
  readonly smallestPartBytes: number;
}

export interface S3Call {
  readonly request: ServiceRequest;
  /** The request's, and those a presigned URL carries in its query. */
  readonly headers: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly principal: Principal;
  readonly bucket: Bucket;
  /** "" for operations on the bucket. */
  readonly key: string;
}

export type Operation = (state: S3State, call: S3Call) => Promise<ServiceResponse> | ServiceResponse;

export function bucketArn(bucket: string): string {
  return `arn:aws:s3:::${bucket}`;
}

export function objectArn(bucket: string, key: string): string {
  return `arn:aws:s3:::${bucket}/${key}`;
}

/** Throws 403 AccessDenied. `key` defaults to the call's own. */
export function allowObject(state: S3State, call: S3Call, action: `s3:${string}`, key = call.key): void {
  state.context.authorize(call.principal, action, objectArn(call.bucket.name, key));
}

/** Throws 403 AccessDenied. */
export function allowBucket(
  state: S3State,
  call: S3Call,
  action: `s3:${string}`,
  conditions?: Readonly<Record<string, string>>,
): void {
  state.context.authorize(call.principal, action, bucketArn(call.bucket.name), conditions);
}

/** S3 uses a customer's KMS key in the caller's name. Source: "Using server-side encryption with AWS KMS keys". */
export function allowEncryption(
  state: S3State,
  call: S3Call,
  encryption: Encryption,
  use: "write" | "read" | "multipart",
): void {
  if (encryption.kmsKeyArn === undefined) return;
  const actions = {
    write: ["kms:GenerateDataKey"],
    read: ["kms:Decrypt"],
    multipart: ["kms:GenerateDataKey", "kms:Decrypt"],
  }[use];
  for (const action of actions) state.context.authorize(call.principal, action, encryption.kmsKeyArn);
}

/** A missing key is told only to those who may list; to others it is 403, so that names do not leak. */
export function missing(state: S3State, call: S3Call, bucket: string, error: S3Error): ServiceError {
  try {
    state.context.authorize(call.principal, "s3:ListBucket", bucketArn(bucket));
    return error;
  } catch (denied) {
    if (denied instanceof ServiceError) return accessDenied();
    throw denied;
  }
}

export function xmlResponse(
  root: string,
  fields: XmlFields,
  headers: Readonly<Record<string, string>> = {},
): ServiceResponse {
  return {
    status: 200,
    headers: { ...headers, "content-type": "application/xml" },
    body: xmlDocument(root, fields),
  };
}

export function quoted(etag: string): string {
  return `"${etag}"`;
}

export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

export function versionHeader(bucket: Bucket, version: Pick<ObjectVersion, "versionId">): Record<string, string> {
  return bucket.versioned || version.versionId !== "null" ? { "x-amz-version-id": version.versionId } : {};
}

/** A whole number within limits from the query; above the highest it is cut, as S3 cuts page sizes at 1,000. */
export function queryNumber(call: S3Call, name: string, limits: { absent: number; highest: number }): number {
  const text = call.query.get(name);
  if (text === null) return limits.absent;
  if (!/^\d{1,10}$/.test(text)) {
    throw invalidArgument(name, text, `Provided ${name} not an integer or within integer range`);
  }
  return Math.min(Number(text), limits.highest);
}
