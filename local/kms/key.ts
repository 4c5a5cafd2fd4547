// A KMS key of the local cloud: which kinds there are, what each may do, and how it comes into being.
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";

export const keySpecs = [
  "SYMMETRIC_DEFAULT",
  "ECC_NIST_P256",
  "ECC_NIST_P384",
  "RSA_2048",
  "RSA_3072",
  "RSA_4096",
] as const;
export type KeySpec = (typeof keySpecs)[number];

export interface Key {
  readonly keyId: string;
  readonly arn: string;
  readonly keySpec: KeySpec;
  readonly description: string;
  readonly enabled: boolean;
  readonly createdAtMilliseconds: number;
  /** Symmetric: 32 bytes as base64. Asymmetric: the private key as PKCS#8 PEM. Never leaves the state file. */
  readonly material: string;
}

export type HashName = "sha256" | "sha384" | "sha512";

export interface SigningAlgorithm {
  readonly family: "ecdsa" | "rsa-pkcs1" | "rsa-pss";
  readonly hash: HashName;
}

const rsaAlgorithms: Readonly<Record<string, SigningAlgorithm>> = {
  RSASSA_PKCS1_V1_5_SHA_256: { family: "rsa-pkcs1", hash: "sha256" },
  RSASSA_PKCS1_V1_5_SHA_384: { family: "rsa-pkcs1", hash: "sha384" },
  RSASSA_PKCS1_V1_5_SHA_512: { family: "rsa-pkcs1", hash: "sha512" },
  RSASSA_PSS_SHA_256: { family: "rsa-pss", hash: "sha256" },
  RSASSA_PSS_SHA_384: { family: "rsa-pss", hash: "sha384" },
  RSASSA_PSS_SHA_512: { family: "rsa-pss", hash: "sha512" },
};

/** By the names of the API. */
export const signingAlgorithmsOf: Readonly<Record<KeySpec, Readonly<Record<string, SigningAlgorithm>>>> = {
  SYMMETRIC_DEFAULT: {},
  ECC_NIST_P256: { ECDSA_SHA_256: { family: "ecdsa", hash: "sha256" } },
  ECC_NIST_P384: { ECDSA_SHA_384: { family: "ecdsa", hash: "sha384" } },
  RSA_2048: rsaAlgorithms,
  RSA_3072: rsaAlgorithms,
  RSA_4096: rsaAlgorithms,
};

export function keyUsageOf(keySpec: KeySpec): "ENCRYPT_DECRYPT" | "SIGN_VERIFY" {
  return keySpec === "SYMMETRIC_DEFAULT" ? "ENCRYPT_DECRYPT" : "SIGN_VERIFY";
}

/** The same logical id gives the same key id in every state directory, so that templates can refer to it. */
export function keyIdFor(accountId: string, region: string, logicalId: string): string {
  const hex = createHash("sha256").update(`${accountId}/${region}/${logicalId}`).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    "-",
  );
}

export function newKeyMaterial(keySpec: KeySpec): string {
  switch (keySpec) {
    case "SYMMETRIC_DEFAULT":
      return randomBytes(32).toString("base64");
    case "ECC_NIST_P256":
      return pem(generateKeyPairSync("ec", { namedCurve: "P-256" }));
    case "ECC_NIST_P384":
      return pem(generateKeyPairSync("ec", { namedCurve: "P-384" }));
    case "RSA_2048":
    case "RSA_3072":
    case "RSA_4096":
      return pem(generateKeyPairSync("rsa", { modulusLength: Number(keySpec.slice("RSA_".length)) }));
  }
}

function pem(pair: ReturnType<typeof generateKeyPairSync>): string {
  return pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}
