// GetObject, HeadObject and GetObjectMeta: conditions and ranges as OSS has them; the bytes stream from the files.
import type { Readable } from "node:stream";
import { type ByteRange, neighbouringRange, readRange } from "../aliyun-rds/byte-range.ts";
import type { ServiceResponse } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import { sliceSegments } from "../s3/body-files.ts";
import { evaluateRead, readConditions } from "../s3/preconditions.ts";
import type { StoredObject } from "./object-index.ts";
import { metadataHeaders } from "./object-metadata.ts";
import { allowObject, type OssCall, type OssState, quoted } from "./oss-call.ts";
import { noSuchKey } from "./oss-error.ts";

/** Response headers that a request may override. */
const overrides = [
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-type",
  "expires",
];

export function getObject(state: OssState, call: OssCall): ServiceResponse {
  const object = findReadable(state, call);
  const validators = validatorHeaders(object);
  if (evaluateRead(readConditions(call.headers), object) === "not-modified") {
    return { status: 304, headers: validators };
  }
  const range = wantedRange(call, object.bytes);
  const headers = {
    ...metadataHeaders(object.metadata),
    ...validators,
    ...overridden(call.query),
    "accept-ranges": "bytes",
    "content-length": String(range.length),
    ...(range.isPartial ? { "content-range": contentRange(range, object.bytes) } : {}),
  };
  const status = range.isPartial ? 206 : 200;
  if (call.method === "HEAD" || range.length === 0) return { status, headers };
  return { status, headers, body: readBytes(state, object, range.start, range.length) };
}

/** A HEAD with few headers, cheaper in OSS than HeadObject. */
export function getObjectMeta(state: OssState, call: OssCall): ServiceResponse {
  const object = findReadable(state, call);
  return { status: 200, headers: { ...validatorHeaders(object), "content-length": String(object.bytes) } };
}

/** Throws 403 and 404. */
export function findReadable(state: OssState, call: OssCall, bucket = call.bucket, key = call.key): StoredObject {
  allowObject(call, "oss:GetObject", key, bucket);
  const object = state.index.find(bucket, key);
  if (!object) throw noSuchKey(key);
  return object;
}

export function readBytes(state: OssState, object: StoredObject, from: number, bytes: number): Readable {
  const segments = state.index.segmentsBetween(object.id, from, from + bytes);
  return state.bodies.read(sliceSegments(segments, segments[0]?.startByte ?? 0, from, bytes));
}

/** The sum is always the whole object's, whatever range is read. */
function validatorHeaders(object: StoredObject): Record<string, string> {
  return {
    etag: quoted(object.etag),
    "last-modified": new Date(object.modifiedAt).toUTCString(),
    "x-oss-object-type": object.type,
    "x-oss-hash-crc64ecma": object.crc64,
  };
}

function wantedRange(call: OssCall, objectBytes: number): ByteRange {
  const asked = call.fault?.kind === "ignore-range" ? undefined : call.headers.range;
  const isStandard = call.headers["x-oss-range-behavior"] === "standard";
  const range = readRange(asked, objectBytes, isStandard);
  if (range === "unsatisfiable") {
    throw new ServiceError(416, "InvalidRange", "The requested range cannot be satisfied.", {
      ActualObjectSize: String(objectBytes),
      RangeRequested: asked ?? "",
    });
  }
  return call.fault?.kind === "wrong-range" ? neighbouringRange(range, objectBytes) : range;
}

function contentRange(range: ByteRange, objectBytes: number): string {
  return `bytes ${range.start}-${range.start + range.length - 1}/${objectBytes}`;
}

function overridden(query: URLSearchParams): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of overrides) {
    const value = query.get(`response-${name}`);
    if (value !== null) headers[name] = value;
  }
  return headers;
}
