// The mirror on the local cloud, for one test: real templates, bundles, queue, workflow and SDKs, and OSS's stand-in.
import { createPublicKey, verify } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { GetPublicKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { CreateSecretCommand, PutSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { DescribeExecutionCommand, ListExecutionsCommand, SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import { GetQueueAttributesCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import OSS from "ali-oss";
import { expect } from "vitest";
import { crc64Xz } from "../../lambdas/replication/checksums/crc64.ts";
import type { MirrorItem } from "../../lambdas/replication/mirror/mirror-item.ts";
import { MirrorStore } from "../../lambdas/replication/mirror.store.ts";
import {
  canonicalJson,
  type MirrorReceipt,
  receiptKeyOf,
  type SignedReceipt,
  signedMirrorReceiptSchema,
} from "../../lambdas/replication/receipt.ts";
import { ossTransport } from "../../lambdas/replication/targets/oss-transport.ts";
import { JobsStore } from "../../lambdas/shared/jobs.store.ts";
import type { JobView } from "../../lambdas/shared/jobs.ts";
import { bootCloud, type LocalCloud } from "../../local/cloud.ts";
import { Clock } from "../../local/rig/clock.ts";
import { type FaultRule, Faults } from "../../local/rig/faults.ts";
import { stopSchedules } from "../stop-schedules.ts";
import { testAssembly } from "../test-assembly.ts";

export const ossBucket = "acme-iotdb";
const instanceId = "rm-bp1mirror";

export interface MirrorRigOptions {
  readonly faults?: readonly FaultRule[];
  /** Objects from this size on go the way of the workflow. Default 250,000 bytes: three parts of OSS's smallest size. */
  readonly largeObjectBytes?: number;
  readonly seed?: number;
  /** Another app than that of the stage local. */
  readonly assemblyDirectory?: string;
}

/** What the mirror's key pair is allowed at Aliyun, as the README tells it: nothing that deletes. */
export const ramPolicy = [
  {
    Effect: "Allow",
    Action: ["oss:PutObject", "oss:GetObject", "oss:ListParts", "oss:AbortMultipartUpload"],
    Resource: `acs:oss:*:*:${ossBucket}/iotdb-backup/*`,
  },
  { Effect: "Allow", Action: ["oss:ListMultipartUploads"], Resource: `acs:oss:*:*:${ossBucket}` },
] as const;

/** What takes longer hangs. */
const longestWaitMilliseconds = 100_000;

export class MirrorRig {
  readonly faults: Faults;
  readonly clock: Clock;
  readonly cloud: LocalCloud;
  readonly s3: S3Client;
  readonly states: SFNClient;
  readonly sqs: SQSClient;
  readonly secrets: SecretsManagerClient;
  readonly store: MirrorStore;
  readonly #documents: DynamoDBDocumentClient;
  readonly #folder: string;
  #backups = 0;

  private constructor(cloud: LocalCloud, folder: string, clock: Clock, faults: Faults) {
    this.cloud = cloud;
    this.#folder = folder;
    this.clock = clock;
    this.faults = faults;
    const config = cloud.clientConfig();
    this.s3 = new S3Client(config);
    this.states = new SFNClient(config);
    this.sqs = new SQSClient(config);
    this.secrets = new SecretsManagerClient(config);
    this.#documents = DynamoDBDocumentClient.from(new DynamoDBClient(config));
    this.store = new MirrorStore(this.#documents, cloud.output("MirrorTableName"));
  }

  static async start(options: MirrorRigOptions = {}): Promise<MirrorRig> {
    const folder = mkdtempSync(path.join(tmpdir(), "causeway-mirror-"));
    const faults = new Faults(options.seed ?? 1);
    const clock = new Clock({ skipIdle: true });
    const cloud = await bootCloud({
      assemblyDirectory: options.assemblyDirectory ?? testAssembly,
      stateDirectory: folder,
      clock,
      faults,
      port: 0,
      smallestPartBytes: 65_536,
      ossBuckets: [ossBucket],
      parameters: { MirrorLargeObjectBytes: String(options.largeObjectBytes ?? 250_000) },
    });
    const rig = new MirrorRig(cloud, folder, clock, faults);
    for (const [name, pair] of [
      ["aliyun", cloud.aliyunCredentials],
      [
        "aliyun-oss",
        cloud.oss.issueKey(ramPolicy.map((statement) => ({ ...statement, Action: [...statement.Action] }))),
      ],
    ] as const) {
      const secret = { Name: `/local/replication/${name}`, SecretString: JSON.stringify(pair) };
      await rig.secrets.send(new CreateSecretCommand(secret));
    }
    cloud.aliyun.ensureInstance({ instanceId, engine: "MySQL", engineVersion: "8.0", description: "test" });
    await rig.#quietenOthers();
    faults.add(...(options.faults ?? []));
    return rig;
  }

  /** What other rooms and workflows do of themselves, and what is done by the hour, only takes time here. */
  async #quietenOthers(): Promise<void> {
    const { eventSources, eventBridge, resources } = this.cloud;
    for (const { functionName } of eventSources.list()) {
      if (!/Mirror(Objects|Deletes)/.test(functionName)) eventSources.disable(functionName);
    }
    for (const { type, logicalId, physicalName, properties } of resources) {
      if (type !== "AWS::Events::Rule" || logicalId.startsWith("Mirror")) continue;
      const busName = String(properties.EventBusName ?? "default");
      const nothing = { eventPattern: { source: ["nobody"] }, targets: [] };
      eventBridge.putRule({ name: physicalName, busName, state: "DISABLED", ...nothing });
    }
    await stopSchedules(this.cloud);
  }

  get bucket(): string {
    return this.cloud.output("BackupsBucketName");
  }

  /** Its version's id. */
  async put(key: string, body: Buffer | string): Promise<string> {
    const Body = Buffer.from(body);
    const answer = await this.s3.send(new PutObjectCommand({ Bucket: this.bucket, Key: key, Body }));
    return answer.VersionId ?? "";
  }

  /** An object as the copy of a backup leaves it, with the copy's receipt; and its event. */
  async putCopied(key: string, bytes: Buffer): Promise<string> {
    const mark = `mark-${key.length}`;
    const { VersionId: versionId = "" } = await this.s3.send(
      new PutObjectCommand({ Bucket: this.bucket, Key: key, Body: bytes, Metadata: { "causeway-upload": mark } }),
    );
    const receipt = copyReceipt(key, versionId, bytes);
    await this.put(receiptKeyOf({ key, uploadMark: mark }), JSON.stringify(receipt));
    await this.send({ sourceKey: key });
    return versionId;
  }

  async delete(key: string): Promise<void> {
    await this.s3.send(new DeleteObjectCommand({ Bucket: this.bucket, Key: key }));
  }

  async rotate(pair: object): Promise<void> {
    const value = { SecretId: "/local/replication/aliyun-oss", SecretString: JSON.stringify(pair) };
    await this.secrets.send(new PutSecretValueCommand(value));
  }

  item(sourceKey: string): Promise<MirrorItem | undefined> {
    return this.store.read(sourceKey);
  }

  /** Copies a backup from Aliyun RDS to S3; its key there, and the CRC-64 that Aliyun states. */
  async copyBackup(sizeBytes: number): Promise<{ key: string; crc64: string }> {
    this.#backups += 1;
    const backupId = String(7_000_000 + this.#backups);
    await this.cloud.aliyun.addBackup({
      instanceId,
      backupId,
      startedAt: this.clock.now() - 3_600_000 - this.#backups * 1000,
      content: { seed: this.#backups, sizeBytes },
    });
    const stateMachineArn = this.cloud.output("ReplicateBackupsArn");
    const input = JSON.stringify({ backupIds: [backupId] });
    const { executionArn = "" } = await this.states.send(new StartExecutionCommand({ stateMachineArn, input }));
    await this.until("the copy", async () => {
      const { status } = await this.states.send(new DescribeExecutionCommand({ executionArn }));
      return status === "SUCCEEDED" ? true : undefined;
    });
    const { Item } = await this.#documents.send(
      new GetCommand({
        TableName: this.cloud.output("CopiesTableName"),
        Key: { copyId: `aliyun-rds:${instanceId}:${backupId}` },
      }),
    );
    return { key: String(Item?.key), crc64: String(Item?.result.crc64) };
  }

  /** Waits until nothing of the key waits any more, and this version is the mirrored one. */
  async mirrored(sourceKey: string, versionId: string): Promise<MirrorItem> {
    return this.until(`${versionId} of ${sourceKey} mirrored`, async () => {
      const item = await this.item(sourceKey);
      const isSettled = item !== undefined && item.waitingSince === undefined && item.lease === undefined;
      return isSettled && item.mirrored?.versionId === versionId ? item : undefined;
    });
  }

  async until<Found>(what: string, look: () => Promise<Found | undefined>): Promise<Found> {
    const until = Date.now() + longestWaitMilliseconds;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > until) throw new Error(`not within ${longestWaitMilliseconds} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  oss(): OSS {
    const { endpoint, credentials } = this.cloud.oss;
    const options = { endpoint: `http://${endpoint}`, sldEnable: true, bucket: ossBucket, authorizationV4: true };
    // Its own way of sending resolves the segments "." and ".." of a key.
    const urllib = ossTransport();
    const amendTimeSkewed = Math.round(this.clock.now() - Date.now());
    return new OSS({
      ...options,
      region: "oss-cn-hangzhou",
      ...credentials,
      ...({ urllib, amendTimeSkewed } as object),
    });
  }

  /** Where the test's clock jumps while a request is under way, the request is signed anew, and arrives in time. */
  async askOss<Answer>(ask: (oss: OSS) => Promise<Answer>, attempts = 5): Promise<Answer> {
    try {
      return await ask(this.oss());
    } catch (error) {
      const { code, name, status } = error as { code?: string; name?: string; status?: number };
      // An answer to HEAD has no body that could say so.
      const isLate = code === "RequestTimeTooSkewed" || (name === "UnknownError" && status === 403);
      if (isLate && attempts > 1) return this.askOss(ask, attempts - 1);
      throw error;
    }
  }

  /** Undefined where OSS has no such object. */
  async ossBytes(targetKey: string): Promise<Buffer | undefined> {
    try {
      return (await this.askOss((oss) => oss.get(targetKey))).content as Buffer;
    } catch (error) {
      if ((error as { code?: string }).code === "NoSuchKey") return undefined;
      throw error;
    }
  }

  /** OSS holds these bytes, and both sides say so: the item, the header of OSS, and nothing half-done is left. */
  async expectInOss(sourceKey: string, bytes: Buffer): Promise<void> {
    const present = await this.ossBytes(`iotdb-backup/${sourceKey}`);
    expect(present?.equals(bytes), `the bytes of ${sourceKey} in OSS are those of S3`).toBe(true);
    const head = await this.askOss((oss) => oss.head(`iotdb-backup/${sourceKey}`));
    const headers = (head.res as { headers: Record<string, string> }).headers;
    const item = await this.item(sourceKey);
    expect(item?.mirrored).toMatchObject({ bytes: bytes.length, crc64: headers["x-oss-hash-crc64ecma"] });
    expect(headers["x-oss-server-side-encryption"]).toBe("AES256");
    const { uploads } = await this.askOss((oss) => oss.listUploads({ "max-uploads": 100 }));
    expect(uploads, "unfinished uploads in OSS").toEqual([]);
  }

  /** Executions of the workflow, the newest first. */
  async runs(): Promise<{ executionArn: string; name: string; status: string }[]> {
    const stateMachineArn = this.cloud.output("MirrorObjectArn");
    const { executions } = await this.states.send(new ListExecutionsCommand({ stateMachineArn }));
    return (executions ?? []).map(({ executionArn = "", name = "", status = "" }) => ({ executionArn, name, status }));
  }

  async runEnded(executionArn: string): Promise<{ status: string; error: string | undefined; job: JobView }> {
    const { status = "", error } = await this.until(`${executionArn} ended`, async () => {
      const described = await this.states.send(new DescribeExecutionCommand({ executionArn }));
      return described.status === "RUNNING" ? undefined : described;
    });
    const jobs = new JobsStore(this.#documents, this.cloud.output("JobsTableName"));
    const job = await jobs.view(executionArn.split(":").at(-1) ?? "", this.clock.now());
    if (job === undefined) throw new Error(`There is no job of ${executionArn}.`);
    return { status, error, job };
  }

  /** A message in the mirror's queue. */
  async send(message: object | string): Promise<void> {
    const MessageBody = typeof message === "string" ? message : JSON.stringify(message);
    await this.sqs.send(new SendMessageCommand({ QueueUrl: this.cloud.output("MirrorQueueUrl"), MessageBody }));
  }

  /** Messages that are visible in the dead-letter queue. */
  async deadLetters(): Promise<number> {
    const { Attributes } = await this.sqs.send(
      new GetQueueAttributesCommand({
        QueueUrl: this.cloud.output("MirrorDeadLetterQueueUrl"),
        AttributeNames: ["ApproximateNumberOfMessages"],
      }),
    );
    return Number(Attributes?.ApproximateNumberOfMessages ?? 0);
  }

  async keys(prefix: string): Promise<string[]> {
    const { Contents } = await this.s3.send(new ListObjectsV2Command({ Bucket: this.bucket, Prefix: prefix }));
    return (Contents ?? []).map(({ Key }) => Key ?? "");
  }

  /** Reads a receipt of the mirror and checks its signature with the public half of the key. */
  async receipt(key: string): Promise<MirrorReceipt> {
    const { receipt, signature } = signedMirrorReceiptSchema.parse(JSON.parse(await this.text(key)));
    const kms = new KMSClient(this.cloud.clientConfig());
    const { PublicKey } = await kms.send(new GetPublicKeyCommand({ KeyId: signature.keyId }));
    const publicKey = createPublicKey({ key: Buffer.from(PublicKey ?? []), format: "der", type: "spki" });
    const value = Buffer.from(signature.value, "base64");
    expect(verify("sha256", Buffer.from(canonicalJson(receipt)), publicKey, value), "the receipt's signature").toBe(
      true,
    );
    return receipt;
  }

  /** The text of an object in S3. */
  async text(key: string): Promise<string> {
    const answer = await this.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key: key }));
    return (await answer.Body?.transformToString()) ?? "";
  }

  async close(): Promise<void> {
    await this.cloud.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function copyReceipt(key: string, versionId: string, bytes: Buffer): SignedReceipt {
  const running = crc64Xz.start();
  running.update(bytes);
  const crc64 = crc64Xz.format(running.digest());
  const at = "2026-11-20T12:00:00.000Z";
  const source = {
    ...{ kind: "aliyun-rds", instanceId, backupId: "1", engine: "mysql", fileName: "x", startedAt: at, etag: null },
    ...{ instanceDeleted: false, sizeBytes: bytes.length, inventoryCrc64: crc64, headerCrc64: null },
  };
  const target = {
    ...({ kind: "s3", checksumAlgorithm: "CRC64NVME", checksumType: "FULL_OBJECT" } as const),
    ...{ bucket: "b", key, versionId, sizeBytes: bytes.length, etag: "e", checksum: "" },
  };
  const proof = { class: "source-checksum", verified: true, crc64, sentence: "" } as const;
  const parts = { count: 1, bytes: bytes.length, rangesPerPart: 1 };
  const times = { plannedAt: at, completedAt: at, seconds: 1, bytesPerSecond: 1 };
  const ids = { format: "causeway/copy-receipt/1", copyId: `aliyun-rds:${instanceId}:1`, executionArn: "arn" } as const;
  return {
    receipt: { ...ids, source, target, proof, restorability: "physical", parts, ...times },
    signature: { keyId: "k", algorithm: "ECDSA_SHA_256", sha256: "", value: "" },
  };
}

/** Bytes that repeat nowhere near, the same for the same seed. */
export function someBytes(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed >>> 0 || 1;
  for (let offset = 0; offset < length; offset += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[offset] = state >>> 24;
  }
  return bytes;
}
