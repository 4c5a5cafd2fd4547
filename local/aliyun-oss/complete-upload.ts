// CompleteMultipartUpload: the listed parts become one object; their files stay where they are, as its segments.
// Source: CompleteMultipartUpload in OSS's API reference.
import { createHash } from "node:crypto";
import type { ServiceResponse } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import { CrcFold } from "../s3/crc.ts";
import { unquoted } from "../s3/preconditions.ts";
import { childNodes, childText, parseXml } from "../s3/xml.ts";
import { listedName } from "./list-objects.ts";
import { findUpload, refuseEncryption } from "./multipart-upload.ts";
import type { Segment } from "./object-index.ts";
import { encryptionHeaders, forbidsOverwrite, refuseWriteConditions } from "./object-metadata.ts";
import { allowObject, type OssCall, type OssState, quoted, xmlResponse } from "./oss-call.ts";
import { malformedXml, notImplemented } from "./oss-error.ts";
import { newHere, storeObject } from "./put-object.ts";
import { receiveDocument } from "./receive-body.ts";
import type { UploadedPart } from "./upload-index.ts";

interface ListedPart {
  readonly number: number;
  readonly etag: string;
}

export async function completeMultipartUpload(state: OssState, call: OssCall): Promise<ServiceResponse> {
  allowObject(call, "oss:PutObject");
  refuseWriteConditions(call.headers);
  refuseEncryption(call);
  if (call.headers["x-oss-complete-all"] !== undefined) throw notImplemented("x-oss-complete-all");
  const mustNotExist = forbidsOverwrite(call.headers);
  const listed = readList(await receiveDocument(call));
  // From here on nothing waits: no part can change between the check and the transaction.
  const upload = findUpload(state, call);
  const chosen = chooseParts(listed, state.uploads.parts(upload.uploadId), upload.uploadId);
  checkSizes(chosen, state.smallestPartBytes);

  const segments: Segment[] = [];
  const fold = new CrcFold("CRC64XZ");
  let bytes = 0;
  for (const part of chosen) {
    segments.push({ startByte: bytes, bytes: part.bytes, file: part.file });
    fold.append(bigEndian(part.crc64), part.bytes);
    bytes += part.bytes;
  }
  const crc64 = fold.digest().readBigUInt64BE().toString();
  const etag = multipartEtag(chosen);
  const { metadata } = upload;
  const object = { etag, bytes, crc64, type: "Multipart", metadata, ...newHere(state, call) } as const;
  storeObject(state, object, segments, {
    mustNotExist,
    alsoRemove: () => {
      const used = new Set(chosen.map(({ file }) => file));
      return state.uploads.remove(upload.uploadId).filter((file) => !used.has(file));
    },
  });
  return xmlResponse(
    "CompleteMultipartUploadResult",
    {
      EncodingType: call.query.get("encoding-type") ?? undefined,
      Location: `http://${call.bucket}.${state.endpoint()}/${listedName(call)(call.key)}`,
      Bucket: call.bucket,
      Key: listedName(call)(call.key),
      ETag: quoted(etag),
    },
    { etag: quoted(etag), "x-oss-hash-crc64ecma": crc64, ...encryptionHeaders(metadata) },
  );
}

/** Throws 400 MalformedXML; InvalidPartOrder unless the numbers rise. */
function readList(text: string): ListedPart[] {
  const root = parseXml(text, "CompleteMultipartUpload");
  const nodes = root ? childNodes(root, "Part") : [];
  if (nodes.length === 0 || nodes.length > 10_000) throw malformedXml();
  let before = 0;
  return nodes.map((node) => {
    const number = Number(childText(node, "PartNumber")?.trim() || Number.NaN);
    const etag = childText(node, "ETag");
    if (!Number.isInteger(number) || number < 1 || number > 10_000 || etag === undefined) throw malformedXml();
    if (number <= before) {
      throw new ServiceError(
        400,
        "InvalidPartOrder",
        "The list of parts was not in ascending order. Parts list must specified in order by part number.",
      );
    }
    before = number;
    return { number, etag: unquoted(etag) };
  });
}

function chooseParts(
  listed: readonly ListedPart[],
  uploaded: readonly UploadedPart[],
  uploadId: string,
): UploadedPart[] {
  const byNumber = new Map(uploaded.map((part) => [part.number, part]));
  return listed.map(({ number, etag }) => {
    const part = byNumber.get(number);
    if (part && part.md5 === etag.toUpperCase()) return part;
    throw new ServiceError(
      400,
      "InvalidPart",
      "One or more of the specified parts could not be found or the specified entity tag might not have matched the part's entity tag.",
      { UploadId: uploadId, PartNumber: String(number), PartEtag: etag },
    );
  });
}

function checkSizes(parts: readonly UploadedPart[], smallestPartBytes: number): void {
  const tooSmall = parts.slice(0, -1).find(({ bytes }) => bytes < smallestPartBytes);
  if (!tooSmall) return;
  throw new ServiceError(400, "EntityTooSmall", "Your proposed upload smaller than the minimum allowed size.", {
    ProposedSize: String(tooSmall.bytes),
    MinSizeAllowed: String(smallestPartBytes),
    PartNumber: String(tooSmall.number),
    ETag: tooSmall.md5,
  });
}

/**
 * OSS does not say how it makes these; only that they are not the MD5 of the bytes. This is the digest of a text, so
 * that nobody can take it for S3's, which is the MD5 of the parts' MD5s.
 */
function multipartEtag(parts: readonly UploadedPart[]): string {
  const text = parts.map(({ number, md5 }) => `${number}:${md5}`).join("\n");
  return `${createHash("md5").update(text).digest("hex").toUpperCase()}-${parts.length}`;
}

function bigEndian(decimal: string): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(decimal));
  return bytes;
}
