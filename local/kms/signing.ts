// Signatures as KMS makes and checks them, over a message or over its digest.
import { constants, type KeyObject, privateEncrypt, publicDecrypt, sign, verify } from "node:crypto";
import { ServiceError } from "../gateway/service.ts";
import { signDigest, verifyDigest } from "./ecdsa-digest.ts";
import type { HashName, SigningAlgorithm } from "./key.ts";

export type MessageType = "RAW" | "DIGEST";

const digestBytes: Readonly<Record<HashName, number>> = { sha256: 32, sha384: 48, sha512: 64 };

/** DER prefix of a DigestInfo up to the digest (RFC 8017, section 9.2, note 1). */
const digestInfoPrefix: Readonly<Record<HashName, string>> = {
  sha256: "3031300d060960864801650304020105000420",
  sha384: "3041300d060960864801650304020205000430",
  sha512: "3051300d060960864801650304020305000440",
};

/** Throws ValidationException for a digest of the wrong length, and for what the local cloud cannot do (PSS over DIGEST). */
export function signMessage(
  privateKey: KeyObject,
  algorithm: SigningAlgorithm,
  message: Buffer,
  messageType: MessageType,
): Buffer {
  if (messageType === "RAW") return sign(algorithm.hash, message, { key: privateKey, ...paddingOf(algorithm) });
  checkDigest(algorithm, message);
  if (algorithm.family === "ecdsa") return signDigest(privateKey, message);
  return privateEncrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, digestInfo(algorithm.hash, message));
}

/** False for a signature that does not fit. Throws as `signMessage` does. */
export function verifyMessage(
  publicKey: KeyObject,
  algorithm: SigningAlgorithm,
  message: Buffer,
  messageType: MessageType,
  signature: Buffer,
): boolean {
  if (messageType === "RAW") {
    return verify(algorithm.hash, message, { key: publicKey, ...paddingOf(algorithm) }, signature);
  }
  checkDigest(algorithm, message);
  if (algorithm.family === "ecdsa") return verifyDigest(publicKey, message, signature);
  try {
    const found = publicDecrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, signature);
    return found.equals(digestInfo(algorithm.hash, message));
  } catch {
    return false;
  }
}

function paddingOf(algorithm: SigningAlgorithm) {
  if (algorithm.family === "ecdsa") return { dsaEncoding: "der" as const };
  if (algorithm.family === "rsa-pkcs1") return { padding: constants.RSA_PKCS1_PADDING };
  return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
}

function checkDigest(algorithm: SigningAlgorithm, digest: Buffer): void {
  const expected = digestBytes[algorithm.hash];
  if (digest.length !== expected) {
    throw new ServiceError(
      400,
      "ValidationException",
      `Digest is invalid length for the signing algorithm: ${digest.length} bytes instead of ${expected}.`,
    );
  }
  if (algorithm.family === "rsa-pss") {
    throw new ServiceError(
      400,
      "ValidationException",
      "The local cloud does not sign or verify a DIGEST with RSASSA_PSS; use RSASSA_PKCS1_V1_5 or ECDSA.",
    );
  }
}

function digestInfo(hash: HashName, digest: Buffer): Buffer {
  return Buffer.concat([Buffer.from(digestInfoPrefix[hash], "hex"), digest]);
}
