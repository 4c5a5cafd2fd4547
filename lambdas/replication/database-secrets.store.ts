// User and password of a database, from Secrets Manager: read for each capture, kept nowhere.
import { GetSecretValueCommand, type SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import * as z from "zod";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import type { ConnectionTls } from "./schemas/schema.ts";

const secretSchema = z.object({
  username: z.string().min(1),
  password: z.string(),
  /** `off`: bare, for a server on the same machine alone. */
  tls: z.enum(["on", "off"]).default("on"),
  /** PEM of the authority behind the server's certificate, where that is not Amazon RDS's own. */
  certificate: z.string().min(1).optional(),
});

export class DatabaseSecretsStore {
  readonly #client: SecretsManagerClient;
  readonly #path: string;

  /** The secrets' names begin with `path`, which ends in a slash. */
  constructor(client: SecretsManagerClient, path: string) {
    this.#client = client;
    this.#path = path;
  }

  /** Throws `SecretMissing`; the value itself stays out of every message. */
  async read(databaseId: string): Promise<{ username: string; password: string; tls: ConnectionTls }> {
    const secretId = `${this.#path}${databaseId}`;
    const cure = `Put {"username", "password"} into the secret ${secretId} of Secrets Manager.`;
    let text = "";
    try {
      text = (await this.#client.send(new GetSecretValueCommand({ SecretId: secretId }))).SecretString ?? "";
    } catch (error) {
      // Whoever may read it by a part of its name is told of a missing one that it may not.
      if (!isErrorNamed(error, "ResourceNotFoundException", "AccessDeniedException")) throw error;
      throw new CausewayError("SecretMissing", `There is no such secret. ${cure}`, { cause: error });
    }
    const parsed = secretSchema.safeParse(parseJson(text));
    if (!parsed.success) {
      const fields = parsed.error.issues.map((issue) => issue.path.join(".") || "the whole").join(", ");
      throw new CausewayError("SecretMissing", `The secret is not as it must be: ${fields} is wrong. ${cure}`);
    }
    const { username, password, tls, certificate } = parsed.data;
    if (tls === "off") return { username, password, tls: { mode: "off" } };
    return {
      username,
      password,
      tls: certificate === undefined ? { mode: "rds" } : { mode: "authority", certificate },
    };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
