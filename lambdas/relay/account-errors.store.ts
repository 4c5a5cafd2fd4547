// Error history in the RelayAccounts table: what answers said against an account, one entry per minute and kind, for 30 days.
import { type DynamoDBDocumentClient, QueryCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import type { ErrorNote } from "./scheduling/conditions.ts";

const historyDays = 30;
const daySeconds = 24 * 60 * 60;
const mostSaidLetters = 500;
/** The year 10000: what is stated beyond is no time. */
const lastTime = 253_402_300_800_000;

/** One kind of error within a minute. */
export interface ErrorEntry {
  /** RFC 3339, UTC; the first of them. */
  readonly firstAt: string;
  readonly lastAt: string;
  readonly count: number;
  readonly state: string;
  readonly family: string | null;
  /** The end that the last answer stated, RFC 3339; null: it stated none. */
  readonly until: string | null;
  /** Of the last one. */
  readonly said: string;
}

export interface HistoryPage {
  /** Newest first. */
  readonly entries: readonly ErrorEntry[];
  readonly position: string | undefined;
}

export class AccountErrorsStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** Bounded by time: 30 days, and one entry for each minute, state and family. */
  async noteError({ accountId, at, state, family, until, said }: ErrorNote): Promise<void> {
    const time = new Date(at).toISOString();
    const item = `${time.slice(0, 16)}#${state}#${family ?? ""}`;
    await this.#client.send(
      new UpdateCommand({
        TableName: this.#table,
        Key: { partition: historyPartition(accountId), item },
        UpdateExpression:
          "SET #state = :state, #family = :family, #until = :until, #said = :said, #lastAt = :time, #expiresAt = :expiresAt, " +
          "#firstAt = if_not_exists(#firstAt, :time) ADD #count :one",
        ExpressionAttributeNames: {
          "#state": "state",
          "#family": "family",
          "#until": "until",
          "#said": "said",
          "#lastAt": "lastAt",
          "#expiresAt": "expiresAt",
          "#firstAt": "firstAt",
          "#count": "count",
        },
        ExpressionAttributeValues: {
          ":state": state,
          ":family": family ?? null,
          ":until": until === undefined || !(until < lastTime) ? null : new Date(until).toISOString(),
          ":said": said.slice(0, mostSaidLetters),
          ":time": time,
          ":expiresAt": Math.ceil(at / 1000) + historyDays * daySeconds,
          ":one": 1,
        },
      }),
    );
  }

  /** `after`: the position that the page before ended at. */
  async history(
    accountId: string,
    { most, after }: { most: number; after?: string | undefined },
  ): Promise<HistoryPage> {
    const answer = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: `#partition = :partition${after === undefined ? "" : " AND #item < :after"}`,
        ExpressionAttributeNames: { "#partition": "partition", ...(after !== undefined && { "#item": "item" }) },
        ExpressionAttributeValues: {
          ":partition": historyPartition(accountId),
          ...(after !== undefined && { ":after": after }),
        },
        ScanIndexForward: false,
        Limit: most,
      }),
    );
    const entries = (answer.Items ?? []).map(
      ({ firstAt, lastAt, count, state, family, until, said }): ErrorEntry => ({
        firstAt,
        lastAt,
        count,
        state,
        family,
        until,
        said,
      }),
    );
    return { entries, position: answer.LastEvaluatedKey?.item as string | undefined };
  }
}

function historyPartition(accountId: string): string {
  return `errors#${accountId}`;
}
