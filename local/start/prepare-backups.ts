// What the run will find: sample backups and the user's files on the Aliyun stand-in, and the key pair in its secret.
import path from "node:path";
import { CreateSecretCommand, PutSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { LocalCloud } from "../cloud.ts";
import { registerFile } from "../samples/register-file.ts";
import { registerSamples } from "../samples/register-samples.ts";
import type { StartOptions } from "./options.ts";
import { stage } from "./synthesise.ts";

export async function prepareBackups(cloud: LocalCloud, options: StartOptions): Promise<void> {
  const directory = path.join(options.stateDirectory, "samples");
  await registerSamples(cloud.aliyun, { directory, sizeBytes: options.sizeBytes });
  for (const file of options.backups) await registerFile(cloud.aliyun, file);
}

/** The stand-in's key pair, where the functions look for Aliyun's. */
export async function putSecret(cloud: LocalCloud): Promise<void> {
  const client = new SecretsManagerClient(cloud.clientConfig());
  const name = `/${stage}/replication/aliyun`;
  const value = JSON.stringify(cloud.aliyunCredentials);
  try {
    await client.send(new PutSecretValueCommand({ SecretId: name, SecretString: value }));
  } catch (error) {
    if (!(error instanceof Error && error.name === "ResourceNotFoundException")) throw error;
    await client.send(new CreateSecretCommand({ Name: name, SecretString: value }));
  }
}
