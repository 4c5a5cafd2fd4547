// The key that signs receipts, in KMS: its private half never leaves it, and anybody may check with the public half.
import { type KMSClient, SignCommand } from "@aws-sdk/client-kms";

export class SigningKeyStore {
  readonly #client: KMSClient;
  readonly #keyId: string;

  constructor(client: KMSClient, keyId: string) {
    this.#client = client;
    this.#keyId = keyId;
  }

  /** `digest` is a SHA-256; the value is an ECDSA signature over P-256, DER in base64. */
  async sign(digest: Buffer): Promise<{ keyId: string; value: string }> {
    const answer = await this.#client.send(
      new SignCommand({
        KeyId: this.#keyId,
        Message: digest,
        MessageType: "DIGEST",
        SigningAlgorithm: "ECDSA_SHA_256",
      }),
    );
    return { keyId: answer.KeyId ?? this.#keyId, value: Buffer.from(answer.Signature ?? []).toString("base64") };
  }
}
