// The RelayTotals table: rows of figures by unit, the marks of units that are to be counted anew, and a few notes of the watch.
//   partition <unit's partition>   item <key|account|provider|platform|model>   figures, generation, expiresAt
//                                  item ~                                       recordsUntil (of a lane)
//   partition dirty                item <level's number>#<unit's partition>     marks, markedAt, claimedBy, claimedUntil
//   partition notes                item <name>                                  note, expiresAt
import { randomUUID } from "node:crypto";
import {
  DeleteCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import { areSame, type Figures, figureNames, rowKeyNames, rowPrefixOf } from "./counting/figures.ts";
import type { Claim, StoredRow, StoredRows } from "./counting/roll-up.ts";
import { levels, partitionOf, type Unit, unitOf } from "./counting/units.ts";

const dirty = "dirty";
const notes = "notes";
/** Behind every row's item: none begins with it. */
const laneItem = "~";

/** Of one unit. Beyond it something is wrong: 20,000 rows, one for each further key and account, and some that became nothing. */
const mostRows = 200_000;
/** Looked at for marks that nobody holds. */
const mostMarks = 2000;

interface StoredClaim extends Claim {
  readonly token: string;
}

export class TotalsStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async mark(unit: Unit, now: number): Promise<void> {
    await this.#client.send(
      new UpdateCommand({
        TableName: this.#table,
        Key: markKey(unit),
        UpdateExpression: "ADD #marks :one SET #markedAt = if_not_exists(#markedAt, :now)",
        ExpressionAttributeNames: { "#marks": "marks", "#markedAt": "markedAt" },
        ExpressionAttributeValues: { ":one": 1, ":now": now },
      }),
    );
  }

  /** See RollUpAllPorts. */
  async marked(most: number, now: number): Promise<Unit[]> {
    const found: Unit[] = [];
    for await (const items of this.#query(dirty, mostMarks)) {
      for (const { item, claimedUntil } of items) {
        if (typeof claimedUntil === "number" && claimedUntil >= now) continue;
        const unit = unitOf(String(item).replace(/^\d+#/, ""));
        if (unit !== undefined) found.push(unit);
        if (found.length >= most) return found;
      }
    }
    return found;
  }

  /** How many units wait to be counted anew, up to 2,000. */
  async countMarked(): Promise<number> {
    let count = 0;
    for await (const items of this.#query(dirty, mostMarks)) count += items.length;
    return count;
  }

  /** See RollUpPorts. */
  async claim(unit: Unit, now: number, until: number): Promise<Claim | undefined> {
    const token = randomUUID();
    try {
      const { Attributes } = await this.#client.send(
        new UpdateCommand({
          TableName: this.#table,
          Key: markKey(unit),
          UpdateExpression: "SET #claimedBy = :token, #claimedUntil = :until",
          // With its own token a repetition of the call, whose answer was lost, is a success.
          ConditionExpression:
            "attribute_exists(#marks) AND (attribute_not_exists(#claimedUntil) OR #claimedUntil < :now OR #claimedBy = :token)",
          ExpressionAttributeNames: { "#marks": "marks", "#claimedBy": "claimedBy", "#claimedUntil": "claimedUntil" },
          ExpressionAttributeValues: { ":token": token, ":until": until, ":now": now },
          ReturnValues: "ALL_NEW",
        }),
      );
      const claim: StoredClaim = { unit, marks: Number(Attributes?.marks), token };
      return claim;
    } catch (error) {
      if (isErrorNamed(error, "ConditionalCheckFailedException")) return undefined;
      throw error;
    }
  }

  async finish(claim: Claim): Promise<void> {
    const { unit, marks, token } = claim as StoredClaim;
    const common = { TableName: this.#table, Key: markKey(unit) };
    try {
      await this.#client.send(
        new DeleteCommand({
          ...common,
          ConditionExpression: "attribute_not_exists(#marks) OR (#marks = :marks AND #claimedBy = :token)",
          ExpressionAttributeNames: { "#marks": "marks", "#claimedBy": "claimedBy" },
          ExpressionAttributeValues: { ":marks": marks, ":token": token },
        }),
      );
    } catch (error) {
      if (!isErrorNamed(error, "ConditionalCheckFailedException")) throw error;
      await this.#release(common, token);
    }
  }

  /** Marked again meanwhile: it is to be counted again, by anybody. */
  async #release(common: { TableName: string; Key: Record<string, string> }, token: string): Promise<void> {
    try {
      await this.#client.send(
        new UpdateCommand({
          ...common,
          UpdateExpression: "REMOVE #claimedBy, #claimedUntil",
          ConditionExpression: "#claimedBy = :token",
          ExpressionAttributeNames: { "#claimedBy": "claimedBy", "#claimedUntil": "claimedUntil" },
          ExpressionAttributeValues: { ":token": token },
        }),
      );
    } catch (error) {
      if (!isErrorNamed(error, "ConditionalCheckFailedException")) throw error;
    }
  }

  /**
   * Strongly consistent. `keyId`: only this key's, so that no holder of one is answered by reading all of them. Throws
   * `UnexpectedFailure` for a unit of more rows than there can be.
   */
  async rows(unit: Unit, keyId?: string): Promise<StoredRows> {
    const rows: StoredRow[] = [];
    let recordsUntil: number | undefined;
    const prefix = keyId === undefined ? undefined : rowPrefixOf(keyId);
    for await (const items of this.#query(partitionOf(unit), mostRows, prefix)) {
      for (const item of items) {
        if (item.item === laneItem) recordsUntil = Number(item.recordsUntil);
        else rows.push(readRow(item));
      }
    }
    return { rows, recordsUntil };
  }

  /** See RollUpPorts. */
  async writeRow(unit: Unit, { figures, generation, ...row }: StoredRow, expiresAt?: number): Promise<boolean> {
    try {
      await this.#client.send(
        new PutCommand({
          TableName: this.#table,
          Item: { ...row, partition: partitionOf(unit), ...figures, generation, expiresAt },
          ConditionExpression: "attribute_not_exists(#generation) OR #generation < :generation",
          ExpressionAttributeNames: { "#generation": "generation" },
          ExpressionAttributeValues: { ":generation": generation },
        }),
      );
      return true;
    } catch (error) {
      if (!isErrorNamed(error, "ConditionalCheckFailedException")) throw error;
      return this.#isThere(unit, row.item, { figures, generation });
    }
  }

  /** A repetition of a call whose answer was lost meets its own row. */
  async #isThere(unit: Unit, item: string, written: Pick<StoredRow, "figures" | "generation">): Promise<boolean> {
    const { Item } = await this.#client.send(
      new GetCommand({ TableName: this.#table, Key: { partition: partitionOf(unit), item }, ConsistentRead: true }),
    );
    if (Item === undefined) return false;
    const there = readRow(Item);
    return there.generation === written.generation && areSame(there.figures, written.figures);
  }

  async writeRecordsUntil(lane: Unit, recordsUntil: number, generation: number, expiresAt: number): Promise<void> {
    await this.#client.send(
      new PutCommand({
        TableName: this.#table,
        Item: { partition: partitionOf(lane), item: laneItem, recordsUntil, generation, expiresAt },
      }),
    );
  }

  /** What the watch remembers from one time to the next. */
  async note(name: string): Promise<string | undefined> {
    const { Item } = await this.#client.send(
      new GetCommand({ TableName: this.#table, Key: { partition: notes, item: name }, ConsistentRead: true }),
    );
    return typeof Item?.note === "string" ? Item.note : undefined;
  }

  async putNote(name: string, note: string, expiresAt?: number): Promise<void> {
    await this.#client.send(
      new PutCommand({ TableName: this.#table, Item: { partition: notes, item: name, note, expiresAt } }),
    );
  }

  async #rowsOf(partition: string, prefix: string | undefined, from: Record<string, unknown> | undefined) {
    const hasPrefix = prefix !== undefined;
    return this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: `#partition = :partition${hasPrefix ? " AND begins_with(#item, :prefix)" : ""}`,
        ExpressionAttributeNames: { "#partition": "partition", ...(hasPrefix && { "#item": "item" }) },
        ExpressionAttributeValues: { ":partition": partition, ...(hasPrefix && { ":prefix": prefix }) },
        ConsistentRead: true,
        ExclusiveStartKey: from,
      }),
    );
  }

  async *#query(partition: string, most: number, prefix?: string): AsyncGenerator<readonly Record<string, unknown>[]> {
    let from: Record<string, unknown> | undefined;
    let count = 0;
    do {
      const { Items = [], LastEvaluatedKey } = await this.#rowsOf(partition, prefix, from);
      count += Items.length;
      if (count > most && partition !== dirty) {
        throw new CausewayError("UnexpectedFailure", `RelayTotals has more than ${most} rows in ${partition}.`);
      }
      yield Items;
      from = count > most ? undefined : LastEvaluatedKey;
    } while (from !== undefined);
  }
}

function markKey(unit: Unit): { partition: string; item: string } {
  return { partition: dirty, item: `${levels.indexOf(unit.level)}#${partitionOf(unit)}` };
}

function readRow(item: Readonly<Record<string, unknown>>): StoredRow {
  const names = Object.fromEntries(rowKeyNames.map((name) => [name, String(item[name] ?? "")]));
  return {
    ...(names as Record<(typeof rowKeyNames)[number], string>),
    item: String(item.item),
    generation: Number(item.generation),
    figures: readFigures(item),
  };
}

/** A figure that is younger than its row is 0. */
function readFigures(item: Readonly<Record<string, unknown>>): Figures {
  return Object.fromEntries(figureNames.map((name) => [name, Number(item[name] ?? 0)])) as Record<
    keyof Figures,
    number
  >;
}
