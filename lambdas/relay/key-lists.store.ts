// Lists of client keys and of what changed a balance, a page at a time; and what all keys have used. It changes nothing.
import { type DynamoDBClient, QueryCommand, ScanCommand } from "@aws-sdk/client-dynamodb";
import { patientCall } from "../shared/patient-call.ts";
import { type StoredItem, text } from "./ledger/attributes.ts";
import { type KeyMeta, keyMetaOf } from "./ledger/kept-key.ts";
import { keyPrefix, ledgerKeyOf, reservedByWindow } from "./ledger/key-item.ts";
import { type BalanceEntry, balanceEntryOf, balanceListing, keysListing } from "./ledger/key-writes.ts";
import type { LedgerKey } from "./ledger/ledger.ts";

export interface KeyListsOptions {
  readonly client: Pick<DynamoDBClient, "send">;
  readonly keysTable: string;
  /** 0 to 1, for waits. */
  readonly random: () => number;
}

export interface KeysQuestion {
  /** 1 to 100. */
  readonly most: number;
  /** The position that the page before ended at. */
  readonly after?: string | undefined;
  readonly owner?: string | undefined;
  readonly tag?: string | undefined;
  readonly enabled?: boolean | undefined;
  /** Default: only those that are not. */
  readonly deleted?: boolean | undefined;
}

/** What a key has used, and what of that is only reserved, by window name; nano-USD. */
export interface KeyFigures {
  readonly key: LedgerKey;
  readonly reserved: Readonly<Record<string, number>>;
}

const mostAttempts = 12;
/** Of a filtered list: so many are looked at in one query, and so many queries are made for one page. */
const looksPerQuery = 100;
const mostQueriesPerPage = 5;
const keysPerPage = 200;

/** All methods throw `AwsUnavailable` where DynamoDB does not answer well. */
export class KeyListsStore {
  readonly #options: KeyListsOptions;

  constructor(options: KeyListsOptions) {
    this.#options = options;
  }

  /** The newest first; a moment behind. A page may be short, even empty: the list ends where there is no position. */
  async list(
    question: KeysQuestion,
  ): Promise<{ readonly metas: readonly KeyMeta[]; readonly position: string | undefined }> {
    const metas: KeyMeta[] = [];
    let { after } = question;
    for (let query = 0; query < mostQueriesPerPage; query += 1) {
      const page = await this.#queryListing(keysListing, looksPerQuery, after);
      after = page.position;
      for (const item of page.items) {
        const meta = keyMetaOf(item);
        if (!matches(meta, question)) continue;
        metas.push(meta);
        if (metas.length < question.most) continue;
        const isLast = item === page.items.at(-1) && page.position === undefined;
        return { metas, position: isLast ? undefined : positionOf(item) };
      }
      if (after === undefined) break;
    }
    return { metas, position: after };
  }

  /** Top-ups and adjustments, the newest first; a moment behind. */
  async listBalance(
    keyId: string,
    { most, after }: { readonly most: number; readonly after?: string | undefined },
  ): Promise<{ readonly entries: readonly BalanceEntry[]; readonly position: string | undefined }> {
    const { items, position } = await this.#queryListing(balanceListing(keyId), most, after);
    return { entries: items.map(balanceEntryOf), position };
  }

  /** One page of all keys, deleted ones too, with what they have used. Without `after`: the first. */
  async figures(
    after?: string,
  ): Promise<{ readonly keys: readonly KeyFigures[]; readonly position: string | undefined }> {
    const scan = new ScanCommand({
      TableName: this.#options.keysTable,
      Limit: keysPerPage,
      FilterExpression: "begins_with(#pk, :key)",
      ExpressionAttributeNames: { "#pk": "pk" },
      ExpressionAttributeValues: { ":key": text(keyPrefix) },
      ExclusiveStartKey: after === undefined ? undefined : { pk: text(after) },
    });
    const answer = await this.#call(() => this.#options.client.send(scan));
    const keys = ((answer.Items ?? []) as StoredItem[]).map((item) => ({
      key: ledgerKeyOf((item.pk?.S ?? "").slice(keyPrefix.length), item),
      reserved: reservedByWindow(item),
    }));
    return { keys, position: answer.LastEvaluatedKey?.pk?.S };
  }

  async #queryListing(
    listing: string,
    most: number,
    after: string | undefined,
  ): Promise<{ readonly items: readonly StoredItem[]; readonly position: string | undefined }> {
    const [pk, createdAt] = (after ?? "").split("@");
    const query = new QueryCommand({
      TableName: this.#options.keysTable,
      IndexName: "byCreation",
      KeyConditionExpression: "#listing = :listing",
      ExpressionAttributeNames: { "#listing": "listing" },
      ExpressionAttributeValues: { ":listing": text(listing) },
      ScanIndexForward: false,
      Limit: most,
      ExclusiveStartKey:
        pk && createdAt ? { pk: text(pk), listing: text(listing), createdAt: text(createdAt) } : undefined,
    });
    const answer = await this.#call(() => this.#options.client.send(query));
    const last = answer.LastEvaluatedKey as StoredItem | undefined;
    return { items: (answer.Items ?? []) as StoredItem[], position: last && positionOf(last) };
  }

  #call<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    return patientCall(mostAttempts, this.#options.random, call);
  }
}

function matches(meta: KeyMeta, { owner, tag, enabled, deleted = false }: KeysQuestion): boolean {
  return (
    (meta.deletedAt !== undefined) === deleted &&
    (owner === undefined || meta.owner === owner) &&
    (tag === undefined || meta.tags.includes(tag)) &&
    (enabled === undefined || meta.enabled === enabled)
  );
}

function positionOf(item: StoredItem): string {
  return `${item.pk?.S ?? ""}@${item.createdAt?.S ?? ""}`;
}
