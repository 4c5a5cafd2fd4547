// What every operation gets: the state of the service and one call, whose signature and permission are still its own.
import type { DatabaseSync } from "node:sqlite";
import type { Readable } from "node:stream";
import type { ServiceResponse } from "../gateway/service.ts";
import type { Clock } from "../rig/clock.ts";
import type { FaultEffect } from "../rig/faults.ts";
import type { BodyFiles } from "../s3/body-files.ts";
import type { XmlFields } from "../s3/xml.ts";
import type { AccessKey } from "./access-keys.ts";
import type { ObjectIndex } from "./object-index.ts";
import { invalidArgument } from "./oss-error.ts";
import { authorize } from "./ram-policy.ts";
import type { UploadIndex } from "./upload-index.ts";
import { xmlDocument } from "./xml.ts";

export interface OssState {
  readonly clock: Clock;
  readonly database: DatabaseSync;
  readonly index: ObjectIndex;
  readonly uploads: UploadIndex;
  readonly bodies: BodyFiles;
  readonly smallestPartBytes: number;
  /** `oss-cn-hangzhou`: what a bucket says it lies in. */
  readonly location: string;
  /** `127.0.0.1:PORT` */
  readonly endpoint: () => string;
}

export interface OssCall {
  readonly operation: string;
  readonly method: string;
  /** Lower-case names; bytes beyond ASCII are Latin-1 characters, as node:http gives them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Exists; "" for operations on the account, and possibly new for PutBucket. */
  readonly bucket: string;
  /** "" for operations on the bucket. */
  readonly key: string;
  readonly accessKey: AccessKey;
  readonly stream: Readable;
  /** What the fault rig asks for at this call and the operation must do itself. */
  readonly fault: FaultEffect | undefined;
}

export type Operation = (state: OssState, call: OssCall) => Promise<ServiceResponse> | ServiceResponse;

/** Throws 403 AccessDenied. `key` defaults to the call's own. */
export function allowObject(call: OssCall, action: `oss:${string}`, key = call.key, bucket = call.bucket): void {
  authorize(call.accessKey, action, `${bucket}/${key}`, {});
}

/** Throws 403 AccessDenied. */
export function allowBucket(call: OssCall, action: `oss:${string}`): void {
  const prefix = call.query.get("prefix") ?? "";
  authorize(call.accessKey, action, call.bucket, { "oss:Prefix": prefix });
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

/** A whole number within limits from the query. Throws 400 InvalidArgument: OSS does not cut what is too large. */
export function queryNumber(
  call: OssCall,
  name: string,
  limits: { readonly absent: number; readonly least: number; readonly most: number },
): number {
  const text = call.query.get(name);
  if (text === null || text === "") return limits.absent;
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= limits.least && value <= limits.most) return value;
  throw invalidArgument(name, text, `Argument ${name} must be an integer between ${limits.least} and ${limits.most}.`);
}
