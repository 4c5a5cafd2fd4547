// What KMS hands out as a ciphertext blob: the key's id and an AES-256-GCM box that is bound to the encryption context.
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { ServiceError } from "../gateway/service.ts";

export type EncryptionContext = Readonly<Record<string, string>>;

// Layout: format (1 byte), length of the key id (1), key id (ASCII), nonce (12), tag (16), ciphertext.
const formatByte = 1;
const nonceBytes = 12;
const tagBytes = 16;

export function seal(
  key: { readonly keyId: string; readonly material: string },
  plaintext: Buffer,
  encryptionContext: EncryptionContext,
): Buffer {
  const header = Buffer.from([formatByte, key.keyId.length, ...Buffer.from(key.keyId, "ascii")]);
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", Buffer.from(key.material, "base64"), nonce);
  cipher.setAAD(boundBytes(header, encryptionContext));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([header, nonce, cipher.getAuthTag(), ciphertext]);
}

/** Throws InvalidCiphertextException if this is not one of our blobs. */
export function keyIdOfBlob(blob: Buffer): string {
  const idLength = blob[1] ?? 0;
  if (blob[0] !== formatByte || blob.length < 2 + idLength + nonceBytes + tagBytes) throw invalidCiphertext();
  return blob.subarray(2, 2 + idLength).toString("ascii");
}

/** Throws InvalidCiphertextException for another key, a changed byte, or another encryption context. */
export function open(
  key: { readonly keyId: string; readonly material: string },
  blob: Buffer,
  encryptionContext: EncryptionContext,
): Buffer {
  const headerBytes = 2 + key.keyId.length;
  const nonceEnd = headerBytes + nonceBytes;
  const tagEnd = nonceEnd + tagBytes;
  const material = Buffer.from(key.material, "base64");
  const decipher = createDecipheriv("aes-256-gcm", material, blob.subarray(headerBytes, nonceEnd));
  decipher.setAAD(boundBytes(blob.subarray(0, headerBytes), encryptionContext));
  decipher.setAuthTag(blob.subarray(nonceEnd, tagEnd));
  try {
    return Buffer.concat([decipher.update(blob.subarray(tagEnd)), decipher.final()]);
  } catch {
    throw invalidCiphertext();
  }
}

/** AWS says nothing more on purpose: the reason would help an attacker. */
function invalidCiphertext(): ServiceError {
  return new ServiceError(400, "InvalidCiphertextException", "");
}

/** The order in which the caller wrote the context's pairs does not matter. */
function boundBytes(header: Buffer, encryptionContext: EncryptionContext): Buffer {
  const pairs = Object.entries(encryptionContext).sort(([left], [right]) => (left < right ? -1 : 1));
  return Buffer.concat([header, Buffer.from(JSON.stringify(pairs), "utf8")]);
}
