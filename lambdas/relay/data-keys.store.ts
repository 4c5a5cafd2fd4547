// Data keys from KMS, each only for one account of one stage: its encryption context says which, and IAM can hold it to that.
import { DecryptCommand, GenerateDataKeyCommand, type KMSClient } from "@aws-sdk/client-kms";
import type { CredentialContext, DataKeys } from "./credentials/envelope.ts";

export class DataKeysStore implements DataKeys {
  readonly #client: KMSClient;
  readonly #keyId: string;

  constructor(client: KMSClient, keyId: string) {
    this.#client = client;
    this.#keyId = keyId;
  }

  async make({ accountId, stage }: CredentialContext): Promise<{ plain: Uint8Array; sealed: Uint8Array }> {
    const { Plaintext: plain, CiphertextBlob: sealed } = await this.#client.send(
      new GenerateDataKeyCommand({
        KeyId: this.#keyId,
        KeySpec: "AES_256",
        EncryptionContext: { accountId, stage },
      }),
    );
    if (plain === undefined || sealed === undefined) throw new Error("KMS made no data key.");
    return { plain, sealed };
  }

  /** Throws KMS's `InvalidCiphertextException` for another context, `IncorrectKeyException` for another key. */
  async open(sealed: Uint8Array, { accountId, stage }: CredentialContext): Promise<Uint8Array> {
    const { Plaintext: plain } = await this.#client.send(
      new DecryptCommand({
        KeyId: this.#keyId,
        CiphertextBlob: sealed,
        EncryptionContext: { accountId, stage },
      }),
    );
    if (plain === undefined) throw new Error("KMS opened no data key.");
    return plain;
  }
}
