// Addresses and keys of channels, from Secrets Manager: read at first use, read again when they are old or were refused.
import { GetSecretValueCommand, type SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import * as z from "zod";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import type { ChannelAddress } from "./channels/channel.ts";

const addressSchema = z.object({
  url: z.string().min(1),
  /** Shorter keys are guessed. */
  secret: z.string().min(16).optional(),
});

/** A rotation is picked up within this time even while the old address still works. */
const keptMilliseconds = 5 * 60_000;

export class ChannelAddressesStore {
  readonly #client: SecretsManagerClient;
  readonly #prefix: string;
  readonly #now: () => number;
  readonly #kept = new Map<string, { readonly value: ChannelAddress; readonly until: number }>();

  /** `prefix`: `/<stage>/alerts/` */
  constructor(client: SecretsManagerClient, prefix: string, now: () => number = Date.now) {
    this.#client = client;
    this.#prefix = prefix;
    this.#now = now;
  }

  /** Throws `SecretMissing` with the cure; the secret itself is in no message. */
  async read(channel: string): Promise<ChannelAddress> {
    const kept = this.#kept.get(channel);
    if (kept !== undefined && this.#now() < kept.until) return kept.value;
    const value = await this.#fetch(channel);
    this.#kept.set(channel, { value, until: this.#now() + keptMilliseconds });
    return value;
  }

  forget(channel: string): void {
    this.#kept.delete(channel);
  }

  async #fetch(channel: string): Promise<ChannelAddress> {
    const secretId = `${this.#prefix}${channel}`;
    const cure = `Put it with: npx causeway secrets set alerts/${channel}`;
    let text: string | undefined;
    try {
      text = (await this.#client.send(new GetSecretValueCommand({ SecretId: secretId }))).SecretString;
    } catch (error) {
      // The right is on names with a suffix, which only a secret that exists has: a missing one is refused, not unknown.
      if (!isErrorNamed(error, "ResourceNotFoundException", "AccessDeniedException")) throw error;
      throw new CausewayError("SecretMissing", `There is no secret ${secretId}. ${cure}`, { cause: error });
    }
    const parsed = addressSchema.safeParse(parseJson(text ?? ""));
    if (parsed.success) return parsed.data;
    const fields = parsed.error.issues.map((issue) => issue.path.join(".") || "the whole").join(", ");
    throw new CausewayError(
      "SecretMissing",
      `The secret ${secretId} is not {url} or {url, secret}: ${fields} is wrong. ${cure}`,
    );
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
