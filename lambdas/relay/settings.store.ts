// Settings, groups and price overrides in the RelayAccounts table: they lie in the snapshot's partition, and count with it.
import {
  DeleteCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
} from "@aws-sdk/lib-dynamodb";
import * as z from "zod";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import type { Price } from "./counting/price.ts";
import type { FormerRecordDays } from "./counting/rebuild.ts";
import {
  groupItem,
  priceItem,
  readGroup,
  readPrice,
  readSettings,
  settingsItem,
  snapshotPartition,
} from "./scheduling/account-items.ts";
import type { Group } from "./scheduling/group.ts";
import { type RelaySettings, relaySettingsSchema } from "./settings.ts";

/** Each is read with every snapshot. */
const mostGroups = 200;
const mostOverrides = 1000;

/** More than both, so that a list is whole. */
const mostListed = 2000;

const readFormer = z.array(z.object({ recordDays: z.number(), until: z.number() })).optional();

type Item = Record<string, unknown>;

export interface VersionedSettings {
  readonly settings: RelaySettings;
  /** 0: nobody has changed them yet. */
  readonly version: number;
  /** Absent: records were always kept as long as now. */
  readonly formerRecordDays?: readonly FormerRecordDays[];
}

export class SettingsStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** A consistent read. */
  async settings(): Promise<VersionedSettings> {
    const item = await this.#get(settingsItem);
    if (item === undefined) return { settings: relaySettingsSchema.parse({}), version: 0 };
    const former = readFormer.parse(item.formerRecordDays);
    const versioned = { settings: readSettings(item), version: Number(item.version) };
    return former === undefined ? versioned : { ...versioned, formerRecordDays: former };
  }

  /** The new version. Throws `PreconditionFailed` where somebody else changed them since `seenVersion`. */
  async putSettings(
    settings: RelaySettings,
    seenVersion: number,
    formerRecordDays?: readonly FormerRecordDays[],
  ): Promise<number> {
    try {
      await this.#client.send(
        new PutCommand({
          TableName: this.#table,
          Item: { ...keyOf(settingsItem), value: settings, version: seenVersion + 1, formerRecordDays },
          ConditionExpression: seenVersion === 0 ? "attribute_not_exists(#version)" : "#version = :seen",
          ExpressionAttributeNames: { "#version": "version" },
          ...(seenVersion > 0 && { ExpressionAttributeValues: { ":seen": seenVersion } }),
        }),
      );
    } catch (error) {
      if (!isErrorNamed(error, "ConditionalCheckFailedException")) throw error;
      // The SDK tried twice, and the answer to the first try was lost.
      const present = await this.settings();
      const isOwn = present.version === seenVersion + 1 && isSame(present.settings, settings);
      if (!isOwn) throw new CausewayError("PreconditionFailed", "The settings were changed by somebody else.");
    }
    return seenVersion + 1;
  }

  async groups(): Promise<Group[]> {
    return (await this.#list("g#")).map(readGroup);
  }

  /** Of two at once the last one counts. Throws `Conflict` beyond 200 groups. */
  async putGroup(group: Group): Promise<void> {
    await this.#put("g#", groupItem(group.group), group, mostGroups);
  }

  /** Keys that are bound to it are served by no account from then on. */
  async removeGroup(group: string): Promise<boolean> {
    return this.#remove(groupItem(group));
  }

  async overrides(): Promise<Price[]> {
    return (await this.#list("p#")).map(readPrice);
  }

  /** One per platform, model and moment; the last one counts. Throws `Conflict` beyond 1000. */
  async putOverride(price: Price): Promise<void> {
    await this.#put("p#", priceItem(price), price, mostOverrides);
  }

  async removeOverride(price: Pick<Price, "platform" | "model" | "effectiveFrom">): Promise<boolean> {
    return this.#remove(priceItem(price));
  }

  async #put(prefix: string, item: string, value: unknown, most: number): Promise<void> {
    const present = await this.#list(prefix);
    if (present.length >= most && !present.some((each) => each.item === item)) {
      throw new CausewayError("Conflict", `There are ${most} already, which are as many as there can be.`);
    }
    await this.#client.send(new PutCommand({ TableName: this.#table, Item: { ...keyOf(item), value } }));
  }

  /** False: it was not there. */
  async #remove(item: string): Promise<boolean> {
    const { Attributes } = await this.#client.send(
      new DeleteCommand({ TableName: this.#table, Key: keyOf(item), ReturnValues: "ALL_OLD" }),
    );
    return Attributes !== undefined;
  }

  async #get(item: string): Promise<Item | undefined> {
    const { Item } = await this.#client.send(
      new GetCommand({ TableName: this.#table, Key: keyOf(item), ConsistentRead: true }),
    );
    return Item;
  }

  async #list(prefix: string): Promise<Item[]> {
    const items: Item[] = [];
    let from: Item | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "#partition = :partition AND begins_with(#item, :prefix)",
          ExpressionAttributeNames: { "#partition": "partition", "#item": "item" },
          ExpressionAttributeValues: { ":partition": snapshotPartition, ":prefix": prefix },
          ConsistentRead: true,
          ExclusiveStartKey: from,
        }),
      );
      items.push(...(page.Items ?? []));
      from = page.LastEvaluatedKey;
    } while (from !== undefined && items.length < mostListed);
    return items;
  }
}

function keyOf(item: string): { partition: string; item: string } {
  return { partition: snapshotPartition, item };
}

/** Both went through the same schema, so that their fields stand in the same order. */
function isSame(left: RelaySettings, right: RelaySettings): boolean {
  return JSON.stringify(relaySettingsSchema.parse(left)) === JSON.stringify(relaySettingsSchema.parse(right));
}
