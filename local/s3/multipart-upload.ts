// Multipart uploads up to their completion: create, parts sent or copied, abort.
import { randomBytes } from "node:crypto";
import type { ServiceResponse } from "../gateway/service.ts";
import {
  type ChecksumAlgorithm,
  type ChecksumType,
  canBeFullObject,
  checksumElement,
  checksumHeader,
  defaultAlgorithm,
  parseAlgorithm,
} from "./checksums.ts";
import { copyBytes, copySourceRange, findSource, sourceVersionHeader } from "./copy-object.ts";
import { inTransaction } from "./database.ts";
import { encryptionHeaders, readMetadata } from "./object-metadata.ts";
import { bitToFlip } from "./put-object.ts";
import { declaredBody, receiveBody } from "./receive-body.ts";
import { allowEncryption, allowObject, isoTime, quoted, type S3Call, type S3State, xmlResponse } from "./s3-call.ts";
import { invalidArgument, invalidRequest, noSuchUpload } from "./s3-error.ts";
import type { Upload, UploadedPart } from "./upload-index.ts";

export const highestPartNumber = 10_000;

export function createMultipartUpload(state: S3State, call: S3Call): ServiceResponse {
  allowObject(state, call, "s3:PutObject");
  const metadata = readMetadata(call.headers, call.bucket.kmsKeyArn);
  if (Object.keys(metadata.tags).length > 0) allowObject(state, call, "s3:PutObjectTagging");
  allowEncryption(state, call, metadata.encryption, "write");
  const chosen = chosenChecksum(call);
  const startedAt = Math.floor(state.context.clock.now());
  const uploadId = inTransaction(state.database, () => {
    // Uploads of one key are listed in the order in which they were started.
    const order = state.index.nextSequence().toString(16).padStart(12, "0");
    const id = `${order}${randomBytes(24).toString("hex")}`;
    state.uploads.insertUpload({
      uploadId: id,
      bucket: call.bucket.name,
      key: call.key,
      startedAt,
      facts: {
        metadata,
        algorithm: chosen?.algorithm ?? defaultAlgorithm,
        type: chosen?.type ?? "FULL_OBJECT",
        algorithmChosen: chosen !== undefined,
      },
    });
    return id;
  });
  return xmlResponse(
    "InitiateMultipartUploadResult",
    { Bucket: call.bucket.name, Key: call.key, UploadId: uploadId },
    {
      ...encryptionHeaders(metadata.encryption),
      ...(chosen ? { "x-amz-checksum-algorithm": chosen.algorithm, "x-amz-checksum-type": chosen.type } : {}),
    },
  );
}

function chosenChecksum(call: S3Call): { algorithm: ChecksumAlgorithm; type: ChecksumType } | undefined {
  const name = call.headers["x-amz-checksum-algorithm"];
  const type = call.headers["x-amz-checksum-type"]?.toUpperCase();
  if (type !== undefined && type !== "FULL_OBJECT" && type !== "COMPOSITE") {
    throw invalidRequest("Value for x-amz-checksum-type header is invalid.");
  }
  if (name === undefined) {
    if (type === undefined) return undefined;
    throw invalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.");
  }
  const algorithm = parseAlgorithm(name);
  const fits = type === "FULL_OBJECT" ? canBeFullObject(algorithm) : type !== "COMPOSITE" || algorithm !== "CRC64NVME";
  if (!fits) {
    throw invalidRequest(
      `The ${type} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    );
  }
  return { algorithm, type: type ?? (algorithm === "CRC64NVME" ? "FULL_OBJECT" : "COMPOSITE") };
}

export function abortMultipartUpload(state: S3State, call: S3Call): ServiceResponse {
  allowObject(state, call, "s3:AbortMultipartUpload");
  const { uploadId } = findUpload(state, call);
  dropUpload(state, uploadId);
  return { status: 204 };
}

/** Removes the upload and the bytes of its parts. */
export function dropUpload(state: S3State, uploadId: string): void {
  state.bodies.remove(inTransaction(state.database, () => state.uploads.deleteUpload(uploadId)));
}

/** Throws 404 NoSuchUpload. */
export function findUpload(state: S3State, call: S3Call): Upload {
  const uploadId = call.query.get("uploadId") ?? "";
  const upload = state.uploads.findUpload(call.bucket.name, call.key, uploadId);
  if (!upload) throw noSuchUpload(uploadId);
  return upload;
}

export async function uploadPart(state: S3State, call: S3Call): Promise<ServiceResponse> {
  allowObject(state, call, "s3:PutObject");
  const number = partNumber(call);
  const upload = findUpload(state, call);
  const { algorithm, algorithmChosen, type, metadata } = upload.facts;
  allowEncryption(state, call, metadata.encryption, "write");
  const declared = declaredBody(call.headers);
  if (algorithmChosen) assertSameAlgorithm(algorithm, type, declared.algorithm);

  const writer = await state.bodies.create();
  try {
    const received = await receiveBody(call.request, writer, {
      declared,
      algorithms: [algorithm],
      flipBit: bitToFlip(call.request),
    });
    await writer.close();
    const checksums = Object.fromEntries(
      [...received.digests].map(([name, digest]) => [name, digest.toString("base64")]),
    );
    savePart(state, call, upload, {
      number,
      bytes: received.bytes,
      md5: received.md5,
      modifiedAt: Math.floor(state.context.clock.now()),
      file: writer.file,
      checksums,
    });
    const told = declared.algorithm ?? algorithm;
    return {
      status: 200,
      headers: {
        etag: quoted(received.md5.toString("hex")),
        ...encryptionHeaders(metadata.encryption),
        [checksumHeader(told)]: checksums[told] ?? "",
      },
    };
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** S3 computes what is missing only where it can do without: a FULL_OBJECT checksum is folded from its own. */
function assertSameAlgorithm(expected: ChecksumAlgorithm, type: ChecksumType, actual: ChecksumAlgorithm | undefined) {
  if (actual === expected || (actual === undefined && type === "FULL_OBJECT")) return;
  throw invalidRequest(
    `Checksum Type mismatch occurred, expected checksum Type: ${expected.toLowerCase()}, ` +
      `actual checksum Type: ${actual?.toLowerCase() ?? "null"}`,
  );
}

/** The upload may have been completed or aborted while the bytes came: then the part is refused. */
function savePart(state: S3State, call: S3Call, upload: Upload, part: UploadedPart): void {
  const replaced = inTransaction(state.database, () => {
    findUpload(state, call);
    return state.uploads.savePart(upload.uploadId, part);
  });
  if (replaced !== undefined) state.bodies.remove([replaced]);
}

export async function uploadPartCopy(state: S3State, call: S3Call): Promise<ServiceResponse> {
  const source = findSource(state, call);
  allowObject(state, call, "s3:PutObject");
  const number = partNumber(call);
  const upload = findUpload(state, call);
  const { algorithm, algorithmChosen, metadata } = upload.facts;
  allowEncryption(state, call, metadata.encryption, "write");
  const range = copySourceRange(call, source.version.bytes);
  const copied = await copyBytes(state, call, source.version, range, algorithm);
  const modifiedAt = Math.floor(state.context.clock.now());
  try {
    savePart(state, call, upload, {
      number,
      bytes: range.bytes,
      md5: copied.md5,
      modifiedAt,
      file: copied.file,
      checksums: { [algorithm]: copied.checksum.value },
    });
  } catch (error) {
    state.bodies.remove([copied.file]);
    throw error;
  }
  return xmlResponse(
    "CopyPartResult",
    {
      ETag: quoted(copied.md5.toString("hex")),
      LastModified: isoTime(modifiedAt),
      [checksumElement(algorithm)]: algorithmChosen ? copied.checksum.value : undefined,
    },
    { ...sourceVersionHeader(source.version), ...encryptionHeaders(metadata.encryption) },
  );
}

function partNumber(call: S3Call): number {
  const text = call.query.get("partNumber") ?? "";
  const number = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= 1 && number <= highestPartNumber) return number;
  throw invalidArgument(
    "partNumber",
    text,
    `Part number must be an integer between 1 and ${highestPartNumber}, inclusive`,
  );
}
