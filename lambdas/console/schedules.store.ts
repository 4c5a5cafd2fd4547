// The Schedules table: what was wanted of each schedule over the API, and by whom.
import { TransactionCanceledException } from "@aws-sdk/client-dynamodb";
import { type DynamoDBDocumentClient, GetCommand, TransactWriteCommand } from "@aws-sdk/lib-dynamodb";
import type { AuditPut } from "../shared/audit.store.ts";
import { CausewayError } from "../shared/errors.ts";
import type { ScheduleSettings } from "./schedule-fields.ts";

export interface WantedSchedule extends ScheduleSettings {
  readonly at: string;
  readonly by: string;
  /** Counts the changes. */
  readonly version: number;
}

export class SchedulesStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async wanted(scheduleName: string): Promise<WantedSchedule | undefined> {
    const answer = await this.#client.send(
      new GetCommand({ TableName: this.#table, Key: { scheduleName }, ConsistentRead: true }),
    );
    return answer.Item as WantedSchedule | undefined;
  }

  /** With its audit item. Throws `PreconditionFailed` where another change came first. */
  async want(scheduleName: string, wanted: WantedSchedule, audit: AuditPut): Promise<void> {
    const isFirst = wanted.version === 1;
    const put = {
      TableName: this.#table,
      Item: { scheduleName, ...wanted },
      ConditionExpression: isFirst ? "attribute_not_exists(#name)" : "#version = :seen",
      ExpressionAttributeNames: isFirst ? { "#name": "scheduleName" } : { "#version": "version" },
      ...(!isFirst && { ExpressionAttributeValues: { ":seen": wanted.version - 1 } }),
    };
    try {
      await this.#client.send(new TransactWriteCommand({ TransactItems: [{ Put: put }, audit] }));
    } catch (error) {
      if (!(error instanceof TransactionCanceledException)) throw error;
      throw new CausewayError("PreconditionFailed", "Somebody changed this schedule at the same moment. Look again.", {
        cause: error,
      });
    }
  }
}
