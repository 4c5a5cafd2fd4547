// Signs of life in the Alerts table: one item per database, schedule and queue that is watched.
import { type DynamoDBDocumentClient, QueryCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { isErrorNamed } from "../shared/errors.ts";
import type { Finding, Watched } from "./silence/check-silence.ts";

const partition = "silence";

/** A thousand databases and some hundreds of schedules and queues. */
const mostWatched = 5_000;

export class SilenceStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async all(): Promise<Watched[]> {
    const found: Watched[] = [];
    let from: Record<string, unknown> | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "#partition = :partition",
          ExpressionAttributeNames: { "#partition": "partition" },
          ExpressionAttributeValues: { ":partition": partition },
          ConsistentRead: true,
          ExclusiveStartKey: from,
        }),
      );
      found.push(...((page.Items ?? []) as unknown as Watched[]));
      from = page.LastEvaluatedKey;
    } while (from !== undefined && found.length < mostWatched);
    return found;
  }

  /** A sign of life ends the silence; an older one, that arrived late, changes nothing. */
  async noteLife(item: string, at: string): Promise<void> {
    await this.#update(item, "SET #lastAt = :at REMOVE #reportedAt", {
      condition: "attribute_not_exists(#lastAt) OR #lastAt < :at",
      names: { "#lastAt": "lastAt", "#reportedAt": "reportedAt" },
      values: { ":at": at },
    });
  }

  /** What a check found; where a sign of life came in between, that counts. */
  async keepFinding({ item, since, reportedAt }: Finding, known: Watched | undefined): Promise<void> {
    if (since === undefined && reportedAt === undefined) return;
    const sets = [
      ...(since === undefined ? [] : ["#since = if_not_exists(#since, :since)"]),
      ...(typeof reportedAt === "string" ? ["#reportedAt = :reportedAt"] : []),
    ];
    const update = [
      sets.length === 0 ? "" : `SET ${sets.join(", ")}`,
      reportedAt === null ? "REMOVE #reportedAt" : "",
    ].join(" ");
    await this.#update(item, update.trim(), {
      condition: known?.lastAt === undefined ? "attribute_not_exists(#lastAt)" : "#lastAt = :lastAt",
      names: {
        "#lastAt": "lastAt",
        ...(since !== undefined && { "#since": "since" }),
        ...(reportedAt !== undefined && { "#reportedAt": "reportedAt" }),
      },
      values: {
        ...(known?.lastAt !== undefined && { ":lastAt": known.lastAt }),
        ...(since !== undefined && { ":since": since }),
        ...(typeof reportedAt === "string" && { ":reportedAt": reportedAt }),
      },
    });
  }

  async #update(
    item: string,
    update: string,
    { condition, names, values }: { condition: string; names: Record<string, string>; values: Record<string, unknown> },
  ): Promise<void> {
    try {
      await this.#client.send(
        new UpdateCommand({
          TableName: this.#table,
          Key: { partition, item },
          UpdateExpression: update,
          ConditionExpression: condition,
          ExpressionAttributeNames: names,
          ...(Object.keys(values).length > 0 && { ExpressionAttributeValues: values }),
        }),
      );
    } catch (error) {
      if (!isErrorNamed(error, "ConditionalCheckFailedException")) throw error;
    }
  }
}
