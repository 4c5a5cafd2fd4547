// The checksums of one part, taken in the one pass over its bytes: the source's and S3's.
import { crc64Nvme, crc64Xz, updateTogether } from "./crc64.ts";

export interface PartChecksums {
  /** Length of the part so far. */
  readonly bytes: number;
  /** CRC-64/XZ: Aliyun's and OSS's. */
  readonly crc64Xz: bigint;
  /** CRC-64/NVME: S3's. */
  readonly crc64Nvme: bigint;
}

export interface PartChecksumTap {
  /** The bytes are read at once and not kept. */
  update(bytes: Uint8Array): void;
  /** The checksums of all bytes so far. */
  digest(): PartChecksums;
}

export function createPartChecksums(): PartChecksumTap {
  const xz = crc64Xz.start();
  const nvme = crc64Nvme.start();
  const both = [xz, nvme];
  let bytes = 0;
  return {
    update(chunk) {
      updateTogether(both, chunk);
      bytes += chunk.length;
    },
    digest: () => ({ bytes, crc64Xz: xz.digest(), crc64Nvme: nvme.digest() }),
  };
}
