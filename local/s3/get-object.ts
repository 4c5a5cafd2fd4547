// GetObject and HeadObject: versions, conditions, ranges and parts; the bytes stream from the object's files.
import type { ServiceResponse } from "../gateway/service.ts";
import { sliceSegments } from "./body-files.ts";
import { type ByteRange, contentRange, parseRange } from "./byte-range.ts";
import { checksumHeaders } from "./checksums.ts";
import type { ObjectFacts, ObjectVersion } from "./object-index.ts";
import { metadataHeaders } from "./object-metadata.ts";
import { evaluateRead, readConditions } from "./preconditions.ts";
import { allowEncryption, missing, objectArn, quoted, type S3Call, type S3State, versionHeader } from "./s3-call.ts";
import { invalidArgument, noSuchBucket, noSuchKey, noSuchVersion, S3Error } from "./s3-error.ts";

export interface FoundObject {
  readonly version: ObjectVersion;
  readonly facts: ObjectFacts;
}

/** Response headers that a request may override. */
const overrides = [
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-type",
  "expires",
];

export function getObject(state: S3State, call: S3Call): ServiceResponse {
  const versionId = call.query.get("versionId") ?? undefined;
  const { version, facts } = findReadable(state, call, { bucket: call.bucket.name, key: call.key, versionId });
  allowEncryption(state, call, facts.metadata.encryption, "read");
  const validators = {
    etag: quoted(version.etag),
    "last-modified": new Date(version.modifiedAt).toUTCString(),
    ...versionHeader(call.bucket, version),
  };
  if (evaluateRead(readConditions(call.headers), version) === "not-modified") {
    return { status: 304, headers: validators };
  }
  const part = wantedPart(state, call, version, facts);
  const range = part ?? parseRange(call.headers.range, version.bytes);
  const { from, bytes } = range ?? { from: 0, bytes: version.bytes };
  const wantsChecksum = call.headers["x-amz-checksum-mode"]?.toUpperCase() === "ENABLED";
  const headers = {
    ...metadataHeaders(facts.metadata),
    ...validators,
    ...overridden(call.query),
    "accept-ranges": "bytes",
    "content-length": String(bytes),
    ...(range && version.bytes > 0 ? { "content-range": contentRange(range, version.bytes) } : {}),
    ...(part && facts.partCount !== undefined ? { "x-amz-mp-parts-count": String(facts.partCount) } : {}),
    ...(wantsChecksum && !range ? checksumHeaders(facts.checksum, facts.partCount) : {}),
  };
  const status = range ? 206 : 200;
  if (call.request.method === "HEAD" || bytes === 0) return { status, headers };
  return { status, headers, body: readBytes(state, version, from, bytes) };
}

export function readBytes(state: S3State, version: ObjectVersion, from: number, bytes: number) {
  const segments = state.index.segmentsBetween(version.sequence, from, from + bytes);
  return state.bodies.read(sliceSegments(segments, segments[0]?.startByte ?? 0, from, bytes));
}

/**
 * The object or version, after the permission checks that S3 makes for a read. Throws 403; 404 to those who may
 * list; 405 for a version that is a delete marker. Also used for the sources of copies, in whatever bucket.
 */
export function findReadable(
  state: S3State,
  call: S3Call,
  wanted: { readonly bucket: string; readonly key: string; readonly versionId: string | undefined },
  actions: readonly [plain: `s3:${string}`, ofVersion: `s3:${string}`] = ["s3:GetObject", "s3:GetObjectVersion"],
): FoundObject {
  const { bucket, key, versionId } = wanted;
  if (!state.index.findBucket(bucket)) throw noSuchBucket(bucket);
  state.context.authorize(call.principal, versionId === undefined ? actions[0] : actions[1], objectArn(bucket, key));
  if (versionId !== undefined) {
    const version = state.index.findVersion(bucket, key, versionId);
    if (!version) throw missing(state, call, bucket, noSuchVersion(key, versionId));
    if (version.facts) return { version, facts: version.facts };
    throw new S3Error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.", {
      details: { Method: call.request.method, ResourceType: "DeleteMarker" },
      headers: { "x-amz-delete-marker": "true", "x-amz-version-id": version.versionId, allow: "DELETE" },
    });
  }
  const version = state.index.findCurrent(bucket, key);
  if (!version) throw missing(state, call, bucket, noSuchKey(key));
  if (version.facts) return { version, facts: version.facts };
  const headers = { "x-amz-delete-marker": "true", "x-amz-version-id": version.versionId };
  throw missing(state, call, bucket, noSuchKey(key, headers));
}

/** `partNumber` reads one part of a multipart object; an object put in one piece has the part 1. */
function wantedPart(state: S3State, call: S3Call, version: ObjectVersion, facts: ObjectFacts): ByteRange | undefined {
  const text = call.query.get("partNumber");
  if (text === null) return undefined;
  if (call.headers.range !== undefined) {
    throw new S3Error(400, "InvalidRequest", "Cannot specify both Range header and partNumber query parameter");
  }
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 10_000) {
    throw invalidArgument("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive");
  }
  // Parts are counted from 1 in the finished object, whatever numbers they were uploaded with.
  const segment = state.index.segments(version.sequence, 0, number)[number - 1];
  if (!segment || (facts.partCount === undefined && number > 1)) {
    throw new S3Error(416, "InvalidPartNumber", "The requested partnumber is not satisfiable", {
      details: { PartNumberRequested: text, ActualPartCount: String(facts.partCount ?? 1) },
    });
  }
  return { from: segment.startByte, bytes: segment.bytes };
}

function overridden(query: URLSearchParams): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of overrides) {
    const value = query.get(`response-${name}`);
    if (value !== null) headers[name] = value;
  }
  return headers;
}
