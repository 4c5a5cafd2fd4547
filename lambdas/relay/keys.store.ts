// Client keys for those who manage them, one at a time; key-lists.store.ts reads many. A change goes to the ledger's item first, under its version alone, so that it counts at once
// and never waits for the streams that run on the key; then to the item with its name, where the list is read.
import { randomUUID } from "node:crypto";
import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import { patientCall } from "../shared/patient-call.ts";
import { type Attribute, attributesOf, type StoredItem, text } from "./ledger/attributes.ts";
import {
  deletionChange,
  type ItemChange,
  type KeyChange,
  type KeyView,
  keyMetaOf,
  ledgerChange,
  type NewKey,
  newLedgerItem,
  newMetaItem,
  restorationChange,
  rotationChange,
  wasSecret,
} from "./ledger/kept-key.ts";
import { itemKeyOf, ledgerKeyOf } from "./ledger/key-item.ts";
import {
  type BalanceEntry,
  balanceEntryOf,
  balanceListing,
  balanceWrite,
  isWrittenBy,
  itemChangeWrite,
  keysListing,
  type MetaGroup,
  metaChangeWrite,
} from "./ledger/key-writes.ts";
import type { LedgerKey } from "./ledger/ledger.ts";
import type { Write } from "./ledger/write-expressions.ts";

export interface KeysOptions {
  readonly client: Pick<DynamoDBClient, "send">;
  readonly keysTable: string;
  readonly now: () => number;
  /** 0 to 1, for waits. */
  readonly random: () => number;
}

const metaKeyOf = (keyId: string) => ({ pk: text(`meta#${keyId}`) });
const isNew = { ConditionExpression: "attribute_not_exists(#pk)", ExpressionAttributeNames: { "#pk": "pk" } };
const entryKeyOf = (keyId: string, entryId: string) => ({ pk: text(`balance#${keyId}#${entryId}`) });

/** Against streams on the same item a transaction may need some tries. */
const mostAttempts = 12;
const keysAtOnce = 8;
/** Between reading a key and changing it, others may have changed it. */
const mostTurns = 5;

/** All methods throw `AwsUnavailable` where DynamoDB does not answer well. */
export class KeysStore {
  readonly #options: KeysOptions;

  constructor(options: KeysOptions) {
    this.#options = options;
  }

  /**
   * Those that are there already with the same secret stay as they are. Throws `Conflict` for one with another secret, when the
   * others are made. When it throws, nothing is on its way any more: the caller can take back what was made.
   */
  async create(keys: readonly NewKey[]): Promise<void> {
    const waiting = [...keys];
    const conflicts: unknown[] = [];
    const failures: unknown[] = [];
    const work = async () => {
      while (failures.length === 0) {
        const key = waiting.shift();
        if (key === undefined) return;
        await this.#createOne(key).catch((error: unknown) =>
          (isErrorNamed(error, "Conflict") ? conflicts : failures).push(error),
        );
      }
    };
    await Promise.all(Array.from({ length: keysAtOnce }, work));
    const [first] = [...failures, ...conflicts];
    if (first !== undefined) throw first;
  }

  /** Consistent. Undefined: there is none. */
  async read(keyId: string): Promise<KeyView | undefined> {
    const [item, meta] = await Promise.all([this.#get(itemKeyOf(keyId)), this.#get(metaKeyOf(keyId))]);
    return item && meta && { meta: keyMetaOf(meta), key: ledgerKeyOf(keyId, item) };
  }

  /**
   * `seen`: the version that the caller has seen; undefined: whatever it is. Counts at the next request, and at the next extension of
   * those that run. Throws `NotFound`, `PreconditionFailed`, or `Conflict` for a deleted key.
   */
  async change(keyId: string, seen: number | undefined, change: KeyChange, by: string): Promise<KeyView> {
    const version = await this.#changeItem(keyId, seen, (_item, key) => {
      if (key.isDeleted) throw new CausewayError("Conflict", `The key ${keyId} is deleted. Restore it first.`);
      return ledgerChange(change, key);
    });
    const { name, owner, tags, enabled } = change;
    const details = attributesOf({ name, owner, tags });
    await this.#changeMeta(keyId, "details", details, version, by);
    if (enabled !== undefined) await this.#changeMeta(keyId, "enabled", attributesOf({ enabled }), version, by);
    return this.#mustRead(keyId);
  }

  /** Switched off at once; what it used stays. A deleted key stays as it is. Throws `NotFound`. */
  async markDeleted(keyId: string, by: string): Promise<KeyView> {
    const now = this.#options.now();
    const version = await this.#changeItem(keyId, undefined, (_item, key) =>
      key.isDeleted ? undefined : deletionChange(now),
    );
    const deletedAt = new Date(now).toISOString();
    await this.#changeMeta(keyId, "deletedAt", attributesOf({ deletedAt }), version, by);
    return this.#mustRead(keyId);
  }

  /** As it was before it was deleted, switched on or off. Throws `NotFound`. */
  async restore(keyId: string, by: string): Promise<KeyView> {
    const version = await this.#changeItem(keyId, undefined, (item, key) =>
      key.isDeleted ? restorationChange(item) : undefined,
    );
    await this.#changeMeta(keyId, "deletedAt", {}, version, by);
    return this.#mustRead(keyId);
  }

  /**
   * A new secret; those before are taken until `overlapUntil` (milliseconds since 1970), or not at all if that is over. Repeated with
   * the same hash, it changes nothing. Throws `NotFound`, or `Conflict` for a deleted key, and for a secret that was rotated away
   * since: whoever repeats an old rotation must not bring back what was replaced because it had leaked.
   */
  async rotate(
    keyId: string,
    { hash, masked, overlapUntil }: { readonly hash: string; readonly masked: string; readonly overlapUntil: number },
    by: string,
  ): Promise<KeyView> {
    const version = await this.#changeItem(keyId, undefined, (item, key) => {
      if (wasSecret(item, key, hash)) {
        throw new CausewayError(
          "Conflict",
          `The key ${keyId} was rotated again since. Rotate it with another request.`,
        );
      }
      if (Object.hasOwn(key.secrets, hash)) return undefined;
      if (key.isDeleted) throw new CausewayError("Conflict", `The key ${keyId} is deleted. Restore it first.`);
      return rotationChange(hash, item, key, overlapUntil, this.#options.now());
    });
    await this.#changeMeta(keyId, "masked", attributesOf({ masked }), version, by);
    return this.#mustRead(keyId);
  }

  /**
   * Entry and balance in one transaction, once for each `entryId`. Throws `NotFound`; `Conflict` where the balance would leave its
   * bounds; `IdempotencyKeyReused` for an entry that is there with another amount.
   */
  async addToBalance(wanted: Omit<BalanceEntry, "at"> & { readonly keyId: string }): Promise<BalanceEntry> {
    const { keyId, entryId, kind, nanoUsd, note, by } = wanted;
    const entry = { entryId, at: this.#at(), kind, nanoUsd, note, by };
    const { client, keysTable: TableName } = this.#options;
    const kept = attributesOf({ ...entry, listing: balanceListing(keyId), createdAt: entry.at });
    const write = new TransactWriteItemsCommand({
      TransactItems: [
        { Put: { TableName, Item: { ...entryKeyOf(keyId, entryId), ...kept }, ...isNew } },
        { Update: { TableName, Key: itemKeyOf(keyId), ...balanceWrite(nanoUsd) } },
      ],
    });
    try {
      await this.#call(() => client.send(write));
      return entry;
    } catch (error) {
      if (!(error instanceof TransactionCanceledException)) throw error;
      const [ofEntry, ofKey] = (error.CancellationReasons ?? []).map(({ Code }) => Code === "ConditionalCheckFailed");
      if (ofEntry) return this.#entryThatIsThere(keyId, entry);
      if (!ofKey) throw error;
    }
    if ((await this.#get(itemKeyOf(keyId))) === undefined) throw unknownKey(keyId);
    throw new CausewayError("Conflict", "The balance would be beyond four million dollars.");
  }

  async #createOne(key: NewKey): Promise<void> {
    const { client, keysTable: TableName } = this.#options;
    const item = { ...itemKeyOf(key.keyId), ...newLedgerItem(key) };
    const meta = { ...metaKeyOf(key.keyId), ...newMetaItem(key, keysListing, this.#at()) };
    const items = [item, meta, ...this.#firstEntry(key)];
    const write = new TransactWriteItemsCommand({
      TransactItems: items.map((Item) => ({ Put: { TableName, Item, ...isNew } })),
    });
    try {
      await this.#call(() => client.send(write));
    } catch (error) {
      if (!(error instanceof TransactionCanceledException)) throw error;
      const present = await this.#get(itemKeyOf(key.keyId));
      if (present === undefined) throw error;
      if (present.h?.M?.[key.hash] !== undefined) return;
      throw new CausewayError("Conflict", `There is a key ${key.keyId} already, with another text.`);
    }
  }

  /** What a key begins with stands in its ledger, too: the sum of the entries is all that was ever paid in. */
  #firstEntry({ keyId, balanceNanoUsd: nanoUsd, by }: NewKey): Record<string, Attribute>[] {
    if (nanoUsd === 0) return [];
    const at = this.#at();
    const entry: BalanceEntry = { entryId: "first", at, kind: "top-up", nanoUsd, note: "What the key began with", by };
    const kept = attributesOf({ ...entry, listing: balanceListing(keyId), createdAt: at });
    return [{ ...entryKeyOf(keyId, entry.entryId), ...kept }];
  }

  /** The version after it. `plan` gives undefined where nothing is to be done. */
  async #changeItem(
    keyId: string,
    seen: number | undefined,
    plan: (item: StoredItem, key: LedgerKey) => ItemChange | undefined,
  ): Promise<number> {
    const changeId = randomUUID();
    for (let turn = 0; turn < mostTurns; turn += 1) {
      const item = await this.#get(itemKeyOf(keyId));
      if (item === undefined) throw unknownKey(keyId);
      const key = ledgerKeyOf(keyId, item);
      if (seen !== undefined && key.version !== seen) throw changedMeanwhile();
      const change = plan(item, key);
      if (change === undefined) return key.version;
      const write = itemChangeWrite(change, key.version, changeId);
      const before = await this.#write(itemKeyOf(keyId), write);
      if (before === undefined || isWrittenBy(before, key.version, changeId)) return key.version + 1;
      if (seen !== undefined) throw changedMeanwhile();
    }
    throw new CausewayError("AwsUnavailable", `The key ${keyId} changes without end.`);
  }

  /** Undefined: written. Else the item that did not meet the condition. */
  async #write(key: { readonly pk: { readonly S: string } }, write: Write): Promise<StoredItem | undefined> {
    const update = new UpdateItemCommand({
      TableName: this.#options.keysTable,
      Key: key,
      ...write,
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    try {
      await this.#call(() => this.#options.client.send(update));
      return undefined;
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      return (error.Item ?? {}) as StoredItem;
    }
  }

  /** Where a later change was quicker, or this one is there already, nothing is written. */
  async #changeMeta(
    keyId: string,
    group: MetaGroup,
    set: Readonly<Record<string, Attribute>>,
    version: number,
    by: string,
  ): Promise<void> {
    await this.#write(metaKeyOf(keyId), metaChangeWrite(group, set, version, { at: this.#at(), by }));
  }

  async #entryThatIsThere(keyId: string, wanted: BalanceEntry): Promise<BalanceEntry> {
    const item = await this.#get(entryKeyOf(keyId, wanted.entryId));
    const entry = item && balanceEntryOf(item);
    if (entry?.nanoUsd === wanted.nanoUsd && entry.kind === wanted.kind) return entry;
    throw new CausewayError("IdempotencyKeyReused", "There is an entry of this id already, with another amount.");
  }

  async #mustRead(keyId: string): Promise<KeyView> {
    const view = await this.read(keyId);
    if (view === undefined) throw unknownKey(keyId);
    return view;
  }

  async #get(key: { readonly pk: { readonly S: string } }): Promise<StoredItem | undefined> {
    const get = new GetItemCommand({ TableName: this.#options.keysTable, Key: key, ConsistentRead: true });
    return (await this.#call(() => this.#options.client.send(get))).Item as StoredItem | undefined;
  }

  /** Now, RFC 3339. */
  #at(): string {
    return new Date(this.#options.now()).toISOString();
  }

  #call<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    return patientCall(mostAttempts, this.#options.random, call);
  }
}

function unknownKey(keyId: string): CausewayError {
  return new CausewayError("NotFound", `There is no key ${keyId}.`);
}

function changedMeanwhile(): CausewayError {
  return new CausewayError(
    "PreconditionFailed",
    "The key has been changed since you saw it. Get it again, look at what changed, and repeat your change with the new ETag.",
  );
}
