// CopyObject and UploadPartCopy: bytes that go from one object to another without leaving the store.
import { createHash } from "node:crypto";
import type { ServiceResponse } from "../gateway/service.ts";
import { parseRange } from "./byte-range.ts";
import {
  type ChecksumAlgorithm,
  checksumElement,
  parseAlgorithm,
  type StoredChecksum,
  startChecksum,
} from "./checksums.ts";
import { findReadable, readBytes } from "./get-object.ts";
import type { ObjectVersion } from "./object-index.ts";
import { encryptionHeaders, type ObjectMetadata, readMetadata } from "./object-metadata.ts";
import { assertWritable, evaluateRead, readConditions, writeConditions } from "./preconditions.ts";
import { bitToFlip, wholeSegment } from "./put-object.ts";
import { decodeKey } from "./route-request.ts";
import {
  allowEncryption,
  allowObject,
  isoTime,
  objectArn,
  quoted,
  type S3Call,
  type S3State,
  versionHeader,
  xmlResponse,
} from "./s3-call.ts";
import { errorDocument, internalError, invalidArgument, invalidRequest, preconditionFailed } from "./s3-error.ts";
import { currentObject, storeObject } from "./store-object.ts";

/** S3's limit for copying in one piece: 5 GiB. */
const largestCopyBytes = 5 * 1024 ** 3;

export async function copyObject(state: S3State, call: S3Call): Promise<ServiceResponse> {
  const { fault, requestId } = call.request;
  const failure = (): ServiceResponse => ({
    status: 200,
    headers: { "content-type": "application/xml" },
    body: errorDocument(internalError(), requestId),
  });
  if (fault?.kind === "error-in-200" && !fault.afterWork) return failure();
  const answer = await copy(state, call);
  return fault?.kind === "error-in-200" ? failure() : answer;
}

async function copy(state: S3State, call: S3Call): Promise<ServiceResponse> {
  const source = findSource(state, call);
  allowObject(state, call, "s3:PutObject");
  const metadata = copiedMetadata(call, source.metadata, source.version);
  if (Object.keys(metadata.tags).length > 0) {
    const { version } = source;
    const copied = call.headers["x-amz-tagging-directive"] !== "REPLACE";
    if (copied) {
      state.context.authorize(call.principal, "s3:GetObjectTagging", objectArn(version.bucket, version.key));
    }
    allowObject(state, call, "s3:PutObjectTagging");
  }
  allowEncryption(state, call, metadata.encryption, "write");
  const conditions = writeConditions(call.headers);
  assertWritable(conditions, call.key, currentObject(state, call));
  if (source.version.bytes > largestCopyBytes) {
    throw invalidRequest(
      `The specified copy source is larger than the maximum allowable size for a copy source: ${largestCopyBytes}`,
    );
  }
  const wanted = call.headers["x-amz-checksum-algorithm"];
  const algorithm = wanted === undefined ? source.checksum.algorithm : parseAlgorithm(wanted);
  const copied = await copyBytes(state, call, source.version, { from: 0, bytes: source.version.bytes }, algorithm);
  try {
    const version = storeObject(state, call, {
      bytes: source.version.bytes,
      etag: copied.md5.toString("hex"),
      facts: { metadata, checksum: copied.checksum },
      segments: [wholeSegment(copied.file, source.version)],
      conditions,
      reason: "CopyObject",
    });
    return xmlResponse(
      "CopyObjectResult",
      {
        ETag: quoted(version.etag),
        LastModified: isoTime(version.modifiedAt),
        [checksumElement(algorithm)]: copied.checksum.value,
        ChecksumType: copied.checksum.type,
      },
      {
        ...versionHeader(call.bucket, version),
        ...sourceVersionHeader(source.version),
        ...encryptionHeaders(metadata.encryption),
      },
    );
  } catch (error) {
    state.bodies.remove([copied.file]);
    throw error;
  }
}

function copiedMetadata(call: S3Call, source: ObjectMetadata, version: ObjectVersion): ObjectMetadata {
  const directive = call.headers["x-amz-metadata-directive"] ?? "COPY";
  if (directive !== "COPY" && directive !== "REPLACE") {
    throw invalidArgument("x-amz-metadata-directive", directive, "Unknown metadata directive.");
  }
  const given = readMetadata(call.headers, call.bucket.kmsKeyArn);
  const tags = call.headers["x-amz-tagging-directive"] === "REPLACE" ? given.tags : source.tags;
  const ontoItself = version.bucket === call.bucket.name && version.key === call.key && version.latest;
  const changes =
    directive === "REPLACE" ||
    call.headers["x-amz-storage-class"] !== undefined ||
    call.headers["x-amz-server-side-encryption"] !== undefined;
  if (ontoItself && !changes) {
    throw invalidRequest(
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's " +
        "metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  return directive === "REPLACE" ? { ...given, tags } : { ...given, system: source.system, user: source.user, tags };
}

export interface CopySource {
  readonly version: ObjectVersion;
  readonly metadata: ObjectMetadata;
  readonly checksum: StoredChecksum;
}

/** Permissions and conditions of the source included. */
export function findSource(state: S3State, call: S3Call): CopySource {
  const header = call.headers["x-amz-copy-source"] ?? "";
  const match = /^\/?([^/?]+)\/(.+?)(?:\?versionId=([^&]+))?$/.exec(header);
  if (!match || header.startsWith("arn:")) {
    throw invalidArgument(
      "x-amz-copy-source",
      header,
      "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
    );
  }
  const [, bucket = "", rawKey = "", versionId] = match;
  const { version, facts } = findReadable(state, call, { bucket, key: decodeKey(rawKey), versionId });
  allowEncryption(state, call, facts.metadata.encryption, "read");
  if (evaluateRead(readConditions(call.headers, "x-amz-copy-source-"), version) === "not-modified") {
    throw preconditionFailed("x-amz-copy-source");
  }
  return { version, metadata: facts.metadata, checksum: facts.checksum };
}

export function sourceVersionHeader(version: ObjectVersion): Record<string, string> {
  return version.versionId === "null" ? {} : { "x-amz-copy-source-version-id": version.versionId };
}

/** A part's source range must lie within its source, unlike that of a read. */
export function copySourceRange(call: S3Call, sourceBytes: number): { from: number; bytes: number } {
  const header = call.headers["x-amz-copy-source-range"];
  if (header === undefined) return { from: 0, bytes: sourceBytes };
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header);
  const range = match && Number(match[2]) < sourceBytes ? parseRange(header, sourceBytes) : undefined;
  if (!range) {
    throw invalidArgument(
      "x-amz-copy-source-range",
      header,
      `The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based ` +
        `offsets of the first and last bytes to copy, within the source's ${sourceBytes} bytes`,
    );
  }
  return range;
}

export interface CopiedBytes {
  readonly file: string;
  readonly md5: Buffer;
  readonly checksum: StoredChecksum;
}

/** Writes the range into a file of its own; the file is the caller's. */
export async function copyBytes(
  state: S3State,
  call: S3Call,
  source: ObjectVersion,
  range: { readonly from: number; readonly bytes: number },
  algorithm: ChecksumAlgorithm,
): Promise<CopiedBytes> {
  const writer = await state.bodies.create();
  const md5 = createHash("md5");
  const running = startChecksum(algorithm);
  let flipsLeft = bitToFlip(call.request) ? 1 : 0;
  try {
    const bytesToCopy = range.bytes > 0 ? readBytes(state, source, range.from, range.bytes) : [];
    for await (const piece of bytesToCopy as AsyncIterable<Buffer>) {
      call.request.signal.throwIfAborted();
      md5.update(piece);
      running.update(piece);
      // A copy has no transit that a client's checksum would cover: the bit flips at rest.
      if (flipsLeft-- > 0) piece[0] = (piece[0] ?? 0) ^ 1;
      await writer.write(piece);
    }
    await writer.close();
    const value = running.digest().toString("base64");
    return { file: writer.file, md5: md5.digest(), checksum: { algorithm, type: "FULL_OBJECT", value } };
  } catch (error) {
    await writer.discard();
    throw error;
  }
}
