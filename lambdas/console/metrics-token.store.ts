// The bearer token that reads the metrics, from Secrets Manager: kept for a while, so that a scrape costs no call.
import { GetSecretValueCommand, type SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";

const keptMilliseconds = 5 * 60_000;

/** A token that can be guessed protects nothing. */
const fewestLetters = 16;

export class MetricsTokenStore {
  readonly #client: SecretsManagerClient;
  readonly #secretId: string;
  #kept: { readonly token: string; readonly until: number } | undefined;

  constructor(client: SecretsManagerClient, secretId: string) {
    this.#client = client;
    this.#secretId = secretId;
  }

  /** Throws `SecretMissing` naming the secret. */
  async token(nowMilliseconds: number): Promise<string> {
    if (this.#kept !== undefined && nowMilliseconds < this.#kept.until) return this.#kept.token;
    const token = (await this.#read()).trim();
    if (token.length < fewestLetters) {
      throw new CausewayError(
        "SecretMissing",
        `The secret ${this.#secretId} holds no token of at least ${fewestLetters} letters; put one there as plain text.`,
      );
    }
    this.#kept = { token, until: nowMilliseconds + keptMilliseconds };
    return token;
  }

  async #read(): Promise<string> {
    try {
      const answer = await this.#client.send(new GetSecretValueCommand({ SecretId: this.#secretId }));
      return answer.SecretString ?? "";
    } catch (error) {
      // The right is on names with a suffix, which only a secret that exists has: a missing one is refused, not unknown.
      if (!isErrorNamed(error, "ResourceNotFoundException", "AccessDeniedException")) throw error;
      throw new CausewayError(
        "SecretMissing",
        `There is no secret ${this.#secretId} that could be read: make it with the token as plain text.`,
        { cause: error },
      );
    }
  }
}
