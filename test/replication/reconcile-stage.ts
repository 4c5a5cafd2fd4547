// A run of reconcile-mirror on the mirror's rig, and what went wrong before it: lost, damaged, unknown and foreign objects.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { DescribeExecutionCommand, StartExecutionCommand } from "@aws-sdk/client-sfn";
import { DeleteCommand, DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { expect } from "vitest";
import type { ReportLine } from "../../lambdas/replication/reconcile/report-differences.ts";
import type { ReconciliationSummary } from "../../lambdas/replication/reconcile/summarise-reconciliation.ts";
import type { JobView } from "../../lambdas/shared/jobs.ts";
import { MirrorRig, type MirrorRigOptions, ossBucket, ramPolicy } from "./mirror-rig.ts";

/** What the RAM user needs for the comparison besides what it mirrors with: the mirrored folders' lists, and no others. */
const listing = {
  Effect: "Allow",
  Action: "oss:ListObjects",
  Resource: `acs:oss:*:*:${ossBucket}`,
  Condition: { StringLike: { "oss:Prefix": "iotdb-backup/*" } },
} as const;

export interface ReconcileRun {
  readonly runId: string;
  readonly status: string;
  readonly cause: string;
  readonly job: JobView;
  /** What the execution gave back; undefined when it failed. */
  readonly summary: ReconciliationSummary | undefined;
}

export class ReconcileStage {
  readonly rig: MirrorRig;
  readonly #documents: DynamoDBDocumentClient;

  private constructor(rig: MirrorRig) {
    this.rig = rig;
    this.#documents = DynamoDBDocumentClient.from(new DynamoDBClient(rig.cloud.clientConfig()));
  }

  static async start(options: MirrorRigOptions = {}): Promise<ReconcileStage> {
    const rig = await MirrorRig.start(options);
    const mirrors = ramPolicy.map((statement) => ({ ...statement, Action: [...statement.Action] }));
    await rig.rotate(rig.cloud.oss.issueKey([...mirrors, listing]));
    return new ReconcileStage(rig);
  }

  /** Puts it into S3 and waits until the mirror's queue has brought it to OSS. */
  async mirrored(sourceKey: string, body: Buffer | string): Promise<void> {
    const version = await this.rig.put(sourceKey, body);
    await this.rig.mirrored(sourceKey, version);
  }

  async start(request: object = {}): Promise<string> {
    const stateMachineArn = this.rig.cloud.output("ReconcileMirrorArn");
    const input = JSON.stringify(request);
    const { executionArn } = await this.rig.states.send(new StartExecutionCommand({ stateMachineArn, input }));
    return executionArn ?? "";
  }

  async run(request: object = {}): Promise<ReconcileRun> {
    const executionArn = await this.start(request);
    const { status, job } = await this.rig.runEnded(executionArn);
    const { output, cause = "" } = await this.rig.states.send(new DescribeExecutionCommand({ executionArn }));
    const summary = output === undefined ? undefined : (JSON.parse(output) as ReconciliationSummary);
    return { runId: executionArn.split(":").at(-1) ?? "", status, cause, job, summary };
  }

  /** What the run counted, without what it did not meet. */
  counted({ job }: ReconcileRun): Record<string, number> {
    return Object.fromEntries(Object.entries(job.counts ?? {}).filter(([, count]) => count > 0));
  }

  /** All lines of a run's reports. */
  async differences({ runId }: ReconcileRun): Promise<ReportLine[]> {
    const Bucket = this.rig.cloud.output("WorkBucketName");
    const Prefix = `runs/${runId}/differences/`;
    const { Contents = [] } = await this.rig.s3.send(new ListObjectsV2Command({ Bucket, Prefix }));
    const files = await Promise.all(
      Contents.map(async ({ Key }) => {
        const { Body } = await this.rig.s3.send(new GetObjectCommand({ Bucket, Key }));
        return (await Body?.transformToString()) ?? "";
      }),
    );
    return files.flatMap((file) => file.trim().split("\n")).map((line) => JSON.parse(line) as ReportLine);
  }

  /** Causeway forgets that it has ever seen the key. */
  async forget(sourceKey: string): Promise<void> {
    const TableName = this.rig.cloud.output("MirrorTableName");
    await this.#documents.send(new DeleteCommand({ TableName, Key: { sourceKey } }));
  }

  async loseInOss(sourceKey: string): Promise<void> {
    await this.rig.askOss((oss) => oss.delete(targetOf(sourceKey)));
  }

  async putInOss(targetKey: string, body: string): Promise<void> {
    await this.rig.askOss((oss) => oss.put(targetKey, Buffer.from(body)));
  }

  /** The same bytes as in one go, under another ETag. */
  async putInOssInOnePart(targetKey: string, body: string): Promise<void> {
    const { uploadId } = await this.rig.askOss((oss) => oss.initMultipartUpload(targetKey));
    const folder = mkdtempSync(join(tmpdir(), "causeway-part-"));
    const file = join(folder, "part");
    writeFileSync(file, body);
    const bytes = Buffer.byteLength(body);
    const part = await this.rig.askOss((oss) => oss.uploadPart(targetKey, uploadId, 1, file, 0, bytes));
    rmSync(folder, { recursive: true });
    const parts = [{ number: 1, etag: part.etag }];
    await this.rig.askOss((oss) => oss.completeMultipartUpload(targetKey, uploadId, parts));
  }

  /** Objects that were written to OSS since, in one go or by completing parts. */
  writesToOss(since = 0): string[] {
    return this.rig.cloud.oss.requests
      .slice(since)
      .filter(({ operation, status }) => /^(PutObject|CompleteMultipartUpload)$/.test(operation) && status === 200)
      .map(({ key }) => key);
  }

  get requestsSoFar(): number {
    return this.rig.cloud.oss.requests.length;
  }

  async expectAllEqual(): Promise<void> {
    const run = await this.run();
    const counted = this.counted(run);
    expect(run.job.state, run.job.sentence).toBe("succeeded");
    expect(counted.equal, run.job.sentence).toBe(counted.compared);
  }

  async close(): Promise<void> {
    await this.rig.close();
  }
}

export function targetOf(sourceKey: string): string {
  return `iotdb-backup/${sourceKey}`;
}
