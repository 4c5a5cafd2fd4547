// The whole of replication on the local cloud, for one test: real templates, bundles, state machine and SDKs.
import { createPublicKey, verify } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { GetPublicKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import {
  DescribeExecutionCommand,
  type DescribeExecutionOutput,
  SFNClient,
  StartExecutionCommand,
} from "@aws-sdk/client-sfn";
import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import { expect } from "vitest";
import type { Copy } from "../../lambdas/replication/copy.ts";
import {
  canonicalJson,
  receiptDigest,
  type SignedReceipt,
  signedReceiptSchema,
} from "../../lambdas/replication/receipt.ts";
import { JobsStore } from "../../lambdas/shared/jobs.store.ts";
import type { JobView } from "../../lambdas/shared/jobs.ts";
import type { Backup, NewBackup } from "../../local/aliyun-rds/catalogue.ts";
import { bootCloud, type LocalCloud } from "../../local/cloud.ts";
import { Clock } from "../../local/rig/clock.ts";
import { type FaultRule, Faults } from "../../local/rig/faults.ts";
import { stopSchedules } from "../stop-schedules.ts";
import { testAssembly } from "../test-assembly.ts";

export const testInstance = "rm-bp1test";

export interface RigOptions {
  readonly seed?: number;
  readonly faults?: readonly FaultRule[];
  /** Small parts make small backups have many of them. Default 64 KiB. */
  readonly smallestPartBytes?: number;
  readonly linkSeconds?: number;
  readonly aliyunPorts?: { readonly rpc: number; readonly download: number };
  /** Default: waits are skipped. */
  readonly clock?: Clock;
}

export interface Run {
  readonly executionArn: string;
  readonly runId: string;
  readonly status: string;
  readonly error: string | undefined;
  readonly cause: string | undefined;
  readonly job: JobView;
}

interface Connected {
  readonly cloud: LocalCloud;
  readonly s3: S3Client;
  readonly states: SFNClient;
  readonly kms: KMSClient;
  readonly documents: DynamoDBDocumentClient;
}

async function connect(options: RigOptions, faults: Faults, clock: Clock, folder: string): Promise<Connected> {
  const cloud = await bootCloud({
    assemblyDirectory: testAssembly,
    // A clock that skips hours would call the schedules of other rooms for every minute of them.
    onlyStacks: ["data", "replication"],
    stateDirectory: folder,
    clock,
    faults,
    port: 0,
    smallestPartBytes: options.smallestPartBytes ?? 65_536,
    ...(options.linkSeconds === undefined ? {} : { aliyunLinkSeconds: options.linkSeconds }),
    ...(options.aliyunPorts === undefined ? {} : { aliyunPorts: options.aliyunPorts }),
  });
  cloud.aliyun.ensureInstance({ instanceId: testInstance, engine: "MySQL", engineVersion: "8.0", description: "test" });
  // What is copied here is mirrored nowhere: the mirror has a rig of its own, and there is no key pair for OSS.
  for (const { functionName } of cloud.eventSources.list()) {
    if (functionName.includes("MirrorObjects")) cloud.eventSources.disable(functionName);
  }
  await stopSchedules(cloud);
  const config = cloud.clientConfig();
  return {
    cloud,
    s3: new S3Client(config),
    states: new SFNClient(config),
    kms: new KMSClient(config),
    documents: DynamoDBDocumentClient.from(new DynamoDBClient(config)),
  };
}

/** A run that takes longer hangs. */
const longestRunMilliseconds = 500_000;

export class ReplicationRig {
  readonly faults: Faults;
  readonly clock: Clock;
  readonly #options: RigOptions;
  readonly #folder: string;
  readonly #firstBackupAt: number;
  #backups = 0;
  #connected: Connected;

  private constructor(options: RigOptions, faults: Faults, clock: Clock, folder: string, connected: Connected) {
    this.#options = options;
    this.faults = faults;
    this.clock = clock;
    this.#folder = folder;
    this.#connected = connected;
    // A second apart each, for the stand-in names files by the second.
    this.#firstBackupAt = clock.now() - 3_600_000;
  }

  static async start(options: RigOptions = {}): Promise<ReplicationRig> {
    const folder = mkdtempSync(path.join(tmpdir(), "causeway-rig-"));
    const faults = new Faults(options.seed ?? 1);
    const clock = options.clock ?? new Clock({ skipIdle: true });
    const connected = await connect(options, faults, clock, folder);
    const { cloud } = connected;
    const secret = { Name: "/local/replication/aliyun", SecretString: JSON.stringify(cloud.aliyunCredentials) };
    await new SecretsManagerClient(cloud.clientConfig()).send(new CreateSecretCommand(secret));
    faults.add(...(options.faults ?? []));
    return new ReplicationRig(options, faults, clock, folder, connected);
  }

  /** Ends the local cloud and boots it again on the same data. Backups must be added to the stand-in anew. */
  async restart(): Promise<void> {
    const { rpcEndpoint, downloadUrl } = this.cloud.aliyun;
    const aliyunPorts = { rpc: Number(rpcEndpoint.split(":")[1]), download: Number(new URL(downloadUrl).port) };
    await this.cloud.close();
    this.#connected = await connect({ ...this.#options, aliyunPorts }, this.faults, this.clock, this.#folder);
  }

  get cloud(): LocalCloud {
    return this.#connected.cloud;
  }

  get s3(): S3Client {
    return this.#connected.s3;
  }

  get states(): SFNClient {
    return this.#connected.states;
  }

  get #documents(): DynamoDBDocumentClient {
    return this.#connected.documents;
  }

  get #kms(): KMSClient {
    return this.#connected.kms;
  }

  /** A backup of seeded bytes, an hour old or somewhat more; anything may be given otherwise. */
  addBackup(backup: Partial<NewBackup> & { sizeBytes?: number } = {}): Promise<Backup> {
    this.#backups += 1;
    const { sizeBytes = 400_000, ...rest } = backup;
    return this.cloud.aliyun.addBackup({
      instanceId: testInstance,
      backupId: String(9_000_000 + this.#backups),
      startedAt: this.#firstBackupAt - this.#backups * 1000,
      content: { seed: this.#backups, sizeBytes },
      ...rest,
    });
  }

  async start(input: object = {}, name?: string): Promise<string> {
    const answer = await this.states.send(
      new StartExecutionCommand({
        stateMachineArn: this.cloud.output("ReplicateBackupsArn"),
        input: JSON.stringify(input),
        ...(name === undefined ? {} : { name }),
      }),
    );
    return answer.executionArn ?? "";
  }

  async run(input: object = {}): Promise<Run> {
    return this.waitFor(await this.start(input));
  }

  async waitFor(executionArn: string): Promise<Run> {
    const until = Date.now() + longestRunMilliseconds;
    let described: DescribeExecutionOutput;
    for (;;) {
      described = await this.states.send(new DescribeExecutionCommand({ executionArn }));
      if (described.status !== "RUNNING") break;
      if (Date.now() > until) throw new Error(`${executionArn} still runs after ${longestRunMilliseconds} ms`);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    const runId = executionArn.split(":").at(-1) ?? "";
    const job = await this.job(runId);
    const { status = "", error, cause } = described;
    return { executionArn, runId, status, error, cause, job };
  }

  async job(runId: string): Promise<JobView> {
    const view = await new JobsStore(this.#documents, this.cloud.output("JobsTableName")).view(runId, this.clock.now());
    if (!view) throw new Error(`There is no job ${runId}.`);
    return view;
  }

  async copy(backup: Pick<Backup, "instanceId" | "backupId">): Promise<Copy | undefined> {
    const answer = await this.#documents.send(
      new GetCommand({
        TableName: this.cloud.output("CopiesTableName"),
        Key: { copyId: `aliyun-rds:${backup.instanceId}:${backup.backupId}` },
        ConsistentRead: true,
      }),
    );
    return answer.Item as Copy | undefined;
  }

  get bucket(): string {
    return this.cloud.output("BackupsBucketName");
  }

  /** Every byte is in S3 as at the source, the receipt says so and is signed, and nothing half-done is left. */
  async expectCopied(backup: Backup, expected: Buffer): Promise<SignedReceipt> {
    const copy = await this.copy(backup);
    expect(copy?.state, JSON.stringify(copy?.lastError)).toMatch(/^(verified|copied-unverified)$/);
    expect(copy?.claim).toBeUndefined();
    expect(copy?.link).toBeUndefined();
    const result = copy?.result;
    if (!result) throw new Error("a copied backup has a result");
    const object = await this.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key: result.key }));
    const bytes = Buffer.from((await object.Body?.transformToByteArray()) ?? []);
    expect(bytes.equals(expected), "the bytes in S3 are the source's").toBe(true);

    const document = await this.receipt(result.receiptKey);
    expect(document.receipt.target).toMatchObject({ key: result.key, sizeBytes: expected.length });
    const head = await this.s3.send(
      new HeadObjectCommand({ Bucket: this.bucket, Key: result.key, ChecksumMode: "ENABLED" }),
    );
    expect(document.receipt.target.checksum).toBe(head.ChecksumCRC64NVME);
    expect(document.receipt.proof.verified).toBe(copy.state === "verified");
    await this.expectNothingUnfinished();
    return document;
  }

  /** Reads a receipt and checks its signature with the public half of the key. */
  async receipt(key: string): Promise<SignedReceipt> {
    const answer = await this.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key: key }));
    const document = signedReceiptSchema.parse(JSON.parse((await answer.Body?.transformToString()) ?? ""));
    const { receipt, signature } = document;
    expect(receiptDigest(receipt).toString("hex")).toBe(signature.sha256);
    const { PublicKey } = await this.#kms.send(new GetPublicKeyCommand({ KeyId: signature.keyId }));
    const publicKey = createPublicKey({ key: Buffer.from(PublicKey ?? []), format: "der", type: "spki" });
    const signed = verify(
      "sha256",
      Buffer.from(canonicalJson(receipt)),
      publicKey,
      Buffer.from(signature.value, "base64"),
    );
    expect(signed, "the receipt's signature").toBe(true);
    return document;
  }

  /** Parts of unfinished uploads that S3 holds. */
  async partsInS3(): Promise<number> {
    const { Uploads } = await this.s3.send(new ListMultipartUploadsCommand({ Bucket: this.bucket }));
    let parts = 0;
    for (const { Key, UploadId } of Uploads ?? []) {
      const listed = await this.s3.send(new ListPartsCommand({ Bucket: this.bucket, Key, UploadId }));
      parts += listed.Parts?.length ?? 0;
    }
    return parts;
  }

  async expectNothingUnfinished(): Promise<void> {
    const { Uploads } = await this.s3.send(new ListMultipartUploadsCommand({ Bucket: this.bucket }));
    expect(Uploads ?? [], "unfinished uploads").toEqual([]);
  }

  /** Keys of backups and receipts in the bucket. */
  async keys(): Promise<string[]> {
    const { Contents } = await this.s3.send(new ListObjectsV2Command({ Bucket: this.bucket }));
    return (Contents ?? []).map((object) => object.Key ?? "");
  }

  async close(): Promise<void> {
    await this.cloud.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
