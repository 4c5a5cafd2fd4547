// Slots in the RelayAccounts table: one item per shard of an account, with its leases and its sums. Every write may be repeated.
import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  QueryCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { slotItem, slotOfItem, slotsPrefix, snapshotPartition } from "./scheduling/account-items.ts";
import { dayOf, minuteOf } from "./scheduling/account-load.ts";
import type { OrphanSlots } from "./scheduling/find-orphan.ts";
import type { Slot, SlotFigures } from "./scheduling/slot.ts";
import type { SlotStore, StaleSums } from "./scheduling/slot-book.ts";

/** Between a look at a full shard and the write that clears it, others may do the same. */
const mostTurns = 4;

/**
 * A shard that nobody used for so long goes by itself: of an account that was deleted while others still chose it, too. Only
 * its sums of two days are of use, and its leases end within minutes.
 */
const unusedSeconds = 7 * 86_400;

/** Expired leases cleared in one write: an expression has 4 KB. */
const mostClearedAtOnce = 25;

/** Of 1 MB each. */
const mostPages = 20;

interface Write {
  readonly update: string;
  readonly condition: string;
  readonly names: Names;
  readonly values: Values;
}

type Leases = Readonly<Record<string, AttributeValue>>;
type Names = Record<string, string>;
type Values = Record<string, AttributeValue>;

/** The plain client, not the document client: these two calls are made for every request. */
export class SlotsStore implements SlotStore, OrphanSlots {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** See SlotStore. A lease that is there under the same request id is our own, whose answer was lost. */
  async take(slot: Slot, capacity: number, requestId: string, until: number, now: number): Promise<boolean> {
    let write = addLease(capacity);
    for (let turn = 0; turn < mostTurns; turn += 1) {
      const names = { ...lastUseNames, "#leases": "leases", "#id": requestId, ...write.names };
      const values = { ":until": number(until), ...lastUse(now), ...write.values };
      const found = await this.#update(slot, write.update, write.condition, names, values);
      if (found === "done") return true;
      const leases = found.leases?.M;
      if (leases === undefined) {
        if (await this.#begin(slot, requestId, until, now)) return true;
        continue;
      }
      if (leases[requestId] !== undefined) return true;
      const present = Object.keys(leases).length;
      const expired = expiredOf(leases, now);
      if (present - expired.length >= capacity) return false;
      write = present < capacity ? addLease(capacity) : replaceExpired(present, expired);
    }
    return false;
  }

  /** See SlotStore. Without its lease nothing is added: it was given back before, or it was over. */
  async release(
    slot: Slot,
    requestId: string,
    figures: SlotFigures | undefined,
    stale: StaleSums,
    now: number,
  ): Promise<void> {
    const sums = figures === undefined ? [] : sumsOf(figures, now);
    const dropped = [...stale.minutes.flatMap((minute) => [`a${minute}`, `e${minute}`, `f${minute}`])];
    dropped.push(...stale.days.map((day) => `c${day}`));
    const names: Names = { "#leases": "leases", "#id": requestId };
    const values: Values = {};
    for (const [at, [name, sum]] of sums.entries()) {
      names[`#s${at}`] = name;
      values[`:s${at}`] = number(sum);
    }
    for (const [at, name] of dropped.entries()) names[`#d${at}`] = name;
    const added = sums.length === 0 ? "" : `ADD ${sums.map((_, at) => `#s${at} :s${at}`).join(", ")} `;
    const removed = ["#leases.#id", ...dropped.map((_, at) => `#d${at}`)].join(", ");
    await this.#update(slot, `${added}REMOVE ${removed}`, "attribute_exists(#leases.#id)", names, values);
  }

  /** See OrphanSlots. Looks at all slots: for requests whose end nobody saw alone, of which there are few. */
  async find(requestId: string): Promise<Slot | undefined> {
    let from: Record<string, AttributeValue> | undefined;
    for (let pages = 0; pages < mostPages; pages += 1) {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "#partition = :partition AND begins_with(#item, :slots)",
          FilterExpression: "attribute_exists(#leases.#id)",
          ProjectionExpression: "#item",
          ExpressionAttributeNames: {
            "#partition": "partition",
            "#item": "item",
            "#leases": "leases",
            "#id": requestId,
          },
          ExpressionAttributeValues: { ":partition": { S: snapshotPartition }, ":slots": { S: slotsPrefix } },
          ExclusiveStartKey: from,
        }),
      );
      const item = page.Items?.[0]?.item?.S;
      if (item !== undefined) return { ...slotOfItem(item), shown: undefined };
      from = page.LastEvaluatedKey;
      if (from === undefined) return undefined;
    }
    return undefined;
  }

  /** The shard's first lease. False: somebody else began it. */
  async #begin(slot: Slot, requestId: string, until: number, now: number): Promise<boolean> {
    const found = await this.#update(
      slot,
      `SET #leases = :leases, ${setLastUse}`,
      "attribute_not_exists(#leases)",
      { "#leases": "leases", ...lastUseNames },
      { ":leases": { M: { [requestId]: number(until) } }, ...lastUse(now) },
    );
    return found === "done";
  }

  /** Answers the item as it is where the condition does not hold. */
  async #update(
    { accountId, shard }: Slot,
    update: string,
    condition: string,
    names: Names,
    values: Values,
  ): Promise<"done" | Readonly<Record<string, AttributeValue>>> {
    try {
      await this.#client.send(
        new UpdateItemCommand({
          TableName: this.#table,
          Key: { partition: { S: snapshotPartition }, item: { S: slotItem(accountId, shard) } },
          UpdateExpression: update,
          ConditionExpression: condition,
          ExpressionAttributeNames: names,
          ...(Object.keys(values).length > 0 && { ExpressionAttributeValues: values }),
          ReturnValuesOnConditionCheckFailure: "ALL_OLD",
        }),
      );
      return "done";
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return error.Item ?? {};
      throw error;
    }
  }
}

const setLastUse = "#lastAt = :now, #expiresAt = :expiresAt";
const lastUseNames = { "#lastAt": "lastAt", "#expiresAt": "expiresAt" };
const setLease = `SET #leases.#id = :until, ${setLastUse}`;

function lastUse(now: number): Values {
  return { ":now": number(now), ":expiresAt": number(Math.ceil(now / 1000) + unusedSeconds) };
}

function addLease(capacity: number): Write {
  return {
    update: setLease,
    condition: "attribute_exists(#leases) AND attribute_not_exists(#leases.#id) AND size(#leases) < :capacity",
    names: {},
    values: { ":capacity": number(capacity) },
  };
}

/** Exactly these go, and the shard does not grow: whoever else cleared it meanwhile makes this write fail. */
function replaceExpired(present: number, expired: readonly [string, AttributeValue][]): Write {
  const paths = expired.map((_, at) => `#leases.#x${at}`);
  return {
    update: `${setLease} REMOVE ${paths.join(", ")}`,
    condition: [
      "attribute_not_exists(#leases.#id) AND size(#leases) <= :present",
      ...paths.map((path, at) => `${path} = :x${at}`),
    ].join(" AND "),
    names: Object.fromEntries(expired.map(([id], at) => [`#x${at}`, id])),
    values: {
      ":present": number(present),
      ...Object.fromEntries(expired.map(([, until], at) => [`:x${at}`, until])),
    },
  };
}

function sumsOf(figures: SlotFigures, now: number): [string, number][] {
  const { failed, firstByteMilliseconds, realNanoUsd, isCostAlone = false } = figures;
  const minute = minuteOf(now);
  const cost: [string, number][] = realNanoUsd > 0 ? [[`c${dayOf(now)}`, realNanoUsd]] : [];
  if (isCostAlone) return cost;
  return [
    [`a${minute}`, 1],
    ...(failed ? [[`e${minute}`, 1] as [string, number]] : []),
    ...(!failed && firstByteMilliseconds !== undefined
      ? [[`f${minute}`, Math.round(firstByteMilliseconds)] as [string, number]]
      : []),
    ...cost,
  ];
}

function expiredOf(leases: Leases, now: number): [string, AttributeValue][] {
  return Object.entries(leases)
    .filter(([, until]) => Number(until.N) <= now)
    .slice(0, mostClearedAtOnce);
}

function number(value: number): AttributeValue {
  return { N: String(value) };
}
