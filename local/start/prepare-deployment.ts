// What an operator does after a deployment: puts the secrets, here the stand-ins' own, and has SES verify the senders.
import { randomBytes } from "node:crypto";
import { CreateSecretCommand, PutSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import * as z from "zod";
import type { LocalCloud } from "../cloud.ts";
import { stage } from "./synthesise.ts";

const metricsTokenName = `/${stage}/console/metrics-token`;

/** At every start: keys and addresses are the same at the same state folder and ports, and others at others. */
export async function prepareDeployment(cloud: LocalCloud): Promise<void> {
  const client = new SecretsManagerClient(cloud.clientConfig());
  const { accessKeyId, accessKeySecret } = cloud.oss.credentials;
  await put(client, `/${stage}/replication/aliyun`, JSON.stringify(cloud.aliyunCredentials));
  await put(client, `/${stage}/replication/aliyun-oss`, JSON.stringify({ accessKeyId, accessKeySecret }));
  await put(client, `/${stage}/alerts/wecom`, JSON.stringify({ url: cloud.wecom.webhookUrl() }));
  await putOnce(client, metricsTokenName, randomBytes(24).toString("base64url"));
  for (const sender of sendersOf(cloud)) cloud.ses.verify(sender);
}

const channelsSchema = z.array(z.object({ from: z.string().optional() }));

/** Of the stage's e-mail channels, as the function that delivers is told them. */
function sendersOf(cloud: LocalCloud): string[] {
  const { Environment } = cloud.resource("DeliverAlerts/Function").properties;
  const { Variables } = z.object({ Variables: z.object({ CHANNELS: z.string() }) }).parse(Environment);
  return channelsSchema.parse(JSON.parse(Variables.CHANNELS)).flatMap(({ from }) => from ?? []);
}

async function put(client: SecretsManagerClient, name: string, value: string): Promise<void> {
  try {
    await client.send(new PutSecretValueCommand({ SecretId: name, SecretString: value }));
  } catch (error) {
    if (!(error instanceof Error && error.name === "ResourceNotFoundException")) throw error;
    await client.send(new CreateSecretCommand({ Name: name, SecretString: value }));
  }
}

/** A monitoring system that was given the value keeps it over restarts. */
async function putOnce(client: SecretsManagerClient, name: string, value: string): Promise<void> {
  try {
    await client.send(new CreateSecretCommand({ Name: name, SecretString: value }));
  } catch (error) {
    if (!(error instanceof Error && error.name === "ResourceExistsException")) throw error;
  }
}
