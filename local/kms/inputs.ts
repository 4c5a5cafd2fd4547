// What each operation of KMS takes. A member that is not listed is refused by name. Blobs are base64 in JSON.
import { z } from "zod";

const keyId = z.string().min(1).max(2048);
const encryptionContext = z.record(z.string(), z.string());
const largestPlaintextBytes = 4096;
const largestBlobBytes = 6144;

const blob = (leastBytes: number, mostBytes: number) =>
  z
    .base64()
    .transform((text) => Buffer.from(text, "base64"))
    .refine((bytes) => bytes.length >= leastBytes && bytes.length <= mostBytes, {
      error: `must have a length of ${leastBytes} to ${mostBytes} bytes`,
    });

const symmetricOnly = z.literal("SYMMETRIC_DEFAULT").optional();

export const generateDataKey = z.strictObject({
  KeyId: keyId,
  EncryptionContext: encryptionContext.optional(),
  KeySpec: z.enum(["AES_256", "AES_128"]).optional(),
  NumberOfBytes: z.int().min(1).max(1024).optional(),
});

export const encrypt = z.strictObject({
  KeyId: keyId,
  Plaintext: blob(1, largestPlaintextBytes),
  EncryptionContext: encryptionContext.optional(),
  EncryptionAlgorithm: symmetricOnly,
});

export const decrypt = z.strictObject({
  KeyId: keyId.optional(),
  CiphertextBlob: blob(1, largestBlobBytes),
  EncryptionContext: encryptionContext.optional(),
  EncryptionAlgorithm: symmetricOnly,
});

const signed = {
  KeyId: keyId,
  Message: blob(1, largestPlaintextBytes),
  MessageType: z.enum(["RAW", "DIGEST"]).optional(),
  SigningAlgorithm: z.string(),
};

export const sign = z.strictObject(signed);
export const verify = z.strictObject({ ...signed, Signature: blob(1, largestBlobBytes) });
export const keyIdOnly = z.strictObject({ KeyId: keyId });
