// The rules that somebody changed: one item of the Alerts table, written under the version that was read.
import { type DynamoDBDocumentClient, GetCommand, TransactWriteCommand } from "@aws-sdk/lib-dynamodb";
import type { AuditPut } from "../shared/audit.store.ts";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import { log } from "../shared/log.ts";
import { type KeptRules, noKeptRules } from "./change-rules.ts";
import { ruleSchema } from "./rule-schema.ts";

const key = { partition: "rules", item: "rules" } as const;

export class RulesStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async read(): Promise<KeptRules> {
    const answer = await this.#client.send(new GetCommand({ TableName: this.#table, Key: key, ConsistentRead: true }));
    const { rules, version, changedAt, changedBy } = (answer.Item ?? noKeptRules) as KeptRules;
    // A rule from before a change of the code may name an event that is no more: its default speaks in its place.
    const usable = rules.filter((rule) => ruleSchema.safeParse(rule).success);
    if (usable.length < rules.length) {
      log.warn("rules that are kept no longer have the form of a rule", { rules: rules.length - usable.length });
    }
    return { rules: usable, version, changedAt, changedBy };
  }

  /** With its audit entry, all or nothing. Throws `PreconditionFailed` when somebody else was quicker. */
  async write(kept: KeptRules, seenVersion: number, audit: AuditPut): Promise<void> {
    const put = {
      TableName: this.#table,
      Item: { ...key, ...kept },
      ConditionExpression: seenVersion === 0 ? "attribute_not_exists(#version)" : "#version = :version",
      ExpressionAttributeNames: { "#version": "version" },
      ...(seenVersion > 0 && { ExpressionAttributeValues: { ":version": seenVersion } }),
    };
    try {
      await this.#client.send(new TransactWriteCommand({ TransactItems: [{ Put: put }, audit] }));
    } catch (error) {
      if (!isErrorNamed(error, "TransactionCanceledException")) throw error;
      throw new CausewayError("PreconditionFailed", "The rules were changed by somebody else at the same moment.");
    }
  }
}
