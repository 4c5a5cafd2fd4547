// CopyObject: another object of the same bytes, or the same object with other metadata.
import type { ServiceResponse } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import { inTransaction } from "../s3/database.ts";
import { evaluateRead, readConditions } from "../s3/preconditions.ts";
import { findReadable, readBytes } from "./get-object.ts";
import type { StoredObject } from "./object-index.ts";
import { encryptionHeaders, forbidsOverwrite, type ObjectMetadata, readMetadata } from "./object-metadata.ts";
import { allowObject, isoTime, type OssCall, type OssState, quoted, xmlResponse } from "./oss-call.ts";
import { fileAlreadyExists, invalidArgument, noSuchBucket } from "./oss-error.ts";
import { newHere, storeObject } from "./put-object.ts";
import { checkKey, largestBodyBytes } from "./receive-body.ts";

export async function copyObject(state: OssState, call: OssCall): Promise<ServiceResponse> {
  allowObject(call, "oss:PutObject");
  checkKey(call.key);
  const source = findSource(state, call);
  if (evaluateRead(readConditions(call.headers, "x-oss-copy-source-"), source) === "not-modified") {
    return { status: 304 };
  }
  const metadata = copiedMetadata(call, source);
  const { modifiedAt } = newHere(state, call);
  if (source.bucket === call.bucket && source.key === call.key) {
    if (forbidsOverwrite(call.headers)) throw fileAlreadyExists();
    inTransaction(state.database, () => state.index.changeMetadata(source.id, metadata, modifiedAt));
  } else await copyBytes(state, call, source, metadata);
  return xmlResponse(
    "CopyObjectResult",
    { ETag: quoted(source.etag), LastModified: isoTime(modifiedAt) },
    { "x-oss-hash-crc64ecma": source.crc64, ...encryptionHeaders(metadata) },
  );
}

function findSource(state: OssState, call: OssCall): StoredObject {
  const header = call.headers["x-oss-copy-source"] ?? "";
  const [, bucket = "", key = ""] = /^\/?([^/]+)\/(.+)$/.exec(decodeOrRefuse(header)) ?? [];
  if (bucket === "") throw invalidArgument("x-oss-copy-source", header, "The copy source must be /bucket/object.");
  if (!state.index.findBucket(bucket)) throw noSuchBucket(bucket);
  return findReadable(state, call, bucket, key);
}

function decodeOrRefuse(header: string): string {
  try {
    return decodeURIComponent(header);
  } catch {
    throw invalidArgument("x-oss-copy-source", header, "The copy source must be URL-encoded UTF-8.");
  }
}

/** COPY, the default, takes the source's; encryption and storage class are always the request's. */
function copiedMetadata(call: OssCall, source: StoredObject): ObjectMetadata {
  const directive = call.headers["x-oss-metadata-directive"] ?? "COPY";
  const asked = readMetadata(call.headers);
  if (directive === "REPLACE") return asked;
  if (directive === "COPY") return { ...asked, system: source.metadata.system, user: source.metadata.user };
  throw invalidArgument("x-oss-metadata-directive", directive, "The directive must be COPY or REPLACE.");
}

async function copyBytes(state: OssState, call: OssCall, source: StoredObject, metadata: ObjectMetadata) {
  const mustNotExist = forbidsOverwrite(call.headers);
  const { bytes, etag, crc64, type } = source;
  if (bytes > largestBodyBytes) {
    throw new ServiceError(400, "EntityTooLarge", "The source of a copy is larger than the maximum allowed size.");
  }
  const writer = await state.bodies.create();
  try {
    if (bytes > 0) for await (const piece of readBytes(state, source, 0, bytes)) await writer.write(piece as Buffer);
    await writer.close();
    const object = { etag, bytes, crc64, type, metadata, ...newHere(state, call) };
    storeObject(state, object, [{ startByte: 0, bytes, file: writer.file }], { mustNotExist });
  } catch (error) {
    await writer.discard();
    throw error;
  }
}
