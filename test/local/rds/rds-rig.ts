// RDS behind a real gateway, with the real S3, KMS and permission check that its exports lean on.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  DescribeExportTasksCommand,
  type ExportTask,
  RDSClient,
  StartExportTaskCommand,
  type StartExportTaskMessage,
} from "@aws-sdk/client-rds";
import { GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { expect } from "vitest";
import { serviceDirectory } from "../../../local/cloud-services.ts";
import { type Gateway, startGateway } from "../../../local/gateway/gateway.ts";
import type { Principal, ServiceContext } from "../../../local/gateway/service.ts";
import { Iam } from "../../../local/iam/iam.ts";
import type { PolicyStatement } from "../../../local/iam/policy-document.ts";
import { createKmsService } from "../../../local/kms/kms.ts";
import type { ExportPace } from "../../../local/rds/export-runner.ts";
import { createRdsService, type RdsService } from "../../../local/rds/rds-service.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";
import { createS3Service } from "../../../local/s3/s3-service.ts";

export const region = "eu-central-1";
export const accountId = "111122223333";
export const noon = Date.parse("2026-11-20T12:00:00Z");
export const bucket = "exports";
const arn = (service: string, rest: string) => `arn:aws:${service}:${region}:${accountId}:${rest}`;
export const snapshotArn = (id: string) => arn("rds", `snapshot:${id}`);
export const exportRoleArn = `arn:aws:iam::${accountId}:role/export`;
export const callerRoleArn = `arn:aws:iam::${accountId}:role/caller`;

export interface RigOptions {
  readonly pace?: ExportPace;
  /** Default: waits are skipped. */
  readonly clock?: Clock;
  /** Where S3 says that the bucket is. */
  readonly bucketRegion?: string;
  /** Of the export's role; the default is what the README of such a role says, and no more. */
  readonly trust?: PolicyStatement;
  readonly exportStatements?: (keyArn: string) => PolicyStatement[];
  readonly callerStatements?: (keyArn: string) => PolicyStatement[];
}

export const goodTrust: PolicyStatement = {
  Effect: "Allow",
  Action: "sts:AssumeRole",
  Principal: { Service: "export.rds.amazonaws.com" },
  Condition: {
    StringEquals: { "aws:SourceAccount": accountId },
    ArnLike: { "aws:SourceArn": `arn:aws:rds:${region}:${accountId}:*` },
  },
};

export const goodExportStatements = (keyArn: string): PolicyStatement[] => [
  { Effect: "Allow", Action: ["s3:GetBucketLocation", "s3:ListBucket"], Resource: `arn:aws:s3:::${bucket}` },
  {
    Effect: "Allow",
    Action: ["s3:PutObject*", "s3:GetObject*", "s3:DeleteObject*"],
    Resource: `arn:aws:s3:::${bucket}/mysql/*`,
  },
  { Effect: "Allow", Action: ["kms:GenerateDataKey*", "kms:Encrypt", "kms:Decrypt"], Resource: keyArn },
];

export const goodCallerStatements = (keyArn: string): PolicyStatement[] => [
  { Effect: "Allow", Action: ["rds:Describe*", "rds:CancelExportTask"], Resource: "*" },
  { Effect: "Allow", Action: "rds:StartExportTask", Resource: arn("rds", "snapshot:*") },
  {
    Effect: "Allow",
    Action: "iam:PassRole",
    Resource: exportRoleArn,
    Condition: { StringEquals: { "iam:PassedToService": "export.rds.amazonaws.com" } },
  },
  {
    Effect: "Allow",
    Action: ["kms:DescribeKey", "kms:CreateGrant"],
    Resource: keyArn,
    Condition: { StringEquals: { "kms:ViaService": `rds.${region}.amazonaws.com` } },
  },
];

export class RdsRig {
  readonly faults = new Faults();
  readonly defects: unknown[] = [];
  readonly problems: string[] = [];
  readonly clock: Clock;
  readonly iam: Iam;
  readonly #options: RigOptions;
  readonly #folder = mkdtempSync(path.join(tmpdir(), "causeway-rds-"));
  #rds: RdsService | undefined;
  #gateway: Gateway | undefined;
  #keyArn = "";
  readonly #clients: { destroy(): void }[] = [];

  private constructor(options: RigOptions) {
    this.#options = options;
    this.clock = options.clock ?? new Clock({ skipIdle: true, startAtMilliseconds: noon });
    this.iam = new Iam({ accountId, region, stateDirectory: this.#folder });
  }

  static async start(options: RigOptions = {}): Promise<RdsRig> {
    const rig = new RdsRig(options);
    await rig.#open();
    return rig;
  }

  get rds(): RdsService {
    if (!this.#rds) throw new Error("The rig is closed.");
    return this.#rds;
  }

  /** Holds the services' state. */
  get folder(): string {
    return this.#folder;
  }

  /** Of the key for exports. */
  get keyArn(): string {
    return this.#keyArn;
  }

  /** Without a role: the operator, who may do everything. */
  client(roleArn?: string): RDSClient {
    return this.#kept(new RDSClient(this.#settings(roleArn)));
  }

  async restart(): Promise<void> {
    await this.#gateway?.close();
    await this.#open();
  }

  /** The task t1 of the snapshot shop-1, unless told otherwise. */
  startExport(options: Partial<StartExportTaskMessage> = {}, roleArn?: string) {
    return this.client(roleArn).send(
      new StartExportTaskCommand({
        ExportTaskIdentifier: "t1",
        SourceArn: snapshotArn("shop-1"),
        S3BucketName: bucket,
        S3Prefix: "mysql/shop",
        IamRoleArn: exportRoleArn,
        KmsKeyId: this.keyArn,
        ...options,
      }),
    );
  }

  /** The task as it is when it has ended. */
  async exportSnapshot(options: Partial<StartExportTaskMessage> = {}): Promise<ExportTask> {
    const { ExportTaskIdentifier: taskId = "" } = await this.startExport(options);
    await this.rds.settled();
    return this.task(taskId);
  }

  async task(taskId: string): Promise<ExportTask> {
    const answer = await this.client().send(new DescribeExportTasksCommand({ ExportTaskIdentifier: taskId }));
    const [task] = answer.ExportTasks ?? [];
    if (!task) throw new Error(`There is no task ${taskId}.`);
    return task;
  }

  /** All objects of the bucket, by key. */
  async keys(name = bucket): Promise<string[]> {
    const { Contents = [] } = await this.#s3().send(new ListObjectsV2Command({ Bucket: name }));
    return Contents.map(({ Key }) => Key ?? "");
  }

  async json(key: string): Promise<Record<string, unknown>> {
    return JSON.parse((await this.object(key)).toString("utf8"));
  }

  async object(key: string): Promise<Buffer> {
    const { Body } = await this.#s3().send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await this.#gateway?.close();
    this.clock.close();
    rmSync(this.#folder, { recursive: true, force: true });
    expect(this.defects).toEqual([]);
  }

  async #open(): Promise<void> {
    const contextOf = (name: string, place = region): ServiceContext => ({
      clock: this.clock,
      faults: this.faults,
      region: place,
      accountId,
      authorize: this.iam.authorize,
      stateDirectory: serviceDirectory(this.#folder, name),
    });
    const kms = createKmsService(contextOf("kms"));
    this.#keyArn = kms.createKey({ logicalId: "Exports" }).arn;
    this.#addRoles();
    const s3 = createS3Service(contextOf("s3", this.#options.bucketRegion));
    s3.createBucket({ name: bucket, versioned: true, eventBridge: false });
    this.#rds = createRdsService(
      contextOf("rds"),
      {
        permissions: this.iam,
        keyArnOf: (keyId) => kms.keyArnOf(keyId),
        endpointUrl: () => this.#gateway?.url ?? "",
        onProblem: (sentence) => this.problems.push(sentence),
      },
      this.#options.pace,
    );
    this.#gateway = await startGateway({
      services: [this.#rds, kms, s3],
      principalOf: this.iam.principalOf,
      clock: this.clock,
      faults: this.faults,
      onDefect: (error) => this.defects.push(error),
    });
    this.#rds.start();
  }

  #addRoles(): void {
    const { trust = goodTrust, exportStatements = goodExportStatements } = this.#options;
    const { callerStatements = goodCallerStatements } = this.#options;
    const policy = (statements: PolicyStatement[]) => [{ name: "own", document: { Statement: statements } }];
    const lambda: PolicyStatement = { ...goodTrust, Principal: { Service: "lambda.amazonaws.com" } };
    this.iam.addRoles([
      { arn: exportRoleArn, trust: { Statement: trust }, policies: policy(exportStatements(this.#keyArn)) },
      { arn: callerRoleArn, trust: { Statement: lambda }, policies: policy(callerStatements(this.#keyArn)) },
    ]);
  }

  #s3(): S3Client {
    return this.#kept(new S3Client({ ...this.#settings(), forcePathStyle: true }));
  }

  /** Its signatures follow the cloud's clock, which leaps. */
  #kept<Client extends { readonly config: object; destroy(): void }>(client: Client): Client {
    const { clock } = this;
    Object.defineProperty(client.config, "systemClockOffset", {
      get: () => clock.now() - Date.now(),
      set: () => undefined,
    });
    this.#clients.push(client);
    return client;
  }

  #settings(roleArn?: string) {
    const principal: Principal = roleArn
      ? this.iam.assumeRole(roleArn, "lambda.amazonaws.com", snapshotArn("any"))
      : this.iam.operator;
    const { accessKeyId, secretAccessKey, sessionToken } = principal;
    return {
      region,
      endpoint: this.#gateway?.url ?? "",
      credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
      maxAttempts: 1,
    };
  }
}
