// Multipart uploads up to their completion: initiate, parts, abort, and the listings of both.
import { randomBytes } from "node:crypto";
import type { ServiceResponse } from "../gateway/service.ts";
import { inTransaction } from "../s3/database.ts";
import { behindKey, behindPrefix, commonPrefixOf } from "../s3/list-objects.ts";
import type { XmlFields } from "../s3/xml.ts";
import { listedName } from "./list-objects.ts";
import { encryptionHeaders, forbidsOverwrite, readMetadata, refuseWriteConditions } from "./object-metadata.ts";
import {
  allowBucket,
  allowObject,
  isoTime,
  type OssCall,
  type OssState,
  queryNumber,
  quoted,
  xmlResponse,
} from "./oss-call.ts";
import { fileAlreadyExists, invalidArgument, noSuchUpload } from "./oss-error.ts";
import { checkKey, declaredBody, partNumberOf, receiveBody } from "./receive-body.ts";
import type { Upload } from "./upload-index.ts";

/** OSS's page size, and what it takes where none is asked. */
const pageLimits = { absent: 1_000, least: 1, most: 1_000 };

export function initiateMultipartUpload(state: OssState, call: OssCall): ServiceResponse {
  allowObject(call, "oss:PutObject");
  checkKey(call.key);
  refuseWriteConditions(call.headers);
  const metadata = readMetadata(call.headers);
  if (forbidsOverwrite(call.headers) && state.index.find(call.bucket, call.key)) throw fileAlreadyExists();
  const uploadId = randomBytes(16).toString("hex").toUpperCase();
  const startedAt = Math.floor(state.clock.now());
  state.uploads.insert({ uploadId, bucket: call.bucket, key: call.key, startedAt, metadata });
  return xmlResponse(
    "InitiateMultipartUploadResult",
    {
      EncodingType: call.query.get("encoding-type") ?? undefined,
      Bucket: call.bucket,
      Key: listedName(call)(call.key),
      UploadId: uploadId,
    },
    encryptionHeaders(metadata),
  );
}

/** Throws 404 NoSuchUpload. */
export function findUpload(state: OssState, call: OssCall): Upload {
  const uploadId = call.query.get("uploadId") ?? "";
  const upload = state.uploads.find(call.bucket, call.key, uploadId);
  if (!upload) throw noSuchUpload(uploadId);
  return upload;
}

export async function uploadPart(state: OssState, call: OssCall): Promise<ServiceResponse> {
  allowObject(call, "oss:PutObject");
  const number = partNumberOf(call);
  const { uploadId, metadata } = findUpload(state, call);
  refuseEncryption(call);
  const declared = declaredBody(call.headers);
  const writer = await state.bodies.create();
  try {
    const { bytes, md5, crc64 } = await receiveBody(call, declared, writer);
    const modifiedAt = Math.floor(state.clock.now());
    const replaced = inTransaction(state.database, () => {
      // The upload may have been completed or aborted while the bytes came: then the part is refused.
      findUpload(state, call);
      return state.uploads.savePart(uploadId, { number, bytes, md5, crc64, modifiedAt, file: writer.file });
    });
    if (replaced !== undefined) state.bodies.remove([replaced]);
    return {
      status: 200,
      headers: { etag: quoted(md5), "x-oss-hash-crc64ecma": crc64, ...encryptionHeaders(metadata) },
    };
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** Encryption is chosen when the upload is initiated, and nowhere else. Throws 400 InvalidArgument. */
export function refuseEncryption(call: OssCall): void {
  const name = "x-oss-server-side-encryption";
  const value = call.headers[name];
  if (value !== undefined) throw invalidArgument(name, value, `${name} belongs into InitiateMultipartUpload.`);
}

export function abortMultipartUpload(state: OssState, call: OssCall): ServiceResponse {
  allowObject(call, "oss:AbortMultipartUpload");
  const { uploadId } = findUpload(state, call);
  state.bodies.remove(inTransaction(state.database, () => state.uploads.remove(uploadId)));
  return { status: 204 };
}

export function listParts(state: OssState, call: OssCall): ServiceResponse {
  allowObject(call, "oss:ListParts");
  const { uploadId, metadata } = findUpload(state, call);
  const marker = queryNumber(call, "part-number-marker", { absent: 0, least: 0, most: 10_000 });
  const most = queryNumber(call, "max-parts", pageLimits);
  const found = state.uploads.parts(uploadId, marker, most + 1);
  const page = found.slice(0, most);
  return xmlResponse("ListPartsResult", {
    EncodingType: call.query.get("encoding-type") ?? undefined,
    Bucket: call.bucket,
    Key: listedName(call)(call.key),
    UploadId: uploadId,
    StorageClass: metadata.storageClass,
    PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.number ?? 0,
    MaxParts: most,
    IsTruncated: found.length > most,
    Part: page.map((part) => ({
      PartNumber: part.number,
      LastModified: isoTime(part.modifiedAt),
      ETag: quoted(part.md5),
      HashCrc64ecma: part.crc64,
      Size: part.bytes,
    })),
  });
}

export function listMultipartUploads(state: OssState, call: OssCall): ServiceResponse {
  allowBucket(call, "oss:ListMultipartUploads");
  const { query, bucket } = call;
  const [prefix, delimiter, keyMarker] = ["prefix", "delimiter", "key-marker"].map((name) => query.get(name) ?? "");
  // Without a key, the id has no meaning.
  const idMarker = keyMarker ? (query.get("upload-id-marker") ?? "") : "";
  const most = queryNumber(call, "max-uploads", pageLimits);
  const listed = listedName(call);
  const uploads: XmlFields[] = [];
  const prefixes: string[] = [];
  let last: Upload | undefined;
  let next = firstUpload(state, bucket, prefix ?? "", keyMarker ?? "", idMarker);
  while (next?.key.startsWith(prefix ?? "") && uploads.length + prefixes.length < most) {
    const common = commonPrefixOf(next.key, prefix ?? "", delimiter);
    last = next;
    if (common === undefined) {
      uploads.push({ Key: listed(next.key), UploadId: next.uploadId, Initiated: isoTime(next.startedAt) });
      next = state.uploads.next(bucket, Buffer.from(next.key), next.uploadId);
    } else {
      prefixes.push(common);
      next = atOrBehind(state, bucket, behindPrefix(Buffer.from(common)));
    }
  }
  const truncated = next?.key.startsWith(prefix ?? "") === true;
  return xmlResponse("ListMultipartUploadsResult", {
    EncodingType: query.get("encoding-type") ?? undefined,
    Bucket: bucket,
    KeyMarker: listed(keyMarker ?? ""),
    UploadIdMarker: idMarker,
    NextKeyMarker: truncated && last ? listed(last.key) : undefined,
    NextUploadIdMarker: truncated ? last?.uploadId : undefined,
    Delimiter: listed(delimiter ?? ""),
    Prefix: listed(prefix ?? ""),
    MaxUploads: most,
    IsTruncated: truncated,
    Upload: uploads,
    CommonPrefixes: prefixes.map((common) => ({ Prefix: listed(common) })),
  });
}

function firstUpload(
  state: OssState,
  bucket: string,
  prefix: string,
  keyMarker: string,
  idMarker: string,
): Upload | undefined {
  const start = Buffer.from(prefix);
  const marker = Buffer.from(keyMarker);
  if (keyMarker === "" || Buffer.compare(marker, start) < 0) return atOrBehind(state, bucket, start);
  if (idMarker !== "") return state.uploads.next(bucket, marker, idMarker);
  return atOrBehind(state, bucket, behindKey(marker));
}

/** "" stands before every upload id. */
function atOrBehind(state: OssState, bucket: string, key: Uint8Array): Upload | undefined {
  return state.uploads.next(bucket, key, "");
}
