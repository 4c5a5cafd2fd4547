// S3's checksum algorithms by name: how each is computed, in which header it travels, how parts make a whole.
// Source: "Checking object integrity in Amazon S3" and the API's ChecksumAlgorithm and ChecksumType.
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { Crc32c, Crc64Nvme, CrcFold } from "./crc.ts";
import { invalidRequest, notImplemented } from "./s3-error.ts";

export const checksumAlgorithms = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5"] as const;
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number];
export type ChecksumType = "FULL_OBJECT" | "COMPOSITE";

/** AWS has these too; nothing on this machine computes them without another package. */
const unsupportedAlgorithms = ["XXHASH64", "XXHASH3", "XXHASH128"];

/** What S3 adds when the client names no algorithm. */
export const defaultAlgorithm: ChecksumAlgorithm = "CRC64NVME";

export interface StoredChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: ChecksumType;
  /** Base64 of the big-endian bytes, without the part count of a composite. */
  readonly value: string;
}

export interface RunningChecksum {
  update(bytes: Uint8Array): void;
  digest(): Buffer;
}

export function startChecksum(algorithm: ChecksumAlgorithm): RunningChecksum {
  if (algorithm === "CRC32") return new Crc32();
  if (algorithm === "CRC32C") return new Crc32c();
  if (algorithm === "CRC64NVME") return new Crc64Nvme();
  return createHash(algorithm.toLowerCase());
}

/** Reads a name as clients send it, in any case. Throws 400 for a wrong one, 501 for one that only AWS has. */
export function parseAlgorithm(name: string): ChecksumAlgorithm {
  const upper = name.toUpperCase();
  const found = checksumAlgorithms.find((algorithm) => algorithm === upper);
  if (found) return found;
  if (unsupportedAlgorithms.includes(upper)) throw notImplemented(`the checksum algorithm ${upper}`);
  throw invalidRequest(
    `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${checksumAlgorithms.join(", ")}]`,
  );
}

const headerPrefix = "x-amz-checksum-";
/** Headers with the prefix that carry no checksum. */
const otherHeaders = new Set(["x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode"]);

export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `${headerPrefix}${algorithm.toLowerCase()}`;
}

/** The algorithm a header name speaks of, or undefined where the header is none of a checksum. */
export function algorithmOfHeader(header: string): ChecksumAlgorithm | undefined {
  const lower = header.toLowerCase();
  if (!lower.startsWith(headerPrefix) || otherHeaders.has(lower)) return undefined;
  return parseAlgorithm(lower.slice(headerPrefix.length));
}

export interface GivenChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string;
}

/** The one checksum among the headers. Throws 400 for several, or for one that cannot be of its algorithm. */
export function checksumInHeaders(headers: Readonly<Record<string, string>>): GivenChecksum | undefined {
  const given = Object.entries(headers).flatMap(([name, value]) => {
    const algorithm = algorithmOfHeader(name);
    return algorithm === undefined ? [] : [{ algorithm, value }];
  });
  if (given.length > 1) {
    throw invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
  }
  return given[0];
}

const digestBytes: Readonly<Record<ChecksumAlgorithm, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
  SHA512: 64,
  MD5: 16,
};

export function isWellFormed({ algorithm, value }: GivenChecksum): boolean {
  const bytes = Buffer.from(value, "base64");
  return bytes.length === digestBytes[algorithm] && bytes.toString("base64") === value;
}

/** The headers that tell a stored checksum; a composite bears its part count. */
export function checksumHeaders(checksum: StoredChecksum | undefined, partCount?: number): Record<string, string> {
  if (!checksum) return {};
  return {
    [checksumHeader(checksum.algorithm)]: displayedValue(checksum, partCount),
    "x-amz-checksum-type": checksum.type,
  };
}

export function displayedValue(checksum: StoredChecksum, partCount: number | undefined): string {
  return checksum.type === "COMPOSITE" && partCount !== undefined ? `${checksum.value}-${partCount}` : checksum.value;
}

/** The XML element's name of an algorithm. */
export function checksumElement(algorithm: ChecksumAlgorithm): `Checksum${ChecksumAlgorithm}` {
  return `Checksum${algorithm}`;
}

/** Full-object checksums of multipart uploads exist for CRCs only, since only they can be folded. */
export function canBeFullObject(algorithm: ChecksumAlgorithm): algorithm is "CRC32" | "CRC32C" | "CRC64NVME" {
  return algorithm === "CRC32" || algorithm === "CRC32C" || algorithm === "CRC64NVME";
}

/** The checksum of an object made of parts: folded for FULL_OBJECT, the checksum of the checksums for COMPOSITE. */
export function combineChecksums(
  algorithm: ChecksumAlgorithm,
  type: ChecksumType,
  parts: readonly { readonly digest: Buffer; readonly bytes: number }[],
): StoredChecksum {
  if (type === "FULL_OBJECT" && canBeFullObject(algorithm)) {
    const fold = new CrcFold(algorithm);
    for (const { digest, bytes } of parts) fold.append(digest, bytes);
    return { algorithm, type, value: fold.digest().toString("base64") };
  }
  const running = startChecksum(algorithm);
  for (const { digest } of parts) running.update(digest);
  return { algorithm, type, value: running.digest().toString("base64") };
}

class Crc32 implements RunningChecksum {
  #state = 0;

  update(bytes: Uint8Array): void {
    this.#state = crc32(bytes, this.#state);
  }

  digest(): Buffer {
    const result = Buffer.alloc(4);
    result.writeUInt32BE(this.#state);
    return result;
  }
}
