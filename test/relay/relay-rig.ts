// The relay on the local cloud, for one test file: real template, bundle, gateway, tables and KMS, and the providers' stand-in.
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { KMSClient } from "@aws-sdk/client-kms";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { DynamoDBDocumentClient, GetCommand, QueryCommand } from "@aws-sdk/lib-dynamodb";
import type * as z from "zod";
import { AccountsStore } from "../../lambdas/relay/accounts.store.ts";
import type { UsageRecord } from "../../lambdas/relay/counting/usage-record.ts";
import { encryptCredential } from "../../lambdas/relay/credentials/envelope.ts";
import { CredentialsStore } from "../../lambdas/relay/credentials.store.ts";
import { DataKeysStore } from "../../lambdas/relay/data-keys.store.ts";
import { KeysStore } from "../../lambdas/relay/keys.store.ts";
import { hashClientKey, makeClientKey, maskOf } from "../../lambdas/relay/ledger/client-key.ts";
import { type KeyPolicy, keyPolicySchema } from "../../lambdas/relay/ledger/key-policy.ts";
import { usagePlaceOf } from "../../lambdas/relay/ledger/usage-item.ts";
import type { Platform } from "../../lambdas/relay/platform.ts";
import { type Account, type AccountSettings, accountSettingsSchema } from "../../lambdas/relay/scheduling/account.ts";
import { bootCloud, type LocalCloud } from "../../local/cloud.ts";
import { Clock } from "../../local/rig/clock.ts";
import { Faults } from "../../local/rig/faults.ts";
import { stopSchedules } from "../stop-schedules.ts";
import { testAssembly } from "../test-assembly.ts";

export interface RelayRigOptions {
  readonly seed?: number;
  /** Default: time passes as it does. */
  readonly clock?: Clock;
}

/** A client key, as its holder has it, and as the ledger knows it. */
export interface RigKey {
  readonly keyId: string;
  readonly text: string;
}

const providers: Readonly<Record<Platform, string>> = {
  anthropic: "anthropic-compatible",
  openai: "openai-compatible",
  gemini: "gemini",
};

export class RelayRig {
  readonly cloud: LocalCloud;
  readonly faults: Faults;
  readonly accounts: AccountsStore;
  readonly keys: KeysStore;
  readonly documents: DynamoDBDocumentClient;
  readonly #folder: string;
  readonly #credentials: CredentialsStore;
  readonly #dataKeys: DataKeysStore;
  #pepper: string | undefined;
  #accounts = 0;

  private constructor(cloud: LocalCloud, faults: Faults, folder: string) {
    this.cloud = cloud;
    this.faults = faults;
    this.#folder = folder;
    const client = new DynamoDBClient(cloud.clientConfig());
    this.documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
    const accountsTable = cloud.output("RelayAccountsTableName");
    this.accounts = new AccountsStore(this.documents, accountsTable);
    this.#credentials = new CredentialsStore(this.documents, accountsTable);
    this.keys = new KeysStore({
      client,
      keysTable: cloud.output("RelayKeysTableName"),
      now: () => this.now(),
      random: Math.random,
    });
    const keyId = `alias/causeway-local/relay-credentials`;
    this.#dataKeys = new DataKeysStore(new KMSClient(cloud.clientConfig()), keyId);
  }

  static async start({ seed = 1, clock = new Clock() }: RelayRigOptions = {}): Promise<RelayRig> {
    const folder = mkdtempSync(path.join(tmpdir(), "causeway-relay-"));
    const faults = new Faults(seed);
    const cloud = await bootCloud({
      assemblyDirectory: testAssembly,
      onlyStacks: ["data", "relay"],
      stateDirectory: folder,
      clock,
      faults,
      port: 0,
    });
    await stopSchedules(cloud);
    return new RelayRig(cloud, faults, folder);
  }

  now(): number {
    return this.cloud.clock.now();
  }

  /** What was written of accounts, groups, prices and settings is seen by the next request. */
  async passSnapshot(): Promise<void> {
    this.cloud.clock.advance(2500);
  }

  /** Where clients are pointed at, without a slash at its end. */
  get url(): string {
    return this.cloud.api.urlOf("RelayApi/Api");
  }

  /** An account at the stand-in, ready to serve. */
  async addAccount(
    platform: Platform,
    settings: Partial<z.input<typeof accountSettingsSchema>> = {},
    apiKey?: string,
  ): Promise<Account> {
    this.#accounts += 1;
    const accountId = `acc-${this.#accounts}-${randomUUID().slice(0, 8)}`;
    const now = this.now();
    const at = new Date(now).toISOString();
    const parsed: AccountSettings = accountSettingsSchema.parse({
      name: accountId,
      provider: providers[platform],
      settings: { baseUrl: this.cloud.aiUpstream.baseUrl(platform) },
      ...settings,
    });
    await this.accounts.create({
      ...parsed,
      ...{ accountId, platform, version: 1, credentialVersion: 0, createdAt: at, changedAt: at },
      condition: { state: "healthy", since: now, until: null, failures: 0 },
      familyConditions: {},
    });
    const credential = { apiKey: apiKey ?? this.cloud.aiUpstream.issueKey(platform, accountId) };
    const sealed = await encryptCredential(
      credential,
      { accountId, stage: "local", version: 1 },
      { dataKeys: this.#dataKeys, random: randomBytes },
    );
    await this.#credentials.put(accountId, sealed);
    return this.accounts.noteCredential(accountId, 1, 1, now);
  }

  async addKey(policy: Partial<z.input<typeof keyPolicySchema>> = {}, balanceNanoUsd = 0): Promise<RigKey> {
    const { keyId, text } = makeClientKey(randomBytes(64));
    const parsed: KeyPolicy = keyPolicySchema.parse(policy);
    await this.keys.create([
      {
        ...{
          keyId,
          hash: hashClientKey(await this.#readPepper(), text),
          masked: maskOf(text),
          name: "test",
          owner: "",
          tags: [],
        },
        ...{ policy: parsed, enabled: true, expiry: { kind: "never" }, balanceNanoUsd, by: "test" },
      },
    ]);
    return { keyId, text };
  }

  async #readPepper(): Promise<string> {
    const secrets = new SecretsManagerClient(this.cloud.clientConfig());
    const secret = new GetSecretValueCommand({ SecretId: "/local/relay/key-pepper" });
    this.#pepper ??= (await secrets.send(secret)).SecretString ?? "";
    return this.#pepper;
  }

  /** The record of a request, as soon as it is written. */
  async record(requestId: string | null): Promise<UsageRecord> {
    if (requestId === null) throw new Error("the answer tells no request id");
    return this.until(`the record of ${requestId}`, async () => {
      const TableName = this.cloud.output("RelayUsageTableName");
      const { Item } = await this.documents.send(
        new GetCommand({ TableName, Key: usagePlaceOf(requestId), ConsistentRead: true }),
      );
      return Item as UsageRecord | undefined;
    });
  }

  /** All records of a key, oldest first. */
  async recordsOf(key: RigKey): Promise<UsageRecord[]> {
    const { Items } = await this.documents.send(
      new QueryCommand({
        TableName: this.cloud.output("RelayUsageTableName"),
        IndexName: "byKey",
        KeyConditionExpression: "#keyId = :keyId",
        ExpressionAttributeNames: { "#keyId": "keyId" },
        ExpressionAttributeValues: { ":keyId": key.keyId },
      }),
    );
    return (Items ?? []) as UsageRecord[];
  }

  async until<Found>(what: string, look: () => Promise<Found | undefined>): Promise<Found> {
    const until = Date.now() + 60_000;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > until) throw new Error(`not within a minute: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async close(): Promise<void> {
    await this.cloud.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
