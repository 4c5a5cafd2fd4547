// Secrets Manager under the official client: versions, stages, deletion, restarts.
import { statSync } from "node:fs";
import { join } from "node:path";
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  PutSecretValueCommand,
  RestoreSecretCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  UpdateSecretCommand,
} from "@aws-sdk/client-secrets-manager";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createSecretsManagerService } from "../../../local/secrets-manager/secrets-manager.ts";
import { accountId, region, type ServiceRig, startServiceRig } from "../service-rig.ts";

const start = () =>
  startServiceRig((context) => ({
    secrets: createSecretsManagerService(context, { keyArnOf: (keyId) => `arn:of:${keyId}` }),
  }));

let rig: ServiceRig<{ secrets: ReturnType<typeof createSecretsManagerService> }>;
let client: SecretsManagerClient;

beforeEach(async () => {
  rig = await start();
  client = new SecretsManagerClient(rig.clientSettings());
});
afterEach(async () => {
  client.destroy();
  expect(rig.defects).toEqual([]);
  await rig.close();
});

const token = (text: string) => text.padEnd(32, "0");

describe("values and versions", () => {
  test("a secret is read by name, by ARN and by the ARN without its random characters", async () => {
    const created = await client.send(new CreateSecretCommand({ Name: "/dev/aliyun", SecretString: "one" }));
    expect(created.ARN).toMatch(
      new RegExp(`^arn:aws:secretsmanager:${region}:${accountId}:secret:/dev/aliyun-[A-Za-z0-9]{6}$`),
    );
    for (const SecretId of ["/dev/aliyun", created.ARN, created.ARN?.slice(0, -7)]) {
      const read = await client.send(new GetSecretValueCommand({ SecretId }));
      expect(read).toMatchObject({ SecretString: "one", VersionId: created.VersionId, VersionStages: ["AWSCURRENT"] });
      expect(read.CreatedDate).toBeInstanceOf(Date);
    }
    await expect(
      client.send(new GetSecretValueCommand({ SecretId: `${created.ARN?.slice(0, -6)}zzzzzz` })),
    ).rejects.toMatchObject({ name: "ResourceNotFoundException" });
  });

  test("a new value moves AWSCURRENT, the one before becomes AWSPREVIOUS", async () => {
    await client.send(new CreateSecretCommand({ Name: "key", SecretString: "one" }));
    await client.send(new PutSecretValueCommand({ SecretId: "key", SecretString: "two" }));
    await client.send(new UpdateSecretCommand({ SecretId: "key", SecretString: "three", Description: "third" }));
    const current = await client.send(new GetSecretValueCommand({ SecretId: "key" }));
    const previous = await client.send(new GetSecretValueCommand({ SecretId: "key", VersionStage: "AWSPREVIOUS" }));
    expect([current.SecretString, previous.SecretString]).toEqual(["three", "two"]);
    const described = await client.send(new DescribeSecretCommand({ SecretId: "key" }));
    expect(described.Description).toBe("third");
    expect(described.VersionIdsToStages).toEqual({
      [current.VersionId ?? ""]: ["AWSCURRENT"],
      [previous.VersionId ?? ""]: ["AWSPREVIOUS"],
    });
    await expect(
      client.send(
        new GetSecretValueCommand({ SecretId: "key", VersionId: previous.VersionId, VersionStage: "AWSCURRENT" }),
      ),
    ).rejects.toMatchObject({ name: "InvalidRequestException" });
  });

  test("a version put under its own label does not become current until it is moved", async () => {
    await client.send(new CreateSecretCommand({ Name: "key", SecretBinary: Buffer.from([0, 255]) }));
    const pending = { SecretId: "key", SecretString: "next", VersionStages: ["AWSPENDING"] };
    await client.send(new PutSecretValueCommand(pending));
    const current = await client.send(new GetSecretValueCommand({ SecretId: "key" }));
    expect(current.SecretBinary).toEqual(new Uint8Array([0, 255]));
    const waiting = await client.send(new GetSecretValueCommand({ SecretId: "key", VersionStage: "AWSPENDING" }));
    expect(waiting.SecretString).toBe("next");
  });

  test("the same token with the same value is a retry, with another value a clash", async () => {
    const first = { Name: "key", SecretString: "one", ClientRequestToken: token("a") };
    const created = await client.send(new CreateSecretCommand(first));
    expect(await client.send(new CreateSecretCommand(first))).toMatchObject({ ARN: created.ARN });
    const second = { SecretId: "key", SecretString: "two", ClientRequestToken: token("b") };
    await client.send(new PutSecretValueCommand(second));
    const again = await client.send(new PutSecretValueCommand(second));
    expect(again).toMatchObject({ VersionId: token("b"), VersionStages: ["AWSCURRENT"] });
    const clash = { name: "ResourceExistsException" };
    await expect(client.send(new PutSecretValueCommand({ ...second, SecretString: "x" }))).rejects.toMatchObject(clash);
    await expect(client.send(new CreateSecretCommand({ Name: "key", SecretString: "x" }))).rejects.toMatchObject(clash);
  });
});

describe("deletion", () => {
  test("a deleted secret is kept for its window, can be restored, and is gone afterwards", async () => {
    await client.send(new CreateSecretCommand({ Name: "key", SecretString: "one" }));
    const deletion = { SecretId: "key", RecoveryWindowInDays: 7 };
    await client.send(new DeleteSecretCommand(deletion));
    const read = () => client.send(new GetSecretValueCommand({ SecretId: "key" }));
    await expect(read()).rejects.toMatchObject({ name: "InvalidRequestException" });
    expect((await client.send(new ListSecretsCommand({}))).SecretList).toEqual([]);
    await client.send(new RestoreSecretCommand({ SecretId: "key" }));
    expect((await read()).SecretString).toBe("one");
    await client.send(new DeleteSecretCommand(deletion));
    rig.clock.advance(7 * 86_400_000 + 1);
    client.destroy();
    client = new SecretsManagerClient(rig.clientSettings());
    await expect(read()).rejects.toMatchObject({ name: "ResourceNotFoundException" });
  });

  test("a deletion without recovery frees the name at once", async () => {
    const first = await client.send(new CreateSecretCommand({ Name: "key", SecretString: "one" }));
    await client.send(new DeleteSecretCommand({ SecretId: "key", ForceDeleteWithoutRecovery: true }));
    const second = await client.send(new CreateSecretCommand({ Name: "key", SecretString: "two" }));
    expect(second.ARN).not.toBe(first.ARN);
  });
});

test("secrets can be listed by prefix, page by page", async () => {
  for (const name of ["/dev/a", "/dev/b", "/prod/c"]) {
    await client.send(new CreateSecretCommand({ Name: name, SecretString: "x" }));
  }
  const question = { Filters: [{ Key: "name" as const, Values: ["/dev/"] }], MaxResults: 1 };
  const first = await client.send(new ListSecretsCommand(question));
  const second = await client.send(new ListSecretsCommand({ ...question, NextToken: first.NextToken }));
  expect([first, second].map((page) => page.SecretList?.map((secret) => secret.Name))).toEqual([
    ["/dev/a"],
    ["/dev/b"],
  ]);
  expect(second.NextToken).toBeUndefined();
});

test("state survives a restart in a file that only its owner can read, and boot changes no existing value", async () => {
  const arn = rig.services.secrets.createSecret({ name: "boot", secretString: "from the template" }).arn;
  await client.send(new PutSecretValueCommand({ SecretId: "boot", SecretString: "put by the operator" }));
  await rig.restart();
  client.destroy();
  client = new SecretsManagerClient(rig.clientSettings());
  expect(rig.services.secrets.createSecret({ name: "boot", secretString: "from the template" }).arn).toBe(arn);
  const read = await client.send(new GetSecretValueCommand({ SecretId: arn }));
  expect(read.SecretString).toBe("put by the operator");
  expect(statSync(join(rig.context.stateDirectory, "secrets-manager.sqlite")).mode & 0o777).toBe(0o600);
});

test("a template may name the ARN, under which the secret is found", async () => {
  const arn = `arn:aws:secretsmanager:${region}:${accountId}:secret:named-AbC123`;
  expect(rig.services.secrets.createSecret({ name: "named", arn, secretString: "x" })).toEqual({ arn });
  expect((await client.send(new GetSecretValueCommand({ SecretId: arn }))).SecretString).toBe("x");
});

test("a secret that a template lets AWS invent gets a password inside its JSON", async () => {
  rig.services.secrets.createSecret({
    name: "invented",
    generate: { SecretStringTemplate: '{"user":"admin"}', GenerateStringKey: "password", ExcludePunctuation: true },
  });
  const read = await client.send(new GetSecretValueCommand({ SecretId: "invented" }));
  expect(JSON.parse(read.SecretString ?? "")).toEqual({
    user: "admin",
    password: expect.stringMatching(/^[A-Za-z0-9]{32}$/),
  });
});

describe("permissions and refusals", () => {
  test("each call asks for AWS's action on the secret's full ARN, and for its key where it has one", async () => {
    const { ARN } = await client.send(new CreateSecretCommand({ Name: "key", SecretString: "v", KmsKeyId: "alias/k" }));
    rig.authorized.length = 0;
    await client.send(new GetSecretValueCommand({ SecretId: "key" }));
    expect(rig.authorized).toMatchObject([
      { action: "secretsmanager:GetSecretValue", resource: ARN },
      { action: "kms:Decrypt", resource: "arn:of:alias/k", conditions: { "kms:EncryptionContext:SecretARN": ARN } },
    ]);
    rig.denied.add("kms:Decrypt");
    await expect(client.send(new GetSecretValueCommand({ SecretId: "key" }))).rejects.toThrow("may not kms:Decrypt");
  });

  test("who may not read a secret does not learn whether it exists", async () => {
    rig.denied.add("secretsmanager:GetSecretValue");
    await expect(client.send(new GetSecretValueCommand({ SecretId: "none" }))).rejects.toThrow("may not");
  });

  test("an unknown secret, an unknown operation and a bad member are each refused by name", async () => {
    await expect(client.send(new GetSecretValueCommand({ SecretId: "none" }))).rejects.toMatchObject({
      name: "ResourceNotFoundException",
    });
    await expect(client.send(new RotateSecretCommand({ SecretId: "none" }))).rejects.toThrow("RotateSecret");
    await expect(client.send(new CreateSecretCommand({ Name: "a b" }))).rejects.toThrow("Name: 1 to 512");
    await expect(
      client.send(new CreateSecretCommand({ Name: "a", AddReplicaRegions: [{ Region: "x" }] })),
    ).rejects.toThrow("AddReplicaRegions");
  });
});
