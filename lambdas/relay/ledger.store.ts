// The ledger's two tables, RelayKeys and RelayUsage: its reads and conditional writes, each tried again within bounds. What they are
// for is in ledger/reserve.ts and ledger/settle.ts; what they write, in ledger/write-expressions.ts.
import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  type ReturnValue,
  ScanCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { patientCall } from "../shared/patient-call.ts";
import type { UsageRecord } from "./counting/usage-record.ts";
import { numberOf, type StoredItem } from "./ledger/attributes.ts";
import { expiredLeases } from "./ledger/judge-write.ts";
import { itemKeyOf, keyPrefix, ledgerKeyOf, type StoredLease } from "./ledger/key-item.ts";
import type { Lease, Ledger, LedgerKey, More, ReserveRequest } from "./ledger/ledger.ts";
import type { EarlierRecord, FindOrphan, LedgerPorts, Urgency, Written } from "./ledger/ledger-ports.ts";
import { extend, reserve } from "./ledger/reserve.ts";
import { expireLease, settle } from "./ledger/settle.ts";
import type { KeyPage } from "./ledger/sweep.ts";
import { usageItemOf } from "./ledger/usage-item.ts";
import { correctionWrite, type HeldLease, type Write } from "./ledger/write-expressions.ts";

export interface LedgerOptions {
  /** One for the environment: its connections are kept. */
  readonly client: Pick<DynamoDBClient, "send">;
  readonly keysTable: string;
  readonly usageTable: string;
  readonly now: () => number;
  /** 0 to 1, for waits. */
  readonly random: () => number;
  /** So long records are kept. */
  readonly recordDays: () => number;
  readonly findOrphan: FindOrphan;
}

/** A settlement that is lost is a sweeper's work, so that it tries longer. The SDK's own attempts come on top. */
const mostAttempts: Readonly<Record<Urgency, number>> = { "waited-for": 5, afterwards: 10 };

/** UPDATED_NEW has what was changed alone, however many leases the key has: a third less work than ALL_NEW. */
const returnValues = { nothing: "NONE", changes: "UPDATED_NEW", all: "ALL_NEW" } as const satisfies Record<
  string,
  ReturnValue
>;

const keysPerPage = 200;
const daySeconds = 86_400;

export class LedgerStore implements Ledger {
  readonly #options: LedgerOptions;
  readonly #ports: LedgerPorts;

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#ports = {
      readItem: (keyId) => this.#readItem(keyId),
      update: (keyId, write, urgency, answer) => this.#update(keyId, write, urgency, answer),
      putRecord: (record) => this.#putRecord(record),
      correct: (keyId, lease, charged, record) => this.#correct(keyId, lease, charged, record),
      findOrphan: options.findOrphan,
      now: options.now,
      random: options.random,
    };
  }

  async readKey(keyId: string): Promise<LedgerKey | undefined> {
    const item = await this.#readItem(keyId);
    return item && ledgerKeyOf(keyId, item);
  }

  reserve(request: ReserveRequest): Promise<Lease> {
    return reserve(request, this.#ports);
  }

  extend(lease: Lease, more: More): Promise<Lease> {
    return extend(lease, more, this.#ports);
  }

  settle(lease: Lease | undefined, record: UsageRecord): Promise<void> {
    return settle(lease, record, this.#ports);
  }

  /** For the sweeper. `alive`: it was extended meanwhile. Throws `AwsUnavailable`. */
  expire(keyId: string, lease: StoredLease): Promise<"settled" | "alive"> {
    return expireLease(keyId, lease, this.#ports);
  }

  /** One page of a segment of all keys, with those leases that are over. Throws `AwsUnavailable`. */
  async readExpired(segment: number, segments: number, position: string | undefined): Promise<KeyPage> {
    const scan = new ScanCommand({
      TableName: this.#options.keysTable,
      Segment: segment,
      TotalSegments: segments,
      Limit: keysPerPage,
      ProjectionExpression: "#pk, #L",
      FilterExpression: "begins_with(#pk, :key) AND size(#L) > :none",
      ExpressionAttributeNames: { "#pk": "pk", "#L": "L" },
      ExpressionAttributeValues: { ":key": { S: keyPrefix }, ":none": { N: "0" } },
      ExclusiveStartKey: position === undefined ? undefined : { pk: { S: position } },
    });
    const answer = await this.#call("afterwards", () => this.#options.client.send(scan));
    const now = this.#options.now();
    const keys = ((answer.Items ?? []) as StoredItem[]).map((item) => ({
      keyId: (item.pk?.S ?? "").slice(keyPrefix.length),
      expired: expiredLeases(item, now),
    }));
    return {
      keys: keys.filter(({ expired }) => expired.length > 0),
      looked: answer.ScannedCount ?? 0,
      position: answer.LastEvaluatedKey?.pk?.S,
    };
  }

  async #readItem(keyId: string): Promise<StoredItem | undefined> {
    const { client, keysTable } = this.#options;
    const get = new GetItemCommand({ TableName: keysTable, Key: itemKeyOf(keyId), ConsistentRead: true });
    const answer = await this.#call("waited-for", () => client.send(get));
    return answer.Item as StoredItem | undefined;
  }

  async #update(keyId: string, write: Write, urgency: Urgency, answer: keyof typeof returnValues): Promise<Written> {
    const update = new UpdateItemCommand({
      TableName: this.#options.keysTable,
      Key: itemKeyOf(keyId),
      ...write,
      ReturnValues: returnValues[answer],
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    try {
      const { Attributes = {} } = await this.#call(urgency, () => this.#options.client.send(update));
      return { isWritten: true, changed: Attributes as StoredItem };
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      return { isWritten: false, item: error.Item as StoredItem | undefined };
    }
  }

  async #putRecord(record: UsageRecord): Promise<EarlierRecord | undefined> {
    const put = new PutItemCommand({
      TableName: this.#options.usageTable,
      Item: this.#recordItem(record),
      ConditionExpression: "attribute_not_exists(#requestId)",
      ExpressionAttributeNames: { "#requestId": "requestId" },
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    try {
      await this.#call("afterwards", () => this.#options.client.send(put));
      return undefined;
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      const { chargedNanoUsd, realNanoUsd, outcome } = (error.Item ?? {}) as StoredItem;
      return {
        chargedNanoUsd: numberOf(chargedNanoUsd) ?? 0,
        realNanoUsd: numberOf(realNanoUsd) ?? 0,
        outcome: outcome?.S,
      };
    }
  }

  async #correct(keyId: string, lease: HeldLease, charged: number, record: UsageRecord): Promise<void> {
    const { client, keysTable, usageTable } = this.#options;
    const correction = new TransactWriteItemsCommand({
      // Without a token of our own: the record's outcome keeps it to once.
      TransactItems: [
        {
          Put: {
            TableName: usageTable,
            Item: this.#recordItem(record),
            ConditionExpression: "#outcome = :expired",
            ExpressionAttributeNames: { "#outcome": "outcome" },
            ExpressionAttributeValues: { ":expired": { S: "lease-expired" } },
          },
        },
        {
          Update: {
            TableName: keysTable,
            Key: itemKeyOf(keyId),
            ...correctionWrite(lease, charged, record.chargedNanoUsd),
          },
        },
      ],
    });
    try {
      await this.#call("afterwards", () => client.send(correction));
    } catch (error) {
      // Corrected before, by an attempt whose answer was lost or by another settlement.
      const [first] = error instanceof TransactionCanceledException ? (error.CancellationReasons ?? []) : [];
      if (first?.Code !== "ConditionalCheckFailed") throw error;
    }
  }

  #recordItem(record: UsageRecord) {
    const expiresAt = Math.floor(this.#options.now() / 1000) + this.#options.recordDays() * daySeconds;
    return usageItemOf(record, expiresAt);
  }

  #call<Answer>(urgency: Urgency, call: () => Promise<Answer>): Promise<Answer> {
    return patientCall(mostAttempts[urgency], this.#options.random, call);
  }
}
