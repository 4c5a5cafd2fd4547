// A process of the mirror benchmark: serves AWS (the stage's data stack: S3, DynamoDB, KMS, events) or OSS, and tells the
// parent where. Both are the local cloud's own, with their checks.
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { startOss } from "../../local/aliyun-oss/aliyun-oss.ts";
import { bootCloud } from "../../local/cloud.ts";
import { Clock } from "../../local/rig/clock.ts";
import { Faults } from "../../local/rig/faults.ts";

export interface KeyPair {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
}

export type FarEnd =
  | { readonly role: "aws"; readonly stateDirectory: string; readonly assemblyDirectory: string; readonly oss: KeyPair }
  | { readonly role: "oss"; readonly stateDirectory: string; readonly oss: KeyPair };

export interface FarEndAddress {
  readonly url: string;
  readonly region: string;
  readonly keys: KeyPair;
  /** Of AWS: the data stack's outputs by their names. */
  readonly outputs: Readonly<Record<string, string>>;
}

export const ossBucket = "bench-mirror";
export const ossSecretId = "bench/aliyun-oss";

const outputNames = ["BackupsBucketName", "WorkBucketName", "MirrorTableName", "JobsTableName", "PartLedgerTableName"];

async function serveAws({ stateDirectory, assemblyDirectory, oss }: FarEnd & { role: "aws" }): Promise<FarEndAddress> {
  const cloud = await bootCloud({ assemblyDirectory, stateDirectory, onlyStacks: ["data"] });
  const secrets = new SecretsManagerClient(cloud.clientConfig());
  await secrets.send(new CreateSecretCommand({ Name: ossSecretId, SecretString: JSON.stringify(oss) }));
  const { accessKeyId, secretAccessKey: accessKeySecret } = cloud.operator;
  const names = [...outputNames, "EventBusName", "ReceiptSigningKeyAlias"];
  const outputs = Object.fromEntries(names.map((name) => [name, cloud.output(name)]));
  return { url: cloud.url, region: cloud.region, keys: { accessKeyId, accessKeySecret }, outputs };
}

async function serveOss({ stateDirectory, oss }: FarEnd): Promise<FarEndAddress> {
  const standIn = await startOss({ clock: new Clock(), faults: new Faults(), stateDirectory, credentials: oss });
  standIn.ensureBucket(ossBucket);
  return { url: standIn.url, region: "oss-cn-hangzhou", keys: oss, outputs: {} };
}

process.once("message", (farEnd: FarEnd) => {
  (farEnd.role === "aws" ? serveAws(farEnd) : serveOss(farEnd)).then(
    (address) => process.send?.(address),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
// Nobody is left to serve when the parent has gone, however it went.
process.once("disconnect", () => process.exit(0));
