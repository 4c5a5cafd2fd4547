// ListMultipartUploads and ListParts.
import type { ServiceResponse } from "../gateway/service.ts";
import { checksumElement } from "./checksums.ts";
import { allowListing, behindKey, behindPrefix, commonPrefixOf, listedName, mostListed } from "./list-objects.ts";
import { findUpload, highestPartNumber } from "./multipart-upload.ts";
import { allowObject, isoTime, queryNumber, quoted, type S3Call, type S3State, xmlResponse } from "./s3-call.ts";
import type { Upload } from "./upload-index.ts";
import type { XmlFields } from "./xml.ts";

export function listMultipartUploads(state: S3State, call: S3Call): ServiceResponse {
  allowListing(state, call, "s3:ListBucketMultipartUploads");
  const { query, bucket } = call;
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? undefined;
  const keyMarker = query.get("key-marker") ?? "";
  // An id without a key marks nothing, as in S3.
  const idMarker = keyMarker === "" ? "" : (query.get("upload-id-marker") ?? "");
  const most = queryNumber(call, "max-uploads", { absent: mostListed, highest: mostListed });
  const listed = listedName(call);

  const uploads: XmlFields[] = [];
  const prefixes: string[] = [];
  let last: { key: string; uploadId: string } | undefined;
  let next = firstUpload(state, call, { prefix, delimiter, keyMarker, idMarker });
  while (next?.key.startsWith(prefix) && uploads.length + prefixes.length < most) {
    const common = commonPrefixOf(next.key, prefix, delimiter);
    if (common === undefined) {
      uploads.push(uploadElement(next, listed, state.context.accountId));
      last = next;
      next = state.uploads.nextUpload(bucket.name, Buffer.from(next.key), next.uploadId);
    } else {
      prefixes.push(common);
      last = { key: common, uploadId: "" };
      next = uploadAtOrBehind(state, call, behindPrefix(Buffer.from(common)));
    }
  }
  const truncated = next?.key.startsWith(prefix) === true && most > 0;
  return xmlResponse("ListMultipartUploadsResult", {
    Bucket: bucket.name,
    KeyMarker: listed(keyMarker),
    UploadIdMarker: idMarker,
    Prefix: listed(prefix),
    Delimiter: delimiter === undefined ? undefined : listed(delimiter),
    MaxUploads: most,
    EncodingType: query.get("encoding-type") ?? undefined,
    IsTruncated: truncated,
    NextKeyMarker: truncated && last ? listed(last.key) : undefined,
    NextUploadIdMarker: truncated && last ? last.uploadId : undefined,
    Upload: uploads,
    CommonPrefixes: prefixes.map((common) => ({ Prefix: listed(common) })),
  });
}

function firstUpload(
  state: S3State,
  call: S3Call,
  page: { prefix: string; delimiter: string | undefined; keyMarker: string; idMarker: string },
): Upload | undefined {
  const { prefix, delimiter, keyMarker, idMarker } = page;
  const start = Buffer.from(prefix);
  const marker = Buffer.from(keyMarker);
  if (keyMarker === "" || Buffer.compare(marker, start) < 0) return uploadAtOrBehind(state, call, start);
  if (idMarker !== "") return state.uploads.nextUpload(call.bucket.name, marker, idMarker);
  const isPrefix = delimiter !== undefined && keyMarker.endsWith(delimiter);
  return uploadAtOrBehind(state, call, isPrefix ? behindPrefix(marker) : behindKey(marker));
}

/** "" stands before every upload id. */
function uploadAtOrBehind(state: S3State, call: S3Call, key: Uint8Array): Upload | undefined {
  return state.uploads.nextUpload(call.bucket.name, key, "");
}

function uploadElement(upload: Upload, listed: (name: string) => string, accountId: string): XmlFields {
  const { algorithm, algorithmChosen, type, metadata } = upload.facts;
  return {
    Key: listed(upload.key),
    UploadId: upload.uploadId,
    Initiator: { ID: accountId },
    Owner: { ID: accountId },
    StorageClass: metadata.storageClass,
    Initiated: isoTime(upload.startedAt),
    ChecksumAlgorithm: algorithmChosen ? algorithm : undefined,
    ChecksumType: algorithmChosen ? type : undefined,
  };
}

export function listParts(state: S3State, call: S3Call): ServiceResponse {
  allowObject(state, call, "s3:ListMultipartUploadParts");
  const upload = findUpload(state, call);
  const { algorithm, algorithmChosen, type, metadata } = upload.facts;
  const marker = queryNumber(call, "part-number-marker", { absent: 0, highest: highestPartNumber });
  const most = queryNumber(call, "max-parts", { absent: mostListed, highest: mostListed });
  const found = state.uploads.parts(upload.uploadId, marker, most + 1);
  const page = found.slice(0, most);
  const truncated = found.length > most && most > 0;
  const listed = listedName(call);
  const { accountId } = state.context;
  return xmlResponse("ListPartsResult", {
    Bucket: call.bucket.name,
    Key: listed(call.key),
    UploadId: upload.uploadId,
    Initiator: { ID: accountId },
    Owner: { ID: accountId },
    StorageClass: metadata.storageClass,
    PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.number ?? 0,
    MaxParts: most,
    IsTruncated: truncated,
    ChecksumAlgorithm: algorithmChosen ? algorithm : undefined,
    ChecksumType: algorithmChosen ? type : undefined,
    Part: page.map((part) => ({
      PartNumber: part.number,
      LastModified: isoTime(part.modifiedAt),
      ETag: quoted(part.md5.toString("hex")),
      Size: part.bytes,
      [checksumElement(algorithm)]: algorithmChosen ? part.checksums[algorithm] : undefined,
    })),
  });
}
