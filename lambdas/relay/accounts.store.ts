// Accounts in the RelayAccounts table: the snapshot by one query, and every change of an account, conditional on what was seen.
import {
  DeleteCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import { log } from "../shared/log.ts";
import type { Account, AccountCondition, AccountSettings, ProbeResult } from "./scheduling/account.ts";
import {
  accountAttributes,
  accountItem,
  readAccount,
  readSnapshot,
  snapshotPartition,
} from "./scheduling/account-items.ts";
import type { ConditionStore } from "./scheduling/conditions.ts";
import { healthy } from "./scheduling/next-condition.ts";
import type { Snapshot } from "./scheduling/snapshot.ts";

/** One query reads them all every two seconds. */
const mostAccounts = 500;

/** Pages of the snapshot, of 1 MB each. */
const mostPages = 20;

/** Accounts, or shards of one. */
const mostItems = 1000;

/** Others may change the account in between; so often in a row it does not happen. */
const mostTurns = 5;

type Item = Record<string, unknown>;

export class AccountsStore implements ConditionStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /**
   * Items that cannot be read are logged and left out: the others serve. `now`: milliseconds since 1970. `consistent` for whoever
   * decides by it alone; a request need not.
   */
  async readSnapshot(now: number, { consistent = false } = {}): Promise<Snapshot> {
    const items: Item[] = [];
    let from: Item | undefined;
    let pages = 0;
    do {
      pages += 1;
      if (pages > mostPages)
        throw new CausewayError("UnexpectedFailure", "The relay has more accounts than it can read.");
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "#partition = :partition",
          ExpressionAttributeNames: { "#partition": "partition" },
          ExpressionAttributeValues: { ":partition": snapshotPartition },
          ConsistentRead: consistent,
          ExclusiveStartKey: from,
        }),
      );
      items.push(...(page.Items ?? []));
      from = page.LastEvaluatedKey;
    } while (from !== undefined);
    const { snapshot, problems } = readSnapshot(items, now);
    for (const problem of problems) log.error("an item of the relay's accounts cannot be read", { problem });
    return snapshot;
  }

  /** A consistent read. */
  async account(accountId: string): Promise<Account | undefined> {
    const { Item } = await this.#client.send(
      new GetCommand({ TableName: this.#table, Key: keyOf(accountId), ConsistentRead: true }),
    );
    return Item === undefined ? undefined : readAccount(Item);
  }

  /** The account as it is there now: made by an earlier call with the same id, it stays. Throws `Conflict` beyond 500. */
  async create(account: Account): Promise<Account> {
    const present = await this.account(account.accountId);
    if (present !== undefined) return present;
    if ((await this.#itemsBeginning("a#")).length >= mostAccounts) {
      throw new CausewayError("Conflict", `There are ${mostAccounts} accounts, which are as many as there can be.`);
    }
    try {
      await this.#client.send(
        new PutCommand({
          TableName: this.#table,
          Item: { ...keyOf(account.accountId), ...accountAttributes(account) },
          ConditionExpression: "attribute_not_exists(#item)",
          ExpressionAttributeNames: { "#item": "item" },
        }),
      );
      return account;
    } catch (error) {
      if (!isErrorNamed(error, "ConditionalCheckFailedException")) throw error;
      return this.#existing(account.accountId);
    }
  }

  /**
   * Throws `PreconditionFailed` where it has another version, `NotFound`. `at`: RFC 3339. `credentialVersion`: of the
   * credential that comes with the change, noted in the same write, so that nobody sends the one before to a new address.
   */
  async change(
    accountId: string,
    seenVersion: number,
    settings: AccountSettings,
    at: string,
    credentialVersion?: number,
  ): Promise<Account> {
    const present = await this.#existing(accountId);
    const changed = { ...present, ...settings, version: seenVersion + 1, changedAt: at };
    const isReplaced = credentialVersion !== undefined;
    const next = isReplaced ? { ...well(changed, Date.parse(at)), credentialVersion } : changed;
    const attributes = isReplaced ? ["account", "condition", "familyConditions"] : ["account"];
    if (present.version === seenVersion && (await this.#put(present, next, attributes))) return next;
    const now = await this.#existing(accountId);
    // The SDK tried twice, and the answer to the first try was lost.
    if (now.version === next.version && now.changedAt === at) return now;
    throw changedMeanwhile();
  }

  /**
   * After another credential was kept: nothing that answers said of the old one counts any more. Throws `PreconditionFailed`
   * where the account has another version than `seenVersion`: the credential may not be meant for the address it has now.
   */
  async noteCredential(
    accountId: string,
    credentialVersion: number,
    seenVersion: number,
    now: number,
  ): Promise<Account> {
    const changedAt = new Date(now).toISOString();
    return this.#edit(accountId, (present) => {
      if (present.credentialVersion >= credentialVersion) return undefined;
      if (present.version !== seenVersion) throw changedMeanwhile();
      return { ...well(present, now), version: seenVersion + 1, credentialVersion, changedAt };
    });
  }

  /** By a person: whatever spoke against the account is forgotten, until an answer says it again. */
  async reset(accountId: string, now: number): Promise<Account> {
    return this.#edit(accountId, (present) => well(present, now));
  }

  /** Does nothing where the account is gone. */
  async keepProbe(accountId: string, lastProbe: ProbeResult): Promise<void> {
    await this.#set(accountId, "lastProbe", lastProbe);
  }

  /** States that events told of, by family. Does nothing where the account is gone. */
  async keepTold(accountId: string, told: Readonly<Record<string, string>>): Promise<void> {
    await this.#set(accountId, "told", told);
  }

  /** False: the family's condition is another one by now. */
  async dropFamily(accountId: string, family: string, seen: AccountCondition): Promise<boolean> {
    return this.#conditionally(
      new UpdateCommand({
        TableName: this.#table,
        Key: keyOf(accountId),
        UpdateExpression: "REMOVE #families.#family",
        ConditionExpression: "#families.#family.#since = :since AND #families.#family.#state = :state",
        ExpressionAttributeNames: {
          "#families": "familyConditions",
          "#family": family,
          "#since": "since",
          "#state": "state",
        },
        ExpressionAttributeValues: { ":since": seen.since, ":state": seen.state },
      }),
    );
  }

  async replaceCondition(
    accountId: string,
    family: string | undefined,
    seen: AccountCondition | undefined,
    next: AccountCondition,
  ): Promise<boolean> {
    const path = family === undefined ? "#condition" : "#families.#family";
    const isSeen = seen && `${path}.#since = :since AND ${path}.#state = :state AND ${path}.#failures = :failures`;
    return this.#conditionally(
      new UpdateCommand({
        TableName: this.#table,
        Key: keyOf(accountId),
        UpdateExpression: `SET ${path} = :next`,
        ConditionExpression: isSeen ?? `attribute_exists(#item) AND attribute_not_exists(${path})`,
        ExpressionAttributeNames: {
          ...(family === undefined
            ? { "#condition": "condition" }
            : { "#families": "familyConditions", "#family": family }),
          ...(seen === undefined
            ? { "#item": "item" }
            : { "#since": "since", "#state": "state", "#failures": "failures" }),
        },
        ExpressionAttributeValues: {
          ":next": next,
          ...(seen !== undefined && { ":since": seen.since, ":state": seen.state, ":failures": seen.failures }),
        },
      }),
    );
  }

  /** The account and its slots; requests that run go on and find nothing to give back. The history ends with its time. */
  async remove(accountId: string): Promise<void> {
    await this.#client.send(new DeleteCommand({ TableName: this.#table, Key: keyOf(accountId) }));
    for (const item of await this.#itemsBeginning(`s#${accountId}#`)) {
      await this.#client.send(
        new DeleteCommand({ TableName: this.#table, Key: { partition: snapshotPartition, item } }),
      );
    }
  }

  async #existing(accountId: string): Promise<Account> {
    const present = await this.account(accountId);
    if (present === undefined) throw new CausewayError("NotFound", "There is no such account.");
    return present;
  }

  /** Finds the next state anew from whatever others wrote. `undefined`: nothing is to be changed. */
  async #edit(accountId: string, next: (present: Account) => Account | undefined): Promise<Account> {
    for (let turn = 0; turn < mostTurns; turn += 1) {
      const present = await this.#existing(accountId);
      const wanted = next(present);
      if (wanted === undefined) return present;
      if (await this.#put(present, wanted, ["account", "condition", "familyConditions"])) return wanted;
    }
    throw new CausewayError("Conflict", "The account is changed by others all the time. Try again.");
  }

  /** Writes these attributes of `next`. False where the settings are others than those of `present`. */
  async #put(present: Account, next: Account, attributes: readonly string[]): Promise<boolean> {
    const all = accountAttributes(next);
    return this.#conditionally(
      new UpdateCommand({
        TableName: this.#table,
        Key: keyOf(next.accountId),
        UpdateExpression: `SET ${attributes.map((_, at) => `#n${at} = :v${at}`).join(", ")}`,
        ConditionExpression: "#account.#version = :version",
        ExpressionAttributeNames: {
          "#account": "account",
          "#version": "version",
          ...Object.fromEntries(attributes.map((attribute, at) => [`#n${at}`, attribute])),
        },
        ExpressionAttributeValues: {
          ":version": present.version,
          ...Object.fromEntries(attributes.map((attribute, at) => [`:v${at}`, all[attribute]])),
        },
      }),
    );
  }

  async #set(accountId: string, attribute: string, value: unknown): Promise<void> {
    await this.#conditionally(
      new UpdateCommand({
        TableName: this.#table,
        Key: keyOf(accountId),
        UpdateExpression: "SET #attribute = :value",
        ConditionExpression: "attribute_exists(#item)",
        ExpressionAttributeNames: { "#attribute": attribute, "#item": "item" },
        ExpressionAttributeValues: { ":value": value },
      }),
    );
  }

  async #conditionally(update: UpdateCommand): Promise<boolean> {
    try {
      await this.#client.send(update);
      return true;
    } catch (error) {
      if (isErrorNamed(error, "ConditionalCheckFailedException")) return false;
      throw error;
    }
  }

  /** Sort keys of the snapshot's items that begin so. */
  async #itemsBeginning(prefix: string): Promise<string[]> {
    const items: string[] = [];
    let from: Item | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "#partition = :partition AND begins_with(#item, :prefix)",
          ProjectionExpression: "#item",
          ExpressionAttributeNames: { "#partition": "partition", "#item": "item" },
          ExpressionAttributeValues: { ":partition": snapshotPartition, ":prefix": prefix },
          ConsistentRead: true,
          ExclusiveStartKey: from,
        }),
      );
      items.push(...(page.Items ?? []).map(({ item }) => String(item)));
      from = page.LastEvaluatedKey;
    } while (from !== undefined && items.length < mostItems);
    return items;
  }
}

function keyOf(accountId: string): { partition: string; item: string } {
  return { partition: snapshotPartition, item: accountItem(accountId) };
}

function changedMeanwhile(): CausewayError {
  return new CausewayError("PreconditionFailed", "The account was changed by somebody else. Read it again.");
}

function well(account: Account, now: number): Account {
  return { ...account, condition: healthy(now), familyConditions: {} };
}
