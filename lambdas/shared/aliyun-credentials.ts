// Aliyun's key pair from Secrets Manager: read at first use, read again when it is old or no longer accepted.
import { GetSecretValueCommand, type SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import * as z from "zod";
import { namedError } from "./aws-errors.ts";
import { CausewayError, isErrorNamed } from "./errors.ts";

const credentialsSchema = z.object({
  accessKeyId: z.string().min(1),
  accessKeySecret: z.string().min(1),
  securityToken: z.string().min(1).optional(),
});

export type AliyunCredentials = z.infer<typeof credentialsSchema>;

export interface AliyunCredentialsSource {
  read(): Promise<AliyunCredentials>;
  /** The vendor refused the last ones: the next read asks Secrets Manager again. */
  forget(): void;
}

/** A rotation is picked up within this time even while the old pair still works. */
const keptMilliseconds = 5 * 60_000;

export function aliyunCredentials(
  client: SecretsManagerClient,
  secretId: string,
  now: () => number = Date.now,
): AliyunCredentialsSource {
  let kept: { readonly value: AliyunCredentials; readonly until: number } | undefined;
  return {
    async read() {
      if (kept && now() < kept.until) return kept.value;
      kept = { value: await fetchCredentials(client, secretId), until: now() + keptMilliseconds };
      return kept.value;
    },
    forget() {
      kept = undefined;
    },
  };
}

async function fetchCredentials(client: SecretsManagerClient, secretId: string): Promise<AliyunCredentials> {
  const cure = `Put it with: npx causeway secrets set ${secretId.split("/").at(-1)}`;
  let text: string | undefined;
  try {
    text = (await client.send(new GetSecretValueCommand({ SecretId: secretId }))).SecretString;
  } catch (error) {
    // The right is on names with a suffix, which only a secret that exists has: a missing one is refused, not unknown.
    // Anything else is named here, or it would look like an answer of Aliyun's.
    if (!isErrorNamed(error, "ResourceNotFoundException", "AccessDeniedException")) throw namedError(error);
    throw new CausewayError("SecretMissing", `There is no secret ${secretId}. ${cure}`, { cause: error });
  }
  const parsed = credentialsSchema.safeParse(parseJson(text ?? ""));
  if (parsed.success) return parsed.data;
  // The value itself stays out of the message.
  const fields = parsed.error.issues.map((issue) => issue.path.join(".") || "the whole").join(", ");
  throw new CausewayError(
    "SecretMissing",
    `The secret ${secretId} is not {accessKeyId, accessKeySecret}: ${fields} is wrong. ${cure}`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
