// CompleteMultipartUpload: the listed parts become one object; their files stay where they are, as its segments.
// Source: CompleteMultipartUpload in the S3 API reference; error texts as callers have met them in the real service.
import { createHash } from "node:crypto";
import type { ServiceResponse } from "../gateway/service.ts";
import {
  type ChecksumAlgorithm,
  checksumAlgorithms,
  checksumElement,
  checksumInHeaders,
  combineChecksums,
  displayedValue,
  type StoredChecksum,
} from "./checksums.ts";
import { findUpload } from "./multipart-upload.ts";
import type { Segment } from "./object-index.ts";
import { encryptionHeaders } from "./object-metadata.ts";
import { assertWritable, unquoted, writeConditions } from "./preconditions.ts";
import { type DeclaredBody, declaredBody, receiveDocument } from "./receive-body.ts";
import {
  allowEncryption,
  allowObject,
  quoted,
  type S3Call,
  type S3State,
  versionHeader,
  xmlResponse,
} from "./s3-call.ts";
import { badDigest, errorDocument, internalError, invalidRequest, malformedXml, S3Error } from "./s3-error.ts";
import { currentObject, storeObject } from "./store-object.ts";
import type { Upload, UploadedPart } from "./upload-index.ts";
import { childNodes, childText, parseXml } from "./xml.ts";

interface ListedPart {
  readonly number: number;
  readonly etag: string;
  readonly checksums: Readonly<Partial<Record<ChecksumAlgorithm, string>>>;
}

export async function completeMultipartUpload(state: S3State, call: S3Call): Promise<ServiceResponse> {
  allowObject(state, call, "s3:PutObject");
  const conditions = writeConditions(call.headers);
  const document = await receiveDocument(call.request, declaredDocument(call));
  const { fault } = call.request;
  if (fault?.kind === "error-in-200" && !fault.afterWork) return failureIn200(call);

  // Nothing is waited for from here on: two completions cannot come between each other's steps.
  const upload = findUpload(state, call);
  allowEncryption(state, call, upload.facts.metadata.encryption, "multipart");
  const parts = chosenParts(state, upload, listedParts(document));
  const checksum = wholeChecksum(upload, parts);
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  assertWholeMatches(call, upload, checksum, parts.length, bytes);
  assertWritable(conditions, call.key, currentObject(state, call));

  const version = storeObject(
    state,
    call,
    {
      bytes,
      etag: multipartEtag(parts),
      facts: {
        metadata: upload.facts.metadata,
        checksum,
        partCount: parts.length,
        partsTold: upload.facts.algorithmChosen,
      },
      segments: segmentsOf(parts, upload),
      conditions,
      reason: "CompleteMultipartUpload",
    },
    () => {
      const kept = new Set(parts.map((part) => part.file));
      return state.uploads.deleteUpload(upload.uploadId).filter((file) => !kept.has(file));
    },
  );
  if (fault?.kind === "error-in-200") return failureIn200(call);
  return xmlResponse(
    "CompleteMultipartUploadResult",
    {
      Location: `http://${call.headers.host ?? "127.0.0.1"}${call.request.rawPath}`,
      Bucket: call.bucket.name,
      Key: call.key,
      ETag: quoted(version.etag),
      [checksumElement(checksum.algorithm)]: displayedValue(checksum, parts.length),
      ChecksumType: checksum.type,
    },
    { ...versionHeader(call.bucket, version), ...encryptionHeaders(upload.facts.metadata.encryption) },
  );
}

/** A checksum in the header of a completion speaks of the object, not of the document. */
function declaredDocument(call: S3Call): DeclaredBody {
  const ownHeaders = Object.entries(call.headers).filter(
    ([name]) => !name.startsWith("x-amz-checksum-") && name !== "x-amz-sdk-checksum-algorithm",
  );
  return declaredBody(Object.fromEntries(ownHeaders));
}

function failureIn200(call: S3Call): ServiceResponse {
  return {
    status: 200,
    headers: { "content-type": "application/xml" },
    body: errorDocument(internalError(), call.request.requestId),
  };
}

function listedParts(document: string): ListedPart[] {
  const root = parseXml(document, "CompleteMultipartUpload");
  const nodes = root ? childNodes(root, "Part") : [];
  if (nodes.length === 0 || nodes.length > 10_000) throw malformedXml();
  return nodes.map((node) => {
    const number = Number(childText(node, "PartNumber") ?? Number.NaN);
    const etag = childText(node, "ETag");
    if (!Number.isInteger(number) || etag === undefined) throw malformedXml();
    const checksums: Partial<Record<ChecksumAlgorithm, string>> = {};
    for (const algorithm of checksumAlgorithms) {
      const value = childText(node, checksumElement(algorithm));
      if (value !== undefined) checksums[algorithm] = value.trim();
    }
    return { number, etag: unquoted(etag), checksums };
  });
}

/** The uploaded parts that the list names. Throws InvalidPartOrder, InvalidPart, EntityTooSmall, InvalidRequest. */
function chosenParts(state: S3State, upload: Upload, listed: readonly ListedPart[]): UploadedPart[] {
  const uploaded = new Map(state.uploads.parts(upload.uploadId).map((part) => [part.number, part]));
  const { algorithm, algorithmChosen, type } = upload.facts;
  const parts = listed.map((wanted, position) => {
    const before = listed[position - 1]?.number ?? 0;
    if (wanted.number <= before) throw invalidPartOrder();
    // With checksums of the client's choice, S3 takes consecutive numbers only.
    if (algorithmChosen && wanted.number !== position + 1) throw invalidPartOrder();
    if (algorithmChosen && type === "COMPOSITE" && wanted.checksums[algorithm] === undefined) {
      throw invalidRequest(
        `The upload was created using a ${algorithm.toLowerCase()} checksum. The complete request must include the ` +
          `checksum for each part. It was missing for part ${wanted.number} in the request.`,
      );
    }
    const part = uploaded.get(wanted.number);
    if (!part || part.md5.toString("hex") !== wanted.etag || !checksumsAgree(wanted, part)) {
      throw invalidPart(wanted, upload);
    }
    return part;
  });
  const small = parts.slice(0, -1).find((part) => part.bytes < state.smallestPartBytes);
  if (small) {
    throw new S3Error(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", {
      details: {
        ProposedSize: String(small.bytes),
        MinSizeAllowed: String(state.smallestPartBytes),
        PartNumber: String(small.number),
        ETag: small.md5.toString("hex"),
      },
    });
  }
  return parts;
}

function checksumsAgree(wanted: ListedPart, part: UploadedPart): boolean {
  return checksumAlgorithms.every(
    (algorithm) =>
      wanted.checksums[algorithm] === undefined || wanted.checksums[algorithm] === part.checksums[algorithm],
  );
}

function wholeChecksum(upload: Upload, parts: readonly UploadedPart[]): StoredChecksum {
  const { algorithm, type } = upload.facts;
  return combineChecksums(
    algorithm,
    type,
    parts.map((part) => ({ digest: Buffer.from(part.checksums[algorithm] ?? "", "base64"), bytes: part.bytes })),
  );
}

/** What the client says about the finished object. Throws 400 BadDigest, InvalidRequest. */
function assertWholeMatches(
  call: S3Call,
  upload: Upload,
  checksum: StoredChecksum,
  partCount: number,
  bytes: number,
): void {
  const type = call.headers["x-amz-checksum-type"];
  if (type !== undefined && type.toUpperCase() !== upload.facts.type) throw badDigest("checksum type");
  const given = checksumInHeaders(call.headers);
  if (given) {
    const stored = [checksum.value, displayedValue(checksum, partCount)];
    if (given.algorithm !== checksum.algorithm || !stored.includes(given.value)) throw badDigest(given.algorithm);
  }
  const size = call.headers["x-amz-mp-object-size"];
  if (size !== undefined && size !== String(bytes)) {
    throw invalidRequest(
      `The provided 'x-amz-mp-object-size' header value ${size} does not match what was computed: ${bytes}`,
    );
  }
}

/** MD5 of the parts' MD5s, and how many there are. */
function multipartEtag(parts: readonly UploadedPart[]): string {
  const hash = createHash("md5");
  for (const part of parts) hash.update(part.md5);
  return `${hash.digest("hex")}-${parts.length}`;
}

function segmentsOf(parts: readonly UploadedPart[], upload: Upload): Segment[] {
  const { algorithm } = upload.facts;
  let startByte = 0;
  return parts.map((part, position) => {
    const value = part.checksums[algorithm];
    const segment: Segment = {
      number: position + 1,
      startByte,
      bytes: part.bytes,
      file: part.file,
      checksum: value === undefined ? undefined : { algorithm, value },
    };
    startByte += part.bytes;
    return segment;
  });
}

function invalidPartOrder(): S3Error {
  return new S3Error(
    400,
    "InvalidPartOrder",
    "The list of parts was not in ascending order. The parts list must be specified in order by part number.",
  );
}

function invalidPart(wanted: ListedPart, upload: Upload): S3Error {
  return new S3Error(
    400,
    "InvalidPart",
    "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified " +
      "entity tag may not match the part's entity tag.",
    { details: { UploadId: upload.uploadId, PartNumber: String(wanted.number), ETag: wanted.etag } },
  );
}
