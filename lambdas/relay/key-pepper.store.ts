// The pepper that keys the hashes of client keys: one secret, read at first use and kept, for it never changes.
import { GetSecretValueCommand, type SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";

export class KeyPepperStore {
  readonly #client: SecretsManagerClient;
  readonly #secretId: string;
  #kept: Promise<string> | undefined;

  constructor(client: SecretsManagerClient, secretId: string) {
    this.#client = client;
    this.#secretId = secretId;
  }

  /** Throws `SecretMissing`, or what AWS says; a failed reading is not kept. */
  async pepper(): Promise<string> {
    this.#kept ??= this.#read();
    try {
      return await this.#kept;
    } catch (error) {
      this.#kept = undefined;
      throw error;
    }
  }

  async #read(): Promise<string> {
    try {
      const { SecretString } = await this.#client.send(new GetSecretValueCommand({ SecretId: this.#secretId }));
      if (SecretString !== undefined && SecretString !== "") return SecretString;
    } catch (error) {
      if (!isErrorNamed(error, "ResourceNotFoundException")) throw error;
    }
    throw new CausewayError(
      "SecretMissing",
      `The secret ${this.#secretId} is not there; deploying the data stack makes it.`,
    );
  }
}
