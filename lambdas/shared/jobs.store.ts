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
import { pause } from "./retry.ts";

/** Above what one run may find: 10,000 backups to copy and as many again that are refused or copied already. */
const mostUnits = 30_000;
/** Items read for one view: 1,000 units with 50 workers each. */
const mostProgressItems = 50_000;
/** BatchWriteItem takes this many. */
const itemsPerBatchWrite = 25;
const mostBatchRounds = 8;
/** Doubled each time: 6 s in all before it is given up. */
const firstPauseMilliseconds = 50;

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
        if (writes.length > 0) await pause(firstPauseMilliseconds * 2 ** round);
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

  /** Undefined when there is no such job. Units come first; of a huge job's progress items, the last ones are left out. */
  async view(jobId: string, nowMilliseconds: number): Promise<JobView | undefined> {
    const [job] = (await this.#query(jobId, "job", 1)) as unknown as Job[];
    if (!job) return undefined;
    const units = (await this.#query(jobId, "unit#", mostUnits)) as unknown as JobUnit[];
    const progress = (await this.#query(jobId, "progress#", mostProgressItems)) as unknown as WorkerProgress[];
    return viewJob(job, units, progress, nowMilliseconds);
  }

  /** Every unit of the job: what a summary must be made from. Throws `TooManyBackups` rather than leave one out. */
  async units(jobId: string): Promise<JobUnit[]> {
    const units = await this.#query(jobId, "unit#", mostUnits + 1);
    if (units.length > mostUnits)
      throw new CausewayError("TooManyBackups", `Job ${jobId} has more than ${mostUnits} units.`);
    return units as unknown as JobUnit[];
  }

  async #query(jobId: string, beginning: string, most: number): Promise<Record<string, unknown>[]> {
    const items: Record<string, unknown>[] = [];
    let from: Record<string, unknown> | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "jobId = :jobId AND begins_with(#item, :beginning)",
          ExpressionAttributeNames: { "#item": "item" },
          ExpressionAttributeValues: { ":jobId": jobId, ":beginning": beginning },
          ConsistentRead: true,
          ExclusiveStartKey: from,
        }),
      );
      items.push(...(page.Items ?? []));
      from = page.LastEvaluatedKey;
    } while (from !== undefined && items.length < most);
    return items.slice(0, most);
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
