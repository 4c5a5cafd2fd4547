// RelayKeys and RelayUsage on a real DynamoDB-compatible server, with keys, requests and records to try the ledger with, and a way to
// spoil any call: before it was made, or after it was made, so that only its answer is lost.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateTableCommand,
  DynamoDBClient,
  GetItemCommand,
  ScanCommand,
  TransactionCanceledException,
  TransactionConflictException,
} from "@aws-sdk/client-dynamodb";
import type * as z from "zod";
import type { UsageRecord } from "../../../../lambdas/relay/counting/usage-record.ts";
import { KeyListsStore } from "../../../../lambdas/relay/key-lists.store.ts";
import { KeysStore } from "../../../../lambdas/relay/keys.store.ts";
import type { StoredAttribute, StoredItem } from "../../../../lambdas/relay/ledger/attributes.ts";
import type { NewKey } from "../../../../lambdas/relay/ledger/kept-key.ts";
import { type KeyPolicy, keyPolicySchema } from "../../../../lambdas/relay/ledger/key-policy.ts";
import type { Lease, LedgerKey, ReserveRequest } from "../../../../lambdas/relay/ledger/ledger.ts";
import type { FindOrphan, Orphan } from "../../../../lambdas/relay/ledger/ledger-ports.ts";
import { LedgerStore } from "../../../../lambdas/relay/ledger.store.ts";
import { makeRequestId } from "../../../../lambdas/relay/request-id.ts";
import { noUsage } from "../../../../lambdas/relay/token-usage.ts";
import { startDynoxide } from "../../../../local/dynamodb/dynoxide-process.ts";

const keysTable = "RelayKeys";
const usageTable = "RelayUsage";

/** Of the commands' inputs, what tests look at. */
export interface CallInput {
  readonly TableName?: string;
  readonly Key?: StoredItem;
  readonly ConditionExpression?: string;
  readonly UpdateExpression?: string;
  readonly ExpressionAttributeNames?: Readonly<Record<string, string>>;
  readonly ExpressionAttributeValues?: StoredItem;
}

/** A call under way, as it would go over the wire. */
export interface Call {
  /** Such as `UpdateItemCommand`. */
  readonly command: string;
  readonly input: CallInput;
  /** Attempts of the SDK count one by one. */
  readonly nth: number;
}

/** Undefined: nothing happens to it. */
export type Spoil = (call: Call) => "lost-before" | "lost-after" | "conflict" | Error | undefined;

export type Observe = (call: Call, output: Readonly<Record<string, unknown>>) => void;

export const nanoDollar = 1_000_000_000;

/** An extension at the account that it was reserved for, whatever became of its key. */
export const stays = { accountId: "acc-1", renewed: () => undefined };

/** Of an orphan of which the accounts know nothing. */
export const nobody: Orphan = { accountId: "", provider: "", modelServed: "", count: async () => undefined };

export class LedgerTables implements AsyncDisposable {
  readonly client: DynamoDBClient;
  readonly keys: KeysStore;
  readonly lists: KeyListsStore;
  /** Milliseconds since 1970; every store that is not told otherwise reads it. */
  time = Date.parse("2026-11-20T12:00:00.000Z");
  readonly #url: string;
  readonly #close: () => Promise<void>;

  private constructor(url: string, close: () => Promise<void>) {
    this.#url = url;
    this.#close = close;
    this.client = this.newClient();
    this.keys = new KeysStore({ client: this.client, keysTable, now: () => this.time, random: Math.random });
    this.lists = new KeyListsStore({ client: this.client, keysTable, random: Math.random });
  }

  static async start(): Promise<LedgerTables> {
    const folder = mkdtempSync(join(tmpdir(), "causeway-ledger-"));
    const server = await startDynoxide(join(folder, "ledger.sqlite"), () => undefined);
    const tables = new LedgerTables(server.url, async () => {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    });
    await tables.#createTables();
    return tables;
  }

  async #createTables(): Promise<void> {
    const text = (AttributeName: string) => ({ AttributeName, AttributeType: "S" }) as const;
    await this.client.send(
      new CreateTableCommand({
        TableName: keysTable,
        BillingMode: "PAY_PER_REQUEST",
        AttributeDefinitions: [text("pk"), text("listing"), text("createdAt")],
        KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
        GlobalSecondaryIndexes: [
          {
            IndexName: "byCreation",
            KeySchema: [
              { AttributeName: "listing", KeyType: "HASH" },
              { AttributeName: "createdAt", KeyType: "RANGE" },
            ],
            Projection: { ProjectionType: "ALL" },
          },
        ],
      }),
    );
    await this.client.send(
      new CreateTableCommand({
        TableName: usageTable,
        BillingMode: "PAY_PER_REQUEST",
        AttributeDefinitions: [text("partition"), text("requestId")],
        KeySchema: [
          { AttributeName: "partition", KeyType: "HASH" },
          { AttributeName: "requestId", KeyType: "RANGE" },
        ],
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.destroy();
    await this.#close();
  }

  /** The SDK's own attempts are kept to two, so that ours are seen, too. */
  newClient(spoil: Spoil = () => undefined, observe: Observe = () => undefined): DynamoDBClient {
    const client = new DynamoDBClient({
      region: "eu-central-1",
      endpoint: this.#url,
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
      maxAttempts: 2,
    });
    let nth = 0;
    client.middlewareStack.add(
      (next, context) => async (args) => {
        nth += 1;
        const call = { command: String(context.commandName), input: inputOf(args), nth };
        const spoilt = spoil(call);
        if (spoilt instanceof Error) throw spoilt;
        if (spoilt === "conflict") throw conflictOf(call);
        if (spoilt === "lost-before") throw lost();
        try {
          const result = await next(args);
          observe(call, result.output as unknown as Readonly<Record<string, unknown>>);
          if (spoilt !== "lost-after") return result;
        } catch (error) {
          // A refusal that never arrives is as unknown as a success.
          if (spoilt !== "lost-after") throw error;
        }
        throw lost();
      },
      { step: "finalizeRequest", priority: "low", name: "spoil" },
    );
    return client;
  }

  newLedger(
    options: {
      readonly client?: Pick<DynamoDBClient, "send">;
      readonly now?: () => number;
      readonly random?: () => number;
      readonly findOrphan?: FindOrphan;
    } = {},
  ): LedgerStore {
    return new LedgerStore({
      client: options.client ?? this.client,
      keysTable,
      usageTable,
      now: options.now ?? (() => this.time),
      random: options.random ?? Math.random,
      recordDays: () => 90,
      findOrphan: options.findOrphan ?? (async () => nobody),
    });
  }

  async addKey(
    policy: z.input<typeof keyPolicySchema> = {},
    more: Partial<Omit<NewKey, "policy">> = {},
  ): Promise<LedgerKey> {
    const keyId = `k${randomBytes(6).toString("hex").slice(0, 11)}`;
    await this.keys.create([
      {
        ...{ keyId, hash: randomBytes(32).toString("hex"), masked: "cwk_…", name: "test", owner: "", tags: [] },
        ...{ policy: policyOf(policy), enabled: true, expiry: { kind: "never" }, balanceNanoUsd: 0, by: "test" },
        ...more,
      },
    ]);
    return this.readKey(more.keyId ?? keyId);
  }

  async readKey(keyId: string): Promise<LedgerKey> {
    const view = await this.keys.read(keyId);
    if (view === undefined) throw new Error(`there is no key ${keyId}`);
    return view.key;
  }

  async item(keyId: string): Promise<StoredItem> {
    const get = new GetItemCommand({ TableName: keysTable, Key: { pk: { S: `key#${keyId}` } }, ConsistentRead: true });
    return ((await this.client.send(get)).Item ?? {}) as StoredItem;
  }

  /** All records, by request id. */
  async records(): Promise<Map<string, UsageRecord>> {
    const records = new Map<string, UsageRecord>();
    let from: Record<string, never> | undefined;
    do {
      const scan = new ScanCommand({ TableName: usageTable, ConsistentRead: true, ExclusiveStartKey: from });
      const page = await this.client.send(scan);
      for (const item of (page.Items ?? []) as StoredItem[]) {
        const record = Object.fromEntries(Object.entries(item).map(([name, value]) => [name, plainOf(value)]));
        records.set(String(record.requestId), record as unknown as UsageRecord);
      }
      from = page.LastEvaluatedKey as Record<string, never> | undefined;
    } while (from !== undefined);
    return records;
  }

  requestId(at = this.time): string {
    return makeRequestId(at, randomBytes(16));
  }

  /** A request that may cost 1 dollar, unless `asked` says something else. */
  request(key: LedgerKey, asked: Partial<ReserveRequest> = {}): ReserveRequest {
    const now = asked.now ?? this.time;
    return {
      requestId: this.requestId(now),
      key,
      call: { platform: "anthropic", operation: "messages", model: "claude-opus-5", answers: "sse" },
      ...{ accountId: "acc-1", asksForCount: false },
      nanoUsd: nanoDollar,
      tokens: 1000,
      family: undefined,
      now,
      leaseUntil: now + 15 * 60_000,
      renewed: () => ({ nanoUsd: asked.nanoUsd ?? nanoDollar, tokens: asked.tokens ?? 1000 }),
      ...asked,
    };
  }

  more(nanoUsd: number, tokens = 100) {
    return { nanoUsd, tokens, now: this.time, leaseUntil: this.time + 15 * 60_000, ...stays };
  }
}

export function policyOf(policy: z.input<typeof keyPolicySchema>): KeyPolicy {
  return keyPolicySchema.parse(policy);
}

/** The record of a request that went well, and cost so much. */
export function recordOf(
  lease: Pick<Lease, "requestId" | "keyId">,
  chargedNanoUsd: number,
  more: Partial<UsageRecord> = {},
): UsageRecord {
  return {
    ...{ requestId: lease.requestId, keyId: lease.keyId, accountId: "acc-1", provider: "anthropic" },
    ...{ platform: "anthropic", operation: "messages", modelAsked: "claude-opus-5", modelServed: "claude-opus-5" },
    ...{ family: "opus", usage: noUsage, usageSource: "reported", chargedNanoUsd, realNanoUsd: chargedNanoUsd },
    ...{ reservedNanoUsd: 0, overrunNanoUsd: 0, priceVersion: "v1", outcome: "ok", reason: "", status: 200 },
    ...{ stream: true, startedAt: "2026-11-20T12:00:00.000Z", endedAt: "2026-11-20T12:00:01.000Z" },
    ...{ firstByteMilliseconds: 100, milliseconds: 1000, extensions: 0, accountsTried: 1, client: "", network: "" },
    ...more,
  };
}

/** Answers one of the first calls of this kind so, and all others as they are. */
export function spoilOnce(command: string, how: "lost-before" | "lost-after" | "conflict", times = 1): Spoil {
  let left = times;
  return (call) => {
    if (call.command !== command || left === 0) return undefined;
    left -= 1;
    return how;
  };
}

function conflictOf({ command }: Call): Error {
  const message = "Transaction is ongoing for the item";
  if (command !== "TransactWriteItemsCommand") return new TransactionConflictException({ message, $metadata: {} });
  const CancellationReasons = [{ Code: "None" }, { Code: "TransactionConflict", Message: message }];
  return new TransactionCanceledException({ message: "Transaction cancelled", CancellationReasons, $metadata: {} });
}

/** Of a process that ends in the middle: from the first call of this kind on, none gets through. */
export function killedAt(command: string): Spoil {
  let isDead = false;
  return (call) => {
    isDead ||= call.command === command;
    return isDead ? new Error("killed") : undefined;
  };
}

function lost(): Error {
  return Object.assign(new Error("socket hang up"), { code: "ECONNRESET", name: "TimeoutError" });
}

function inputOf(args: object): CallInput {
  return "input" in args ? (args.input as CallInput) : {};
}

function plainOf(attribute: StoredAttribute): unknown {
  if (attribute.S !== undefined) return attribute.S;
  if (attribute.N !== undefined) return Number(attribute.N);
  if (attribute.BOOL !== undefined) return attribute.BOOL;
  if (attribute.M === undefined) return null;
  return Object.fromEntries(Object.entries(attribute.M).map(([name, value]) => [name, plainOf(value)]));
}
