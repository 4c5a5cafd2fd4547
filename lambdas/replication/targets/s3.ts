// Target: an S3 bucket. The upload is a FULL_OBJECT CRC-64/NVME one: S3 checks the folded checksum of the whole object itself.
// Source of limits and rules: S3 User Guide, "Multipart upload limits" and "Checking object integrity".

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { smallCalls } from "../../shared/aws-clients.ts";
import { isPassingAwsError } from "../../shared/aws-errors.ts";
import { CausewayError, messageOf } from "../../shared/errors.ts";
import { handingBack } from "./hand-back.ts";
import { anyEtag, type MultipartTarget, type StoredPart, type TargetLimits } from "./target.ts";

export const s3Limits: TargetLimits = {
  smallestPartBytes: 5 * 1024 ** 2,
  largestPartBytes: 5 * 1024 ** 3,
  mostParts: 10_000,
  /** 48.8 TiB: 10,000 parts of 5 GiB. */
  largestObjectBytes: 10_000 * 5 * 1024 ** 3,
};

/** ListParts gives at most so many in one page. */
const partsPerPage = 1000;
const mostUnfinishedUploads = 100;
const copyIdMetadata = "causeway-copy-id";
const uploadMarkMetadata = "causeway-upload";

/** The SDK's default of 50 connections would hold back a Lambda that found more to be worth it. */
const mostPartsAtOnce = 128;

const silent = () => undefined;

/**
 * A part's body is a stream: the SDK cannot send it twice, so it must not try. WHEN_REQUIRED keeps it from framing the
 * stream as aws-chunked and from hashing it once more.
 */
const partClientSettings = {
  maxAttempts: 1,
  requestChecksumCalculation: "WHEN_REQUIRED",
  responseChecksumValidation: "WHEN_REQUIRED",
  // With the header, the SDK opens a new connection for every part and waits for a go-ahead on it: a round trip, and
  // over TLS a handshake, that a part does not repay.
  expectContinueHeader: false,
  // The SDK warns of every stream that it cannot send twice, in a line that no log search finds; we say it ourselves.
  logger: { trace: silent, debug: silent, info: silent, warn: silent, error: silent },
  requestHandler: { httpAgent: { maxSockets: mostPartsAtOnce }, httpsAgent: { maxSockets: mostPartsAtOnce } },
} as const;

/** `smallestPartBytes`: only a stand-in for S3 has another than S3's. */
export function s3Target(bucket: string, smallestPartBytes?: number): MultipartTarget {
  // Small calls are retried by the SDK; parts and completion have one attempt each.
  const client = new S3Client(smallCalls);
  const partClient = new S3Client(partClientSettings);
  return {
    limits: { ...s3Limits, smallestPartBytes: smallestPartBytes ?? s3Limits.smallestPartBytes },
    checksum: "crc64Nvme",

    async begin(key, copyId, uploadMark) {
      const answer = await named(() =>
        client.send(
          new CreateMultipartUploadCommand({
            Bucket: bucket,
            Key: key,
            ChecksumAlgorithm: "CRC64NVME",
            ChecksumType: "FULL_OBJECT",
            Metadata: { [copyIdMetadata]: encodeURIComponent(copyId), [uploadMarkMetadata]: uploadMark },
          }),
        ),
      );
      return { key, uploadId: answer.UploadId ?? "" };
    },

    async unfinishedUploads(key) {
      const answer = await named(() =>
        client.send(
          new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: key, MaxUploads: mostUnfinishedUploads }),
        ),
      );
      // The prefix also finds `key-2`; only the very key is ours.
      return (answer.Uploads ?? []).flatMap((upload) =>
        upload.Key === key && upload.UploadId ? [{ key, uploadId: upload.UploadId }] : [],
      );
    },

    async putPart(ref, partNumber, body, bytes, options) {
      const answer = await named(() =>
        partClient.send(
          new UploadPartCommand({
            Bucket: bucket,
            Key: ref.key,
            UploadId: ref.uploadId,
            PartNumber: partNumber,
            Body: handingBack(body),
            ContentLength: bytes,
            ...(options.checksum === undefined ? {} : { ChecksumCRC64NVME: options.checksum }),
          }),
          { abortSignal: options.signal },
        ),
      );
      return { partNumber, bytes, etag: answer.ETag ?? "", checksum: answer.ChecksumCRC64NVME ?? null };
    },

    async listParts(ref, firstPart, lastPart) {
      const parts: StoredPart[] = [];
      let marker = String(firstPart - 1);
      for (;;) {
        const page = await named(() =>
          client.send(
            new ListPartsCommand({
              Bucket: bucket,
              Key: ref.key,
              UploadId: ref.uploadId,
              PartNumberMarker: marker,
              MaxParts: Math.min(partsPerPage, lastPart - Number(marker)),
            }),
          ),
        );
        for (const part of page.Parts ?? []) {
          const partNumber = part.PartNumber ?? 0;
          if (partNumber < firstPart || partNumber > lastPart) continue;
          parts.push({
            partNumber,
            bytes: part.Size ?? 0,
            etag: part.ETag ?? "",
            checksum: part.ChecksumCRC64NVME ?? null,
          });
        }
        const next = page.NextPartNumberMarker;
        if (!page.IsTruncated || next === undefined || Number(next) >= lastPart || next === marker) return parts;
        marker = next;
      }
    },

    async complete(completion) {
      await named(() =>
        partClient.send(
          new CompleteMultipartUploadCommand({
            Bucket: bucket,
            Key: completion.ref.key,
            UploadId: completion.ref.uploadId,
            MultipartUpload: {
              Parts: completion.parts.map((part) => ({
                PartNumber: part.partNumber,
                ETag: part.etag,
                ...(part.checksum === null ? {} : { ChecksumCRC64NVME: part.checksum }),
              })),
            },
            ChecksumType: "FULL_OBJECT",
            ChecksumCRC64NVME: completion.checksum,
            MpuObjectSize: completion.sizeBytes,
            ...conditionOf(completion.replacesEtag),
          }),
        ),
      );
    },

    async describe(key) {
      try {
        const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: "ENABLED" }));
        const copyId = head.Metadata?.[copyIdMetadata];
        return {
          key,
          versionId: head.VersionId ?? null,
          sizeBytes: head.ContentLength ?? 0,
          etag: head.ETag ?? "",
          checksum: head.ChecksumCRC64NVME ?? null,
          copyId: copyId === undefined ? null : decodeURIComponent(copyId),
          uploadMark: head.Metadata?.[uploadMarkMetadata] ?? null,
        };
      } catch (error) {
        if (error instanceof Error && (error.name === "NotFound" || error.name === "NoSuchKey")) return null;
        throw targetError(error);
      }
    },

    async abort(ref) {
      try {
        await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: ref.key, UploadId: ref.uploadId }));
      } catch (error) {
        if (!(error instanceof Error && error.name === "NoSuchUpload")) throw targetError(error);
      }
    },
  };
}

function conditionOf(replacesEtag: string | null): { IfNoneMatch?: string; IfMatch?: string } {
  if (replacesEtag === null) return { IfNoneMatch: "*" };
  return replacesEtag === anyEtag ? {} : { IfMatch: replacesEtag };
}

async function named<Result>(call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    throw targetError(error);
  }
}

/** Refusals that the next attempt may not meet: a race for the key, a 200 with an error inside, a clock since corrected. */
const passingNames = new Set(["ConditionalRequestConflict", "InternalError", "RequestTimeTooSkewed", "RequestTimeout"]);

/** S3's errors as the port's. An aborted call keeps the reason it was aborted for. */
function targetError(error: unknown): unknown {
  if (error instanceof CausewayError || !(error instanceof Error) || error.name === "AbortError") return error;
  const said = `${error.name}: ${messageOf(error)}`;
  if (error.name === "NoSuchUpload")
    return new CausewayError("UploadLost", `S3 no longer knows the upload (${said}).`, { cause: error });
  if (error.name === "InvalidPart") {
    return new CausewayError("PartsMissing", `S3 does not hold a part as it was listed (${said}).`, { cause: error });
  }
  if (error.name === "BadDigest") {
    return new CausewayError("PartDamaged", `What S3 holds has another checksum (${said}).`, { cause: error });
  }
  if (error.name === "PreconditionFailed") {
    return new CausewayError("TargetExists", `S3 has an object there already (${said}).`, { cause: error });
  }
  if (isPassingAwsError(error) || passingNames.has(error.name)) {
    return new CausewayError("TargetUnavailable", `S3 did not answer well (${said}).`, { cause: error });
  }
  return new CausewayError("TargetRefused", `S3 refused the call (${said}).`, { cause: error });
}
