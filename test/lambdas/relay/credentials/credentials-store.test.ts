// The store of credentials on the local cloud's DynamoDB and KMS: versions follow one on another, and each is found by its own.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { KMSClient } from "@aws-sdk/client-kms";
import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  decryptCredential,
  encryptCredential,
  type SealedCredential,
} from "../../../../lambdas/relay/credentials/envelope.ts";
import { CredentialsStore } from "../../../../lambdas/relay/credentials.store.ts";
import { DataKeysStore } from "../../../../lambdas/relay/data-keys.store.ts";
import { startDynamodbService } from "../../../../local/dynamodb/dynamodb-service.ts";
import { createKmsService } from "../../../../local/kms/kms.ts";
import { accountId as awsAccount, region, type ServiceRig, startServiceRig } from "../../../local/service-rig.ts";

const table = "RelayAccounts";
const folder = mkdtempSync(join(tmpdir(), "causeway-credentials-"));
let rig: ServiceRig<{ kms: ReturnType<typeof createKmsService> }>;
let dataKeys: DataKeysStore;
let documents: DynamoDBDocumentClient;
let store: CredentialsStore;

beforeAll(async () => {
  const dynamodb = await startDynamodbService({
    region,
    accountId: awsAccount,
    stateDirectory: folder,
    authorize: () => undefined,
  });
  await dynamodb.addTable({
    tableName: table,
    arn: `arn:aws:dynamodb:${region}:${awsAccount}:table/${table}`,
    keySchema: [
      { AttributeName: "partition", KeyType: "HASH" },
      { AttributeName: "item", KeyType: "RANGE" },
    ],
    attributeDefinitions: ["partition", "item"].map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
    globalSecondaryIndexes: [],
    localSecondaryIndexes: [],
    timeToLiveAttribute: "expiresAt",
    streamViewType: undefined,
  });
  rig = await startServiceRig((context) => ({ dynamodb, kms: createKmsService(context) }));
  documents = DynamoDBDocumentClient.from(new DynamoDBClient(rig.clientSettings()));
  dataKeys = new DataKeysStore(
    new KMSClient(rig.clientSettings()),
    rig.services.kms.createKey({ logicalId: "Key" }).arn,
  );
  store = new CredentialsStore(documents, table);
});

afterAll(async () => {
  await rig.close();
  rmSync(folder, { recursive: true, force: true });
});

const seal = (accountId: string, version: number, apiKey = `key ${version}`): Promise<SealedCredential> =>
  encryptCredential({ apiKey }, { accountId, stage: "test", version }, { dataKeys, random: randomBytes });

async function open(accountId: string, version: number): Promise<unknown> {
  const sealed = await store.get(accountId, version);
  return sealed && decryptCredential(sealed, { accountId, stage: "test" }, dataKeys);
}

describe("credentials", () => {
  it("are none at first", async () => {
    expect(await store.version("nobody")).toBe(0);
    expect(await store.get("nobody", 1)).toBeUndefined();
  });

  it("are found by their version, the one before too, so that a change leaves no gap and crosses nothing", async () => {
    for (const version of [1, 2]) await store.put("a", await seal("a", version));
    expect(await store.version("a")).toBe(2);
    expect(await open("a", 1)).toEqual({ apiKey: "key 1" });
    expect(await open("a", 2)).toEqual({ apiKey: "key 2" });
    expect(await open("a", 3)).toBeUndefined();
  });

  it("are three at most: the oldest are gone for good", async () => {
    for (let version = 1; version <= 6; version += 1) await store.put("b", await seal("b", version));
    expect(await Promise.all([3, 4, 5, 6].map((version) => open("b", version)))).toEqual([
      undefined,
      ...[4, 5, 6].map((version) => ({ apiKey: `key ${version}` })),
    ]);
  });

  it("follow one on another: of two who change at the same time one hears that it was too late", async () => {
    await store.put("c", await seal("c", 1));
    const [one, other] = [await seal("c", 2, "one"), await seal("c", 2, "other")];
    const results = await Promise.allSettled([store.put("c", one), store.put("c", other)]);
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused).toHaveLength(1);
    expect(refused[0]?.reason).toMatchObject({ name: "PreconditionFailed" });
    const winner = results[0]?.status === "fulfilled" ? "one" : "other";
    expect(await open("c", 2)).toEqual({ apiKey: winner });
  });

  it("leave out no version", async () => {
    await expect(store.put("d", await seal("d", 2))).rejects.toMatchObject({ name: "PreconditionFailed" });
    await store.put("d", await seal("d", 1));
    await expect(store.put("d", await seal("d", 1, "another"))).rejects.toMatchObject({ name: "PreconditionFailed" });
    await expect(store.put("d", await seal("d", 3))).rejects.toMatchObject({ name: "PreconditionFailed" });
  });

  it("may be put twice: a write whose answer was lost is no conflict", async () => {
    const sealed = await seal("e", 1);
    await store.put("e", sealed);
    await store.put("e", sealed);
    expect(await store.version("e")).toBe(1);
  });

  it("are gone when they are removed", async () => {
    await store.put("f", await seal("f", 1));
    await store.remove("f");
    expect(await store.version("f")).toBe(0);
    await store.put("f", await seal("f", 1));
  });

  it("are opened by KMS for their own account and stage alone", async () => {
    const sealed = await seal("h", 1);
    for (const elsewhere of [
      { accountId: "g", stage: "test" },
      { accountId: "h", stage: "prod" },
    ]) {
      await expect(decryptCredential(sealed, elsewhere, dataKeys)).rejects.toMatchObject({
        name: "CredentialUnreadable",
      });
    }
    const other = new DataKeysStore(
      new KMSClient(rig.clientSettings()),
      rig.services.kms.createKey({ logicalId: "Other" }).arn,
    );
    const opening = decryptCredential(sealed, { accountId: "h", stage: "test" }, other);
    await expect(opening).rejects.toMatchObject({ name: "CredentialUnreadable" });
  });

  it("lie in a partition of their own, where nothing of them can be read", async () => {
    await store.put("g", await seal("g", 1, "very-secret"));
    const { Item } = await documents.send(
      new GetCommand({ TableName: table, Key: { partition: "cred#g", item: "credential" } }),
    );
    expect(Item).toMatchObject({ version: 1 });
    expect(JSON.stringify(Item)).not.toContain("very-secret");
  });
});
