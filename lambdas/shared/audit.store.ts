// The Audit table: who changed what, when, from where, and how it ended. A month is one partition, read newest first.
import { type DynamoDBDocumentClient, PutCommand, QueryCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";

/** Never holds bodies: only what a handler chose to note. */
export interface AuditEntry {
  /** RFC 3339, UTC, milliseconds. */
  readonly at: string;
  readonly subject: string;
  readonly name: string;
  /** Such as "started copies". */
  readonly action: string;
  readonly operation: string;
  /** The path that was called. */
  readonly target: string;
  /** `started`: no outcome was written, so it may or may not have happened. `done`, or the error's name. */
  readonly outcome: string;
  readonly requestId: string;
  readonly sourceIp: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An entry as part of a store's TransactWrite. */
export interface AuditPut {
  readonly Put: { readonly TableName: string; readonly Item: Record<string, unknown> };
}

export class AuditStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async put(entry: AuditEntry): Promise<void> {
    await this.#client.send(new PutCommand(this.transactItem(entry).Put));
  }

  transactItem(entry: AuditEntry): AuditPut {
    return { Put: { TableName: this.#table, Item: { ...keyOf(entry), ...entry } } };
  }

  /** Writes how it ended into an entry that was put before. */
  async close(entry: AuditEntry): Promise<void> {
    await this.#client.send(
      new UpdateCommand({
        TableName: this.#table,
        Key: keyOf(entry),
        UpdateExpression: `SET #outcome = :outcome${entry.details === undefined ? "" : ", #details = :details"}`,
        ExpressionAttributeNames: { "#outcome": "outcome", ...(entry.details && { "#details": "details" }) },
        ExpressionAttributeValues: { ":outcome": entry.outcome, ...(entry.details && { ":details": entry.details }) },
      }),
    );
  }

  /** Newest first. `month`: yyyy-mm. `after`: the position that the page before ended at. */
  async page(
    month: string,
    most: number,
    after?: string,
  ): Promise<{ readonly entries: readonly AuditEntry[]; readonly position: string | undefined }> {
    const answer = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: after === undefined ? "#month = :month" : "#month = :month AND #item < :after",
        ExpressionAttributeNames: { "#month": "month", ...(after !== undefined && { "#item": "item" }) },
        ExpressionAttributeValues: { ":month": month, ...(after !== undefined && { ":after": after }) },
        ScanIndexForward: false,
        Limit: most,
        ConsistentRead: true,
      }),
    );
    const position = answer.LastEvaluatedKey?.item as string | undefined;
    return { entries: (answer.Items ?? []) as AuditEntry[], position };
  }
}

function keyOf({ at, requestId }: AuditEntry): { month: string; item: string } {
  return { month: at.slice(0, 7), item: `${at}#${requestId}` };
}
