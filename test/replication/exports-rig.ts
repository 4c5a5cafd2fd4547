// The exports of RDS snapshots on the local cloud, for one test: real templates, bundles, state machine and SDKs.
import { createPublicKey, verify } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { GetPublicKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { DescribeExportTasksCommand, type ExportTask, RDSClient } from "@aws-sdk/client-rds";
import { GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { DescribeExecutionCommand, SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import { DynamoDBDocumentClient, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { expect } from "vitest";
import type { ExportItem } from "../../lambdas/replication/exports/export-item.ts";
import { type ExportReceipt, signedExportReceiptSchema } from "../../lambdas/replication/exports/export-receipt.ts";
import { exportIdOf } from "../../lambdas/replication/exports/snapshot.ts";
import { ExportsStore } from "../../lambdas/replication/exports.store.ts";
import { canonicalJson, receiptDigest } from "../../lambdas/replication/receipt.ts";
import type { EventName } from "../../lambdas/shared/events.ts";
import { JobsStore } from "../../lambdas/shared/jobs.store.ts";
import type { JobView } from "../../lambdas/shared/jobs.ts";
import { bootCloud, type LocalCloud } from "../../local/cloud.ts";
import { Clock } from "../../local/rig/clock.ts";
import { type FaultRule, Faults } from "../../local/rig/faults.ts";
import { stopSchedules } from "../stop-schedules.ts";
import { testAssembly } from "../test-assembly.ts";
import { SeenEvents } from "./seen-events.ts";

export interface ExportRigOptions {
  readonly faults?: readonly FaultRule[];
  /** Default: waits are skipped. */
  readonly clock?: Clock;
  /** Default: the stage local, as `npm start` has it. */
  readonly assembly?: string;
}

export interface ExportRun {
  readonly executionArn: string;
  readonly runId: string;
  readonly status: string;
  readonly error: string | undefined;
  readonly cause: string | undefined;
  readonly job: JobView;
}

/** A run that takes longer hangs. */
const longestRunMilliseconds = 120_000;
const hourMilliseconds = 3_600_000;

export class ExportsRig {
  readonly cloud: LocalCloud;
  readonly faults: Faults;
  readonly clock: Clock;
  readonly s3: S3Client;
  readonly rds: RDSClient;
  readonly states: SFNClient;
  readonly exports: ExportsStore;
  readonly jobs: JobsStore;
  readonly #documents: DynamoDBDocumentClient;
  readonly #kms: KMSClient;
  readonly #seen: SeenEvents;
  readonly #folder: string;
  #databases = 0;

  private constructor(cloud: LocalCloud, faults: Faults, clock: Clock, folder: string) {
    this.cloud = cloud;
    this.faults = faults;
    this.clock = clock;
    this.#folder = folder;
    // Where waits are skipped, hours may pass between signing a call and its arrival: the SDK then signs anew.
    const config = { ...cloud.clientConfig(), maxAttempts: 12 };
    this.s3 = new S3Client(config);
    this.rds = new RDSClient(config);
    this.states = new SFNClient(config);
    this.#kms = new KMSClient(config);
    this.#documents = DynamoDBDocumentClient.from(new DynamoDBClient(config));
    this.exports = new ExportsStore(this.#documents, cloud.output("ExportsTableName"));
    this.#quietenOthers();
    this.#seen = new SeenEvents(this.cloud);
    this.jobs = new JobsStore(this.#documents, cloud.output("JobsTableName"));
  }

  static async start(options: ExportRigOptions = {}): Promise<ExportsRig> {
    const folder = mkdtempSync(path.join(tmpdir(), "causeway-exports-"));
    const faults = new Faults(1);
    const clock = options.clock ?? new Clock({ skipIdle: true });
    const cloud = await bootCloud({
      assemblyDirectory: options.assembly ?? testAssembly,
      stateDirectory: folder,
      clock,
      faults,
      port: 0,
    });
    await stopSchedules(cloud);
    faults.add(...(options.faults ?? []));
    return new ExportsRig(cloud, faults, clock, folder);
  }

  /** A database of two small tables, and a snapshot of it that is an hour old. */
  addSnapshot(given: { databaseId?: string; engine?: string; hoursOld?: number; snapshotId?: string } = {}) {
    this.#databases += 1;
    const { engine = "mysql", hoursOld = 1 } = given;
    const databaseId = given.databaseId ?? `shop${this.#databases}`;
    const hasTables = /mysql|mariadb|postgres/.test(engine);
    this.cloud.rds.ensureDatabase({
      databaseId,
      engine,
      engineVersion: versions[engine] ?? "1.0",
      ...(hasTables && { tables: ["customers", "orders"].map(smallTable) }),
    });
    return this.cloud.rds.addSnapshot({
      databaseId,
      snapshotId: given.snapshotId ?? `${databaseId}-${this.#databases}`,
      createdAtMilliseconds: this.clock.now() - hoursOld * hourMilliseconds,
    });
  }

  async start(input: object = {}): Promise<string> {
    const answer = await this.states.send(
      new StartExecutionCommand({
        stateMachineArn: this.cloud.output("ExportRdsSnapshotArn"),
        input: JSON.stringify(input),
      }),
    );
    return answer.executionArn ?? "";
  }

  async run(input: object = {}): Promise<ExportRun> {
    return this.waitFor(await this.start(input));
  }

  async waitFor(executionArn: string): Promise<ExportRun> {
    const until = Date.now() + longestRunMilliseconds;
    for (;;) {
      const described = await this.states.send(new DescribeExecutionCommand({ executionArn }));
      if (described.status !== "RUNNING") {
        const runId = executionArn.split(":").at(-1) ?? "";
        const { status = "", error, cause } = described;
        return { executionArn, runId, status, error, cause, job: await this.job(runId) };
      }
      if (Date.now() > until) throw new Error(`${executionArn} still runs after ${longestRunMilliseconds} ms`);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
  }

  async job(runId: string): Promise<JobView> {
    const view = await this.jobs.view(runId, this.clock.now());
    if (!view) throw new Error(`There is no job ${runId}.`);
    return view;
  }

  /** As the API does it. */
  async requestCancel(runId: string): Promise<void> {
    await this.#documents.send(
      new UpdateCommand({
        TableName: this.cloud.output("JobsTableName"),
        Key: { jobId: runId, item: "job" },
        UpdateExpression: "SET cancelRequestedAt = :at",
        ExpressionAttributeValues: { ":at": new Date(this.clock.now()).toISOString() },
      }),
    );
  }

  item(snapshotArn: string): Promise<ExportItem | undefined> {
    return this.exports.read(exportIdOf(snapshotArn));
  }

  async tasksOf(snapshotArn: string): Promise<ExportTask[]> {
    const { ExportTasks } = await this.rds.send(new DescribeExportTasksCommand({ SourceArn: snapshotArn }));
    return ExportTasks ?? [];
  }

  get bucket(): string {
    return this.cloud.output("BackupsBucketName");
  }

  async keys(prefix: string): Promise<string[]> {
    const { Contents } = await this.s3.send(new ListObjectsV2Command({ Bucket: this.bucket, Prefix: prefix }));
    return (Contents ?? []).map((object) => object.Key ?? "");
  }

  async object(key: string): Promise<Buffer> {
    const answer = await this.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key: key }));
    return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
  }

  /** Reads a receipt and checks its signature with the public half of the key. */
  async receipt(key: string): Promise<ExportReceipt> {
    const { receipt, signature } = signedExportReceiptSchema.parse(JSON.parse((await this.object(key)).toString()));
    expect(receiptDigest(receipt).toString("hex")).toBe(signature.sha256);
    const { PublicKey } = await this.#kms.send(new GetPublicKeyCommand({ KeyId: signature.keyId }));
    const publicKey = createPublicKey({ key: Buffer.from(PublicKey ?? []), format: "der", type: "spki" });
    const bytes = Buffer.from(canonicalJson(receipt));
    const isSigned = verify("sha256", bytes, publicKey, Buffer.from(signature.value, "base64"));
    expect(isSigned, "the receipt's signature").toBe(true);
    return receipt;
  }

  /** Exported, with a receipt that says so, and nobody's claim left. */
  async expectExported(snapshotArn: string): Promise<ExportReceipt> {
    const item = await this.item(snapshotArn);
    expect(item, JSON.stringify(item)).toMatchObject({ state: "complete", result: { tables: 2, missing: [] } });
    expect(item?.claim).toBeUndefined();
    const receipt = await this.receipt(item?.result?.receiptKey ?? "");
    expect(receipt).toMatchObject({
      outcome: "complete",
      restorability: "parquet-analytic",
      source: { snapshotArn },
      tables: { count: 2, list: [{ status: "COMPLETE" }, { status: "COMPLETE" }] },
    });
    return receipt;
  }

  /** Details of the events of this name that the room has sent since boot, in no order. */
  events(name: EventName): Promise<Record<string, unknown>[]> {
    return this.#seen.named(name);
  }

  /** What other rooms and workflows do of themselves only takes time here. */
  #quietenOthers(): void {
    for (const { functionName } of this.cloud.eventSources.list()) this.cloud.eventSources.disable(functionName);
    for (const { type, physicalName, properties } of this.cloud.resources) {
      if (type !== "AWS::Events::Rule") continue;
      const busName = String(properties.EventBusName ?? "default");
      const eventPattern = { source: ["nobody"] };
      this.cloud.eventBridge.putRule({ name: physicalName, busName, state: "DISABLED", eventPattern, targets: [] });
    }
  }

  async close(): Promise<void> {
    await this.cloud.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function smallTable(name: string) {
  return {
    database: "shop",
    name,
    columns: [
      { name: "id", type: "int" },
      { name: "name", type: "varchar(100)" },
    ],
    primaryKey: "id",
    rows: Array.from({ length: 20 }, (_, index) => [index + 1, `${name} ${index + 1} 你好`]),
  };
}

const versions: Readonly<Record<string, string>> = {
  mysql: "8.0.39",
  mariadb: "10.11.8",
  postgres: "16.3",
  "aurora-mysql": "8.0.mysql_aurora.3.05.2",
  "aurora-postgresql": "15.4",
  "oracle-ee": "19.0.0.0",
};
