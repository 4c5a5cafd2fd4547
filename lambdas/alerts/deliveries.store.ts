// Deliveries in the Alerts table: the record of each one by month, and what each channel still has to do.
import {
  BatchGetCommand,
  BatchWriteCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
} from "@aws-sdk/lib-dynamodb";
import { CausewayError } from "../shared/errors.ts";
import { pause } from "../shared/retry.ts";
import type { Alert, Delivery } from "./alert.ts";
import {
  alertKey,
  type ItemKey,
  pendingKey,
  pendingPartition,
  pendingUntil,
  recordItem,
  recordKey,
  recordPartition,
} from "./alert-items.ts";

/** BatchWriteItem and BatchGetItem take so many. */
const itemsPerBatchWrite = 25;
const keysPerBatchGet = 100;
const mostBatchRounds = 8;
/** Doubled each time: 6 s in all before it is given up. */
const firstPauseMilliseconds = 50;

/** What one call of a channel looks at: as much as one message holds. */
const mostPending = 1_000;

/** A page of the list reads so many records at most, however few of them match. */
const mostRecordsRead = 2_000;

export interface DeliveryFilter {
  readonly channel?: string | undefined;
  readonly state?: string | undefined;
  readonly event?: string | undefined;
  readonly alertId?: string | undefined;
  readonly messageId?: string | undefined;
}

export interface DeliveryPage {
  readonly items: readonly Delivery[];
  /** Id of the delivery behind which the next page begins; undefined at the end. */
  readonly after: string | undefined;
}

export class DeliveriesStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async readAlert(alertId: string): Promise<Alert | undefined> {
    const answer = await this.#client.send(
      new GetCommand({ TableName: this.#table, Key: alertKey(alertId), ConsistentRead: true }),
    );
    return answer.Item as Alert | undefined;
  }

  /** Those of a channel whose not-before has passed, oldest first. */
  async pending(channel: string, now: number): Promise<Delivery[]> {
    const found: Delivery[] = [];
    let from: Record<string, unknown> | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "#partition = :partition AND #item < :end",
          ExpressionAttributeNames: { "#partition": "partition", "#item": "item" },
          ExpressionAttributeValues: {
            ":partition": pendingPartition(channel),
            ":end": pendingUntil(new Date(now).toISOString()),
          },
          ConsistentRead: true,
          Limit: mostPending - found.length,
          ExclusiveStartKey: from,
        }),
      );
      found.push(...((page.Items ?? []) as unknown as Delivery[]).map(withoutKey));
      from = page.LastEvaluatedKey;
    } while (from !== undefined && found.length < mostPending);
    return found;
  }

  async keepRecords(deliveries: readonly Delivery[]): Promise<void> {
    await this.#writeAll(deliveries.map((delivery) => ({ PutRequest: { Item: recordItem(delivery) } })));
  }

  /** Finished ones leave the channel's list. */
  async keepPending(deliveries: readonly Delivery[]): Promise<void> {
    await this.#writeAll(
      deliveries.map((delivery) =>
        delivery.state === "pending"
          ? { PutRequest: { Item: { ...pendingKey(delivery), ...delivery } } }
          : { DeleteRequest: { Key: pendingKey(delivery) } },
      ),
    );
  }

  /** A single record, such as that of a test. */
  async putRecord(delivery: Delivery): Promise<void> {
    await this.#client.send(new PutCommand({ TableName: this.#table, Item: recordItem(delivery) }));
  }

  /** Alerts by id; those that do not exist are absent. */
  async readAlerts(alertIds: readonly string[]): Promise<Map<string, Alert>> {
    const items = await this.#readAll([...new Set(alertIds)].map(alertKey));
    return new Map((items as unknown as Alert[]).map((alert) => [alert.alertId, alert]));
  }

  async readRecords(deliveries: readonly Pick<Delivery, "deliveryId">[]): Promise<Delivery[]> {
    return ((await this.#readAll(deliveries.map(recordKey))) as unknown as Delivery[]).map(withoutKey);
  }

  /** Newest first, from `before` (a delivery's id, or any later time) back to the month of `until` (`yyyy-mm`). */
  async list(filter: DeliveryFilter, before: string, until: string, limit: number): Promise<DeliveryPage> {
    const found: Delivery[] = [];
    let behind = before;
    let read = 0;
    for (
      let partition = recordPartition(before);
      partition >= recordPartition(until);
      partition = monthBefore(partition)
    ) {
      let isLast = false;
      while (!isLast) {
        const { records, end } = await this.#recordsBefore(partition, behind, Math.min(500, mostRecordsRead - read));
        for (const record of records) {
          read += 1;
          behind = record.deliveryId;
          if (!matches(record, filter)) continue;
          found.push(record);
          if (found.length >= limit) return { items: found, after: behind };
        }
        if (read >= mostRecordsRead) return { items: found, after: behind };
        isLast = end;
      }
    }
    return { items: found, after: undefined };
  }

  async #recordsBefore(
    partition: string,
    before: string,
    limit: number,
  ): Promise<{ records: Delivery[]; end: boolean }> {
    const page = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: "#partition = :partition AND #item < :before",
        ExpressionAttributeNames: { "#partition": "partition", "#item": "item" },
        ExpressionAttributeValues: { ":partition": partition, ":before": before },
        ScanIndexForward: false,
        Limit: limit,
      }),
    );
    const records = ((page.Items ?? []) as unknown as Delivery[]).map(withoutKey);
    return { records, end: page.LastEvaluatedKey === undefined };
  }

  async #readAll(keys: readonly ItemKey[]): Promise<Record<string, unknown>[]> {
    const items: Record<string, unknown>[] = [];
    for (let from = 0; from < keys.length; from += keysPerBatchGet) {
      let rest: Record<string, unknown>[] = keys.slice(from, from + keysPerBatchGet);
      for (let round = 0; rest.length > 0; round += 1) {
        if (round >= mostBatchRounds) throw new CausewayError("AwsUnavailable", "DynamoDB kept back keys of a batch.");
        if (round > 0) await pause(firstPauseMilliseconds * 2 ** round);
        const answer = await this.#client.send(
          new BatchGetCommand({ RequestItems: { [this.#table]: { Keys: rest, ConsistentRead: true } } }),
        );
        items.push(...(answer.Responses?.[this.#table] ?? []));
        rest = answer.UnprocessedKeys?.[this.#table]?.Keys ?? [];
      }
    }
    return items;
  }

  async #writeAll(writes: readonly Record<string, unknown>[]): Promise<void> {
    for (let from = 0; from < writes.length; from += itemsPerBatchWrite) {
      let rest = writes.slice(from, from + itemsPerBatchWrite);
      for (let round = 0; rest.length > 0; round += 1) {
        if (round >= mostBatchRounds) throw new CausewayError("AwsUnavailable", "DynamoDB kept back items of a batch.");
        if (round > 0) await pause(firstPauseMilliseconds * 2 ** round);
        const answer = await this.#client.send(new BatchWriteCommand({ RequestItems: { [this.#table]: rest } }));
        rest = (answer.UnprocessedItems?.[this.#table] ?? []) as typeof rest;
      }
    }
  }
}

function matches(record: Delivery, filter: DeliveryFilter): boolean {
  return (["channel", "state", "event", "alertId", "messageId"] as const).every(
    (field) => filter[field] === undefined || filter[field] === record[field],
  );
}

/** `deliveries#2026-01` → `deliveries#2025-12` */
function monthBefore(partition: string): string {
  const [, year = "", month = ""] = /#(\d{4})-(\d{2})$/.exec(partition) ?? [];
  const before = new Date(Date.UTC(Number(year), Number(month) - 2, 1));
  return recordPartition(before.toISOString());
}

function withoutKey(item: Delivery): Delivery {
  const { partition, item: sortKey, expiresAt, ...delivery } = item as Delivery & Partial<ItemKey>;
  return delivery;
}
