// Today's figures of the relay by platform: a day's rows of RelayTotals, as the relay's roll-ups write them.
import { type DynamoDBDocumentClient, QueryCommand } from "@aws-sdk/lib-dynamodb";

/** The attributes that are summed. */
const summed = [
  "requests",
  "refused",
  "failed",
  "inputTokens",
  "cacheWrite5mTokens",
  "cacheWrite1hTokens",
  "cacheReadTokens",
  "outputTokens",
  "chargedNanoUsd",
] as const;

export type RelayFigures = Readonly<Record<(typeof summed)[number], number>>;

/** A day of more rows is summed up to here; nobody has so many keys, accounts and models. */
const mostRows = 50_000;

export class RelayFiguresStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** By platform; of the day, in UTC, that the time is in. */
  async ofDay(nowMilliseconds: number): Promise<ReadonlyMap<string, RelayFigures>> {
    const day = new Date(nowMilliseconds).toISOString().slice(0, 10).replaceAll("-", "");
    const sums = new Map<string, Record<keyof RelayFigures, number>>();
    let from: Record<string, unknown> | undefined;
    let rows = 0;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "#partition = :partition",
          ExpressionAttributeNames: { "#partition": "partition" },
          ExpressionAttributeValues: { ":partition": `d#${day}` },
          ExclusiveStartKey: from,
        }),
      );
      for (const row of page.Items ?? []) {
        const platform = String(row.platform);
        const sum = sums.get(platform) ?? zeroFigures();
        for (const name of summed) sum[name] += Number(row[name] ?? 0);
        sums.set(platform, sum);
      }
      rows += page.Items?.length ?? 0;
      from = rows < mostRows ? page.LastEvaluatedKey : undefined;
    } while (from !== undefined);
    return sums;
  }
}

function zeroFigures(): Record<keyof RelayFigures, number> {
  return Object.fromEntries(summed.map((name) => [name, 0])) as Record<keyof RelayFigures, number>;
}
