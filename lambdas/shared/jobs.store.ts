// The Jobs table: one partition per job, with items `job`, `unit#<unit>` and `progress#<unit>#<worker>`.
import {
  BatchWriteCommand,
  type DynamoDBDocumentClient,
  PutCommand,
  QueryCommand,
  UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import { CausewayError } from "./errors.ts";
import type { Job, JobUnit, JobView, WorkerProgress } from "./jobs.ts";
import { viewJob } from "./jobs.ts";

/** Items read for one view: a job of 1,000 units with 50 workers each; more are not shown. */
const mostItemsRead = 50_000;
/** BatchWriteItem takes this many. */
const itemsPerBatchWrite = 25;
const mostBatchRounds = 10;

export class JobsStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** Creates the job or, when the same one starts again (a retry, a redrive), sets it running anew. */
  async putJob(job: Job): Promise<void> {
    await this.#client.send(new PutCommand({ TableName: this.#table, Item: { ...job, item: "job" } }));
  }

  async updateJob(jobId: string, changes: Partial<Omit<Job, "jobId">>): Promise<void> {
    await this.#update(jobId, "job", changes);
  }

  async putUnits(jobId: string, units: readonly JobUnit[]): Promise<void> {
    const items = units.map((unit) => ({ ...unit, jobId, item: `unit#${unit.unitId}` }));
    for (let from = 0; from < items.length; from += itemsPerBatchWrite) {
      let writes = items.slice(from, from + itemsPerBatchWrite).map((Item) => ({ PutRequest: { Item } }));
      for (let round = 0; writes.length > 0; round += 1) {
        if (round >= mostBatchRounds) throw new CausewayError("AwsUnavailable", "DynamoDB kept back items of a batch.");
        const answer = await this.#client.send(new BatchWriteCommand({ RequestItems: { [this.#table]: writes } }));
        writes = (answer.UnprocessedItems?.[this.#table] ?? []) as typeof writes;
      }
    }
  }

  async updateUnit(jobId: string, unitId: string, changes: Partial<Omit<JobUnit, "unitId">>): Promise<void> {
    await this.#update(jobId, `unit#${unitId}`, { ...changes, unitId });
  }

  async putProgress(jobId: string, progress: WorkerProgress): Promise<void> {
    const item = `progress#${progress.unitId}#${progress.worker}`;
    await this.#client.send(new PutCommand({ TableName: this.#table, Item: { ...progress, jobId, item } }));
  }

  /** Undefined when there is no such job. */
  async view(jobId: string, nowMilliseconds: number): Promise<JobView | undefined> {
    let job: Job | undefined;
    const units: JobUnit[] = [];
    const progress: WorkerProgress[] = [];
    let read = 0;
    let from: Record<string, unknown> | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "jobId = :jobId",
          ExpressionAttributeValues: { ":jobId": jobId },
          ExclusiveStartKey: from,
        }),
      );
      for (const item of page.Items ?? []) {
        const kind = String(item.item);
        if (kind === "job") job = item as Job;
        else if (kind.startsWith("unit#")) units.push(item as JobUnit);
        else if (kind.startsWith("progress#")) progress.push(item as WorkerProgress);
      }
      read += page.Items?.length ?? 0;
      from = page.LastEvaluatedKey;
    } while (from !== undefined && read < mostItemsRead);
    return job && viewJob(job, units, progress, nowMilliseconds);
  }

  async #update(jobId: string, item: string, changes: Readonly<Record<string, unknown>>): Promise<void> {
    const entries = Object.entries(changes).filter(([, value]) => value !== undefined);
    if (entries.length === 0) return;
    await this.#client.send(
      new UpdateCommand({
        TableName: this.#table,
        Key: { jobId, item },
        UpdateExpression: `SET ${entries.map((_, index) => `#n${index} = :v${index}`).join(", ")}`,
        ExpressionAttributeNames: Object.fromEntries(entries.map(([name], index) => [`#n${index}`, name])),
        ExpressionAttributeValues: Object.fromEntries(entries.map(([, value], index) => [`:v${index}`, value])),
      }),
    );
  }
}
