// The RelayUsage table, read side: a record by its id, records by key, by hour, and whole lanes. The ledger writes it.
import { type DynamoDBDocumentClient, GetCommand, QueryCommand } from "@aws-sdk/lib-dynamodb";
import type { LaneRecord } from "./counting/roll-up.ts";
import { laneCount, laneOf, recordsOf, type Unit } from "./counting/units.ts";
import { partitionOf } from "./counting/usage-partition.ts";
import type { UsageRecord } from "./counting/usage-record.ts";

export interface RecordsPage {
  /** Newest first. */
  readonly records: readonly UsageRecord[];
  /** Id of the last one, where there may be more. */
  readonly after: string | undefined;
}

const recordsPerPage = 1000;

export class UsageStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** Strongly consistent. Throws `InputInvalid` for what is no request id. */
  async record(requestId: string): Promise<UsageRecord | undefined> {
    const { Item } = await this.#client.send(
      new GetCommand({
        TableName: this.#table,
        Key: { partition: partitionOf(requestId), requestId },
        ConsistentRead: true,
      }),
    );
    return Item && withoutPlace(Item);
  }

  /** Newest first; ids from `first` to before `before`, both as ids or their beginnings. At most 1,000 and what 1 MB holds. */
  async ofKey(keyId: string, range: { first: string; before: string; most: number }): Promise<RecordsPage> {
    const { Items = [], LastEvaluatedKey } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        IndexName: "byKey",
        KeyConditionExpression: "#keyId = :keyId AND #requestId BETWEEN :first AND :last",
        ExpressionAttributeNames: { "#keyId": "keyId", "#requestId": "requestId" },
        ExpressionAttributeValues: { ":keyId": keyId, ":first": range.first, ":last": justBefore(range.before) },
        ScanIndexForward: false,
        Limit: range.most,
      }),
    );
    const records = Items.map(withoutPlace);
    return { records, after: LastEvaluatedKey === undefined ? undefined : records.at(-1)?.requestId };
  }

  /** All lanes of an hour merged, newest first, at most `most`; `after` where there may be more of this hour. */
  async ofHour(hour: Unit, range: { first: string; before: string; most: number }): Promise<RecordsPage> {
    const pages = await Promise.all(
      Array.from({ length: laneCount }, (_, lane) => this.#ofLane(laneOf(hour, lane), range)),
    );
    // What a lane did not give to its end may be newer than the end of another's: only what lies above all ends is in order.
    const floor = pages.reduce((most, { after }) => (after !== undefined && after > most ? after : most), "");
    const merged = pages
      .flatMap(({ records }) => records)
      .filter(({ requestId }) => requestId >= floor)
      .sort((one, other) => (one.requestId < other.requestId ? 1 : -1));
    const records = merged.slice(0, range.most);
    const isMore = floor !== "" || merged.length > records.length;
    return { records, after: isMore ? records.at(-1)?.requestId : undefined };
  }

  async #ofLane(lane: Unit, range: { first: string; before: string; most: number }): Promise<RecordsPage> {
    const { Items = [], LastEvaluatedKey } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: "#partition = :partition AND #requestId BETWEEN :first AND :last",
        ExpressionAttributeNames: { "#partition": "partition", "#requestId": "requestId" },
        ExpressionAttributeValues: {
          ":partition": recordsOf(lane),
          ":first": range.first,
          ":last": justBefore(range.before),
        },
        ScanIndexForward: false,
        Limit: range.most,
      }),
    );
    const records = Items.map(withoutPlace);
    return { records, after: LastEvaluatedKey === undefined ? undefined : records.at(-1)?.requestId };
  }

  /** Records of a lane with ids from `first` to before `before`, page by page; what was written just now may be missing. */
  async *between(lane: Unit, range: { first: string; before: string }): AsyncGenerator<readonly UsageRecord[]> {
    let before: string | undefined = range.before;
    while (before !== undefined && before > range.first) {
      const { records, after } = await this.#ofLane(lane, { first: range.first, before, most: recordsPerPage });
      yield records;
      before = after;
    }
  }

  async hasRecords(lane: Unit): Promise<boolean> {
    const { Count = 0 } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: "#partition = :partition",
        ExpressionAttributeNames: { "#partition": "partition" },
        ExpressionAttributeValues: { ":partition": recordsOf(lane) },
        Select: "COUNT",
        Limit: 1,
      }),
    );
    return Count > 0;
  }

  /** A lane's records page by page, oldest first, strongly consistent: what memory holds is one page of 1 MB. */
  async *lane(lane: Unit): AsyncGenerator<readonly LaneRecord[]> {
    let from: Record<string, unknown> | undefined;
    do {
      const { Items = [], LastEvaluatedKey } = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "#partition = :partition",
          ExpressionAttributeNames: { "#partition": "partition" },
          ExpressionAttributeValues: { ":partition": recordsOf(lane) },
          ConsistentRead: true,
          ExclusiveStartKey: from,
        }),
      );
      yield Items.map(({ partition: _partition, ...record }) => record as unknown as LaneRecord);
      from = LastEvaluatedKey;
    } while (from !== undefined);
  }
}

/** The ledger wrote it from a checked record. */
function withoutPlace({
  partition: _partition,
  expiresAt: _expiresAt,
  ...record
}: Record<string, unknown>): UsageRecord {
  return record as unknown as UsageRecord;
}

/** The largest text that an id below `before` can be: ids have 26 characters. */
function justBefore(before: string): string {
  const last = before.at(-1) ?? "0";
  return `${before.slice(0, -1)}${String.fromCodePoint((last.codePointAt(0) ?? 1) - 1)}~`;
}
