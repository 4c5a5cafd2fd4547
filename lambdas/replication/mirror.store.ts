// The Mirror table: one item per mirrored key, with its lease. Every write of a holder is conditional on its fence.
import {
  BatchGetCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  QueryCommand,
  UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import { pause } from "../shared/retry.ts";
import {
  type HeldKey,
  type MirroredVersion,
  type MirrorFailure,
  type MirrorItem,
  type MirrorRun,
  type MirrorUpload,
  waitingList,
} from "./mirror/mirror-item.ts";

export interface Wish {
  readonly sourceKey: string;
  readonly targetKey: string;
  /** Of the invocation or execution; told apart from every other one's. */
  readonly holder: string;
  /** RFC 3339: since when the object waits, if it does not wait already. */
  readonly since: string;
  readonly now: string;
  readonly expiresAt: string;
}

/** What a holder leaves behind for good: the key waits no longer. */
export interface Settlement {
  /** The last wish that the holder has seen. */
  readonly wanted: number;
  readonly mirrored?: MirroredVersion | undefined;
  /** S3 holds nothing there: OSS keeps what it has. */
  readonly deletedAt?: string | undefined;
  /** OSS does not have it any more either. */
  readonly isRemoved?: boolean;
  /** The key can never be mirrored. */
  readonly lastError?: MirrorFailure | undefined;
}

/** What a holder leaves behind while the key goes on waiting. */
export interface Unfinished {
  readonly lastError?: MirrorFailure | undefined;
  readonly mirrored?: MirroredVersion | undefined;
  readonly run?: MirrorRun | undefined;
  readonly isRemoved?: boolean;
}

/** BatchGetItem takes this many keys. */
const keysPerBatchGet = 100;
const mostBatchGetRounds = 10;
const firstBatchPauseMilliseconds = 50;
/** Between two writes of `take` another holder may let go, or take; so often in a row it does not happen. */
const mostTurns = 10;
const isHolder = "#fence = :fence AND attribute_exists(#lease)";
const wishing =
  "#wanted = if_not_exists(#wanted, :zero) + :one, #targetKey = :targetKey, " +
  "#waitingSince = if_not_exists(#waitingSince, :since), #listing = :listing";

type Values = Record<string, unknown>;

export class MirrorStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async read(sourceKey: string): Promise<MirrorItem | undefined> {
    const answer = await this.#client.send(
      new GetCommand({ TableName: this.#table, Key: { sourceKey }, ConsistentRead: true }),
    );
    return answer.Item as MirrorItem | undefined;
  }

  /** By key; keys without an item are absent. Any number of keys; not a consistent read. */
  async readMany(sourceKeys: readonly string[]): Promise<Map<string, MirrorItem>> {
    const items = new Map<string, MirrorItem>();
    for (let from = 0; from < sourceKeys.length; from += keysPerBatchGet) {
      let keys = sourceKeys.slice(from, from + keysPerBatchGet).map((sourceKey) => ({ sourceKey }));
      for (let round = 0; keys.length > 0; round += 1) {
        if (round >= mostBatchGetRounds) {
          throw new CausewayError("AwsUnavailable", "DynamoDB kept back keys of a batch.");
        }
        if (round > 0) await pause(firstBatchPauseMilliseconds * 2 ** round);
        const answer = await this.#client.send(
          new BatchGetCommand({ RequestItems: { [this.#table]: { Keys: keys } } }),
        );
        for (const item of answer.Responses?.[this.#table] ?? []) items.set(item.sourceKey, item as MirrorItem);
        keys = (answer.UnprocessedKeys?.[this.#table]?.Keys ?? []) as { sourceKey: string }[];
      }
    }
    return items;
  }

  /** Those that wait since before `before` (RFC 3339), the longest first. */
  async waiting(options: { before: string; most: number }): Promise<MirrorItem[]> {
    const items: MirrorItem[] = [];
    let from: Record<string, unknown> | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          IndexName: "byWaiting",
          KeyConditionExpression: "#listing = :listing AND #waitingSince < :before",
          ExpressionAttributeNames: { "#listing": "listing", "#waitingSince": "waitingSince" },
          ExpressionAttributeValues: { ":listing": waitingList, ":before": options.before },
          Limit: options.most - items.length,
          ExclusiveStartKey: from,
        }),
      );
      items.push(...((page.Items ?? []) as MirrorItem[]));
      from = page.LastEvaluatedKey;
    } while (from !== undefined && items.length < options.most);
    return items;
  }

  /**
   * Notes the wish and takes the lease, in one write. Undefined: somebody else holds it, the wish was noted while they
   * did, and they look for it in the write with which they let go. From here on the wish cannot be lost: the item waits.
   */
  async take(wish: Wish): Promise<MirrorItem | undefined> {
    const { sourceKey, targetKey, holder, since, now, expiresAt } = wish;
    const values = {
      ":targetKey": targetKey,
      ":since": since,
      ":listing": waitingList,
      ":zero": 0,
      ":one": 1,
      ":now": now,
    };
    for (let turn = 0; turn < mostTurns; turn += 1) {
      const taken = await this.#conditionally(
        sourceKey,
        `SET ${wishing}, #fence = if_not_exists(#fence, :zero) + :one, #lease = :lease`,
        // The holder itself: the answer to its first write was lost.
        "attribute_not_exists(#lease) OR #lease.#expiresAt < :now OR #lease.#holder = :holder",
        { ...values, ":lease": { holder, expiresAt }, ":holder": holder },
      );
      if (taken !== undefined) return taken;
      const noted = await this.#conditionally(
        sourceKey,
        `SET ${wishing}`,
        "attribute_exists(#lease) AND #lease.#expiresAt >= :now",
        values,
      );
      if (noted !== undefined) return undefined;
    }
    throw new CausewayError("MirrorLeaseHeld", `The lease of ${sourceKey} changes hands all the time.`);
  }

  /** Throws `MirrorLeaseLost` when it has been taken over. */
  async renew(held: HeldKey, expiresAt: string): Promise<MirrorItem> {
    return this.#asHolder(held, "SET #lease.#expiresAt = :expiresAt", { ":expiresAt": expiresAt });
  }

  async keepUpload(held: HeldKey, upload: MirrorUpload): Promise<void> {
    await this.#asHolder(held, "SET #upload = :upload", { ":upload": upload });
  }

  /** Keeps why a worker gave up: the map above it learns only that some child failed. A lost lease is no reason to fail. */
  async noteError(held: HeldKey, lastError: MirrorFailure): Promise<void> {
    const values = { ":lastError": lastError, ":fence": held.fence };
    await this.#conditionally(held.sourceKey, "SET #lastError = :lastError", isHolder, values);
  }

  /**
   * Lets go for good, unless a wish came that the holder has not seen: then the item as it is now, and the lease is kept.
   * Undefined: let go. Throws `MirrorLeaseLost`.
   */
  async settle(held: HeldKey, settlement: Settlement): Promise<MirrorItem | undefined> {
    const { sourceKey, fence } = held;
    const { wanted, mirrored, deletedAt, isRemoved, lastError } = settlement;
    const set = { mirrored, deletedAt, lastError };
    const removed = ["lease", "waitingSince", "listing", "upload", "run"];
    if (deletedAt === undefined) removed.push("deletedAt");
    if (isRemoved) removed.push("mirrored");
    if (lastError === undefined) removed.push("lastError");
    const done = await this.#conditionally(
      sourceKey,
      `${setting({ ...set, settledFence: fence })} REMOVE ${removed.map((name) => `#${name}`).join(", ")}`,
      `${isHolder} AND #wanted = :wanted`,
      { ...valuesOf(set), ":settledFence": fence, ":fence": fence, ":wanted": wanted },
    );
    if (done !== undefined) return undefined;
    const now = await this.read(sourceKey);
    // A write whose answer was lost is sent again by the SDK, and finds its own work done.
    if (now?.settledFence === fence) return undefined;
    if (now?.fence !== fence || now.lease === undefined) throw leaseLost(sourceKey);
    return now;
  }

  /** Lets go while the key goes on waiting. A lease that was lost is no reason to fail: somebody else works on it. */
  async giveBack(held: HeldKey, { isRemoved, ...left }: Unfinished): Promise<void> {
    await this.#conditionally(
      held.sourceKey,
      `${setting(left)} REMOVE #lease${isRemoved ? ", #mirrored" : ""}`,
      isHolder,
      { ...valuesOf(left), ":fence": held.fence },
    );
  }

  async #asHolder(held: HeldKey, update: string, values: Values): Promise<MirrorItem> {
    const item = await this.#conditionally(held.sourceKey, update, isHolder, { ...values, ":fence": held.fence });
    if (item === undefined) throw leaseLost(held.sourceKey);
    return item;
  }

  /** The item as it is afterwards; undefined when the condition does not hold. */
  async #conditionally(sourceKey: string, update: string, condition: string, values: Values) {
    // Attributes are written `#name` throughout: many of their names are words that DynamoDB keeps for itself.
    const names = `${update} ${condition}`.match(/#\w+/g) ?? [];
    try {
      const answer = await this.#client.send(
        new UpdateCommand({
          TableName: this.#table,
          Key: { sourceKey },
          UpdateExpression: update,
          ConditionExpression: condition,
          ExpressionAttributeNames: Object.fromEntries(names.map((name) => [name, name.slice(1)])),
          ExpressionAttributeValues: values,
          ReturnValues: "ALL_NEW",
        }),
      );
      return answer.Attributes as MirrorItem;
    } catch (error) {
      if (isErrorNamed(error, "ConditionalCheckFailedException")) return undefined;
      throw error;
    }
  }
}

/** `SET #a = :a, …` for what is given; nothing for nothing. */
function setting(attributes: Values): string {
  const given = Object.keys(attributes).filter((name) => attributes[name] !== undefined);
  return given.length === 0 ? "" : `SET ${given.map((name) => `#${name} = :${name}`).join(", ")}`;
}

function valuesOf(attributes: Values): Values {
  const given = Object.entries(attributes).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [`:${name}`, value]));
}

function leaseLost(sourceKey: string): CausewayError {
  return new CausewayError("MirrorLeaseLost", `Somebody else holds the lease of ${sourceKey} now.`);
}
