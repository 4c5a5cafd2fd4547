// The Jobs table: one partition per job, with items `job`, `unit#<unit>` and `progress#<unit>#<worker>`.
import { ConditionalCheckFailedException } from "@aws-sdk/client-dynamodb";
import {
  BatchWriteCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import { CausewayError, isErrorNamed } from "./errors.ts";
import type { Job, JobKind, JobState, JobUnit, JobView, WorkerProgress } from "./jobs.ts";
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

/** The partition of the index `byStart` that lists the jobs. */
const listing = "job";
/** Of a filtered list: so many items are looked at in one query, and so many queries are made for one page. */
const itemsLookedAtPerPage = 200;
const mostPagesPerList = 10;

/** A wish to cancel comes once, and goes with a redrive. */
const mostPutRounds = 5;

/** Where a page of the list ended. */
export interface JobPosition {
  readonly jobId: string;
  readonly startedAt: string;
}

export interface JobsQuestion {
  readonly kind?: JobKind | undefined;
  readonly states?: readonly JobState[] | undefined;
  readonly most: number;
  readonly after?: JobPosition | undefined;
}

export interface JobsPage {
  readonly jobs: readonly Job[];
  readonly position: JobPosition | undefined;
}

/** How the work itself says that it ended. */
type JobEnd = Pick<Job, "state" | "sentence" | "counts"> & { readonly finishedAt: string };

export class JobsStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /**
   * Creates the job or, when the same one starts again (a retry, a redrive), sets it running anew. A wish to cancel it
   * stays: it may have come before the work's first step, or while that was tried again.
   */
  async putJob(job: Job): Promise<void> {
    let wishedAt: string | undefined;
    for (let round = 0; round < mostPutRounds; round += 1) {
      const found = await this.#putUnlessWished(job, wishedAt);
      if (found === "put") return;
      wishedAt = found.wishedAt;
    }
    throw new CausewayError("AwsUnavailable", `Job ${job.jobId} changes faster than it can be put.`);
  }

  /** Answers with the wish that is there where it is another than `wishedAt`. */
  async #putUnlessWished(job: Job, wishedAt: string | undefined): Promise<"put" | { wishedAt: string | undefined }> {
    const isWished = wishedAt !== undefined;
    try {
      await this.#client.send(
        new PutCommand({
          TableName: this.#table,
          Item: { ...job, ...(isWished && { cancelRequestedAt: wishedAt }), item: "job", listing },
          ConditionExpression: isWished ? "#wish = :wish" : "attribute_not_exists(#wish)",
          ExpressionAttributeNames: { "#wish": "cancelRequestedAt" },
          ...(isWished && { ExpressionAttributeValues: { ":wish": wishedAt } }),
          ReturnValuesOnConditionCheckFailure: "ALL_OLD",
        }),
      );
      return "put";
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      // The document client does not read what comes with an error.
      return { wishedAt: error.Item?.cancelRequestedAt?.S };
    }
  }

  /** Enters a job that was just asked for, unless the work itself was quicker. */
  async enterJob(job: Job): Promise<void> {
    try {
      await this.#client.send(
        new PutCommand({
          TableName: this.#table,
          Item: { ...job, item: "job", listing },
          ConditionExpression: "attribute_not_exists(#jobId)",
          ExpressionAttributeNames: { "#jobId": "jobId" },
        }),
      );
    } catch (error) {
      if (!isErrorNamed(error, "ConditionalCheckFailedException")) throw error;
    }
  }

  /** The job itself, without its units. */
  async find(jobId: string): Promise<Job | undefined> {
    const answer = await this.#client.send(
      new GetCommand({ TableName: this.#table, Key: { jobId, item: "job" }, ConsistentRead: true }),
    );
    return answer.Item as Job | undefined;
  }

  /**
   * Newest first; the index lags a moment behind. `after`: the position that the page before ended at. A page may be
   * shorter than `most`, even empty, where the filter left most out: the list ends where there is no position.
   */
  async list(question: JobsQuestion): Promise<JobsPage> {
    const jobs: Job[] = [];
    let { after } = question;
    for (let read = 0; read < mostPagesPerList; read += 1) {
      const answer = await this.#client.send(new QueryCommand(this.#listQuery(question, after)));
      const found = (answer.Items ?? []) as Job[];
      jobs.push(...found.slice(0, question.most - jobs.length));
      const isCut = found.length > 0 && jobs.at(-1) !== found.at(-1);
      const last = isCut ? jobs.at(-1) : (answer.LastEvaluatedKey as JobPosition | undefined);
      after = last && { jobId: last.jobId, startedAt: last.startedAt };
      if (after === undefined || jobs.length === question.most) break;
    }
    return { jobs, position: after };
  }

  #listQuery({ kind, states, most }: JobsQuestion, after: JobPosition | undefined) {
    const byKind = kind === undefined ? [] : ["#kind = :kind"];
    const byState =
      states === undefined ? [] : [`#state IN (${states.map((_, index) => `:state${index}`).join(", ")})`];
    const filters = [...byKind, ...byState];
    return {
      TableName: this.#table,
      IndexName: "byStart",
      KeyConditionExpression: "#listing = :listing",
      ...(filters.length > 0 && { FilterExpression: filters.join(" AND ") }),
      ExpressionAttributeNames: {
        "#listing": "listing",
        ...(kind !== undefined && { "#kind": "kind" }),
        ...(states !== undefined && { "#state": "state" }),
      },
      ExpressionAttributeValues: {
        ":listing": listing,
        ...(kind !== undefined && { ":kind": kind }),
        ...Object.fromEntries((states ?? []).map((state, index) => [`:state${index}`, state])),
      },
      ScanIndexForward: false,
      // With a filter, more is looked at than is given out.
      Limit: filters.length > 0 ? itemsLookedAtPerPage : most,
      ...(after !== undefined && { ExclusiveStartKey: { ...after, listing, item: "job" } }),
    };
  }

  /**
   * Writes how the work itself says that it ended. A run that failed before its first step had put the job is entered
   * with what is known: otherwise its summary would be an item that is no job.
   */
  async finishJob(jobId: string, kind: JobKind, end: JobEnd): Promise<void> {
    const whereMissing = { kind, startedAt: end.finishedAt, listing };
    await this.#update(jobId, "job", { ...end, phase: "finished", heartbeatAt: end.finishedAt }, whereMissing);
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

  /** `whereMissing`: set only where the item has no such attribute. */
  async #update(
    jobId: string,
    item: string,
    changes: Readonly<Record<string, unknown>>,
    whereMissing: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    const given = Object.entries(changes).filter(([, value]) => value !== undefined);
    if (given.length === 0) return;
    const entries = [...given, ...Object.entries(whereMissing)];
    const assignment = (index: number) =>
      index < given.length ? `#n${index} = :v${index}` : `#n${index} = if_not_exists(#n${index}, :v${index})`;
    await this.#client.send(
      new UpdateCommand({
        TableName: this.#table,
        Key: { jobId, item },
        UpdateExpression: `SET ${entries.map((_, index) => assignment(index)).join(", ")}`,
        ExpressionAttributeNames: Object.fromEntries(entries.map(([name], index) => [`#n${index}`, name])),
        ExpressionAttributeValues: Object.fromEntries(entries.map(([, value], index) => [`:v${index}`, value])),
      }),
    );
  }
}
