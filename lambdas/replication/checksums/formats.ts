// The texts in which the clouds write a CRC-64: Aliyun and OSS in decimal, S3 in base64 of the big-endian bytes.
import type { ChecksumText } from "./checksum.ts";

const largestCrc64 = 2n ** 64n - 1n;
const crc64Bytes = 8;

/** Unsigned decimal. */
export const decimalChecksumText: ChecksumText = {
  format: (crc) => crc.toString(10),
  parse(text) {
    // The pattern keeps BigInt from accepting spaces, signs and hexadecimal; 20 digits hold every 64-bit number.
    if (!/^\d{1,20}$/.test(text)) throw new RangeError(`"${shortened(text)}" is no decimal 64-bit checksum`);
    const crc = BigInt(text);
    if (crc > largestCrc64) throw new RangeError(`the checksum ${text} does not fit into 64 bits`);
    return crc;
  },
};

/** Base64 of eight bytes, big-endian. */
export const base64ChecksumText: ChecksumText = {
  format(crc) {
    const bytes = Buffer.alloc(crc64Bytes);
    bytes.writeBigUInt64BE(crc);
    return bytes.toString("base64");
  },
  parse(text) {
    const bytes = Buffer.from(text, "base64");
    // Node's decoder skips what it does not know: only a text that encodes back to itself was base64.
    if (bytes.length !== crc64Bytes || bytes.toString("base64") !== text) {
      throw new RangeError(`"${shortened(text)}" is no base64 of ${crc64Bytes} bytes`);
    }
    return bytes.readBigUInt64BE();
  },
};

/** An unexpected text may be of any length; an error message may not. */
function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
