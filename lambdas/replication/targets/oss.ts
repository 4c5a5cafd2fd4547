// Target: a bucket of Aliyun OSS. It states the CRC-64/XZ of whatever it holds, but refuses nothing for a wrong one: what
// S3 checks by itself is checked here, before the call where that is possible and by its answer where it is not.
// Source of limits: OSS developer guide, "Limits" and "Multipart upload"; object names: "Object naming conventions".
import type { AliyunCredentialsSource } from "../../shared/aliyun-credentials.ts";
import { CausewayError, isErrorNamed } from "../../shared/errors.ts";
import { foldParts } from "../checksums/checksum.ts";
import { crc64Xz } from "../checksums/crc64.ts";
import { type OssClient, type OssSettings, ossCaller } from "./oss-client.ts";
import { ossError } from "./oss-errors.ts";
import {
  anyEtag,
  type Completion,
  type StoredPart,
  type TargetLimits,
  type TargetObject,
  type WholeObjectTarget,
} from "./target.ts";

export const ossLimits: TargetLimits = {
  smallestPartBytes: 100 * 1024,
  largestPartBytes: 5 * 1024 ** 3,
  mostParts: 10_000,
  /** 48.8 TB: 10,000 parts of 5 GiB. */
  largestObjectBytes: 10_000 * 5 * 1024 ** 3,
};

const longestKeyBytes = 1023;
/** ListParts gives at most so many in one page. */
const partsPerPage = 1000;
const mostUnfinishedUploads = 100;
const crcHeader = "x-oss-hash-crc64ecma";
const encryptionHeader = "x-oss-server-side-encryption";
const copyIdMetadata = "causeway-copy-id";
const uploadMarkMetadata = "causeway-upload";

/** `smallestPartBytes`: only a stand-in for OSS has another than OSS's. */
export function ossTarget(
  settings: OssSettings,
  credentials: AliyunCredentialsSource,
  smallestPartBytes: number = ossLimits.smallestPartBytes,
): WholeObjectTarget {
  const { once, repeatedly } = ossCaller(settings, credentials);
  // Made anew for each call: ali-oss writes the length and the metadata of a call into the headers that it is given.
  const encryption = () => ({ [encryptionHeader]: settings.encryption });
  const describe = (key: string) => repeatedly((client) => describeObject(client, key));

  return {
    limits: { ...ossLimits, smallestPartBytes },
    checksum: "crc64Xz",
    checkKey: checkOssKey,

    async begin(key, copyId, uploadMark) {
      checkOssKey(key);
      const { uploadId } = await repeatedly((client) =>
        client.initMultipartUpload(key, { headers: encryption(), meta: metadataOf(copyId, uploadMark) }),
      );
      return { key, uploadId };
    },

    async unfinishedUploads(key) {
      const { uploads } = await repeatedly((client) =>
        client.listUploads({ prefix: key, "max-uploads": mostUnfinishedUploads, "encoding-type": "url" }),
      );
      // The prefix also finds `key-2`; only the very key is ours.
      return uploads.flatMap(({ name, uploadId }) => (decodeURIComponent(name) === key ? [{ key, uploadId }] : []));
    },

    async putPart(ref, partNumber, body, bytes, options) {
      const { etag, res } = await once((client) =>
        client._uploadPart(
          ref.key,
          ref.uploadId,
          partNumber,
          { stream: body, size: bytes },
          { ctx: { signal: options.signal } },
        ),
      );
      const checksum = res.headers[crcHeader] ?? null;
      // OSS knows no header that would let it refuse the part; the number may be used again.
      if (options.checksum !== undefined && checksum !== null && checksum !== options.checksum) {
        throw new CausewayError(
          "PartDamaged",
          `Part ${partNumber} has checksum ${checksum} in OSS instead of ${options.checksum}.`,
        );
      }
      return { partNumber, bytes, etag, checksum };
    },

    async listParts(ref, firstPart, lastPart) {
      const parts: StoredPart[] = [];
      for (let marker = firstPart - 1; ; ) {
        const page = await repeatedly((client) =>
          client.listParts(ref.key, ref.uploadId, {
            "part-number-marker": marker,
            "max-parts": Math.min(partsPerPage, lastPart - marker),
            "encoding-type": "url",
          }),
        );
        for (const part of [page.parts].flat()) {
          const partNumber = Number(part.PartNumber);
          if (partNumber < firstPart || partNumber > lastPart) continue;
          parts.push({
            partNumber,
            bytes: Number(part.Size),
            etag: part.ETag,
            checksum: part.HashCrc64ecma ?? null,
          });
        }
        const next = Number(page.nextPartNumberMarker ?? Number.NaN);
        if (page.isTruncated !== "true" || !(next > marker) || next >= lastPart) return parts;
        marker = next;
      }
    },

    async complete(completion) {
      checkCompletion(completion);
      const { ref, replacesEtag, checksum } = completion;
      // OSS can refuse to replace anything, but not anything but one ETag: this looks, and then completes.
      if (replacesEtag !== null && replacesEtag !== anyEtag && (await describe(ref.key))?.etag !== replacesEtag) {
        throw new CausewayError("TargetExists", `OSS holds another object at ${ref.key} than the one to be replaced.`);
      }
      const { res } = await once((client) =>
        client.completeMultipartUpload(
          ref.key,
          ref.uploadId,
          completion.parts.map(({ partNumber, etag }) => ({ number: partNumber, etag })),
          { headers: replacesEtag === null ? { "x-oss-forbid-overwrite": "true" } : {} },
        ),
      );
      const made = res.headers[crcHeader];
      if (made !== undefined && made !== checksum) {
        throw new CausewayError("PartDamaged", `OSS made an object with checksum ${made} instead of ${checksum}.`);
      }
    },

    describe,

    async abort(ref) {
      try {
        await repeatedly((client) => client.abortMultipartUpload(ref.key, ref.uploadId));
      } catch (error) {
        if (!isErrorNamed(error, "UploadLost")) throw error;
      }
    },

    async putWhole(key, body, bytes, { copyId, uploadMark, signal }) {
      checkOssKey(key);
      const options = { headers: encryption(), meta: metadataOf(copyId, uploadMark), ctx: { signal } };
      const { res } = await once((client) =>
        // A length of 0 would make ali-oss send the stream in chunks.
        bytes === 0
          ? client.put(key, Buffer.alloc(0), options)
          : client.putStream(key, body, { ...options, contentLength: bytes }),
      );
      return { etag: res.headers.etag ?? "", checksum: res.headers[crcHeader] ?? null };
    },
  };
}

/** Throws `InputInvalid` for a key that OSS does not take: it has 1 to 1,023 bytes and begins with neither "/" nor "\". */
export function checkOssKey(key: string): void {
  const bytes = Buffer.byteLength(key);
  if (bytes < 1 || bytes > longestKeyBytes) {
    throw new CausewayError("InputInvalid", `OSS takes keys of 1 to ${longestKeyBytes} bytes; this has ${bytes}.`);
  }
  if (/^[/\\]/.test(key)) {
    throw new CausewayError("InputInvalid", 'OSS takes no key that begins with "/" or "\\".');
  }
}

/** Null when there is no object. */
export async function describeObject(client: Pick<OssClient, "head">, key: string): Promise<TargetObject | null> {
  try {
    const { meta, res } = await client.head(key);
    const { headers } = res;
    const copyId = meta?.[copyIdMetadata];
    return {
      key,
      versionId: headers["x-oss-version-id"] ?? null,
      sizeBytes: Number(headers["content-length"] ?? 0),
      etag: headers.etag ?? "",
      checksum: headers[crcHeader] ?? null,
      copyId: copyId === undefined ? null : decodeURIComponent(copyId),
      uploadMark: meta?.[uploadMarkMetadata] ?? null,
    };
  } catch (error) {
    const { code, status } = error as { code?: string; status?: number };
    if (status === 404 && code === "NoSuchKey") return null;
    throw ossError(error);
  }
}

function metadataOf(copyId: string, uploadMark: string): Record<string, string> {
  return { [copyIdMetadata]: encodeURIComponent(copyId), [uploadMarkMetadata]: uploadMark };
}

/** What S3 would refuse and OSS would not, or not by the same name. */
function checkCompletion({ parts, sizeBytes, checksum, ref }: Completion): void {
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  const inOrder = parts.every((part, index) => part.partNumber === index + 1);
  if (bytes !== sizeBytes || !inOrder) {
    throw new CausewayError(
      "TargetRefused",
      `The parts of ${ref.key} are not those of the whole: ${parts.length} parts with ${bytes} of ${sizeBytes} bytes.`,
    );
  }
  const stated = parts.flatMap((part) =>
    part.checksum === null ? [] : [{ crc: crc64Xz.parse(part.checksum), bytes: part.bytes }],
  );
  if (stated.length < parts.length) return;
  const folded = crc64Xz.format(foldParts(crc64Xz, stated).crc);
  if (folded === checksum) return;
  throw new CausewayError("PartDamaged", `The parts in OSS fold to checksum ${folded} instead of ${checksum}.`);
}
