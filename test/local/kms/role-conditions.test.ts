// Roles that may use a key only with a certain encryption context: real policies, the official client.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DecryptCommand, EncryptCommand, GenerateDataKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Gateway, startGateway } from "../../../local/gateway/gateway.ts";
import { Iam } from "../../../local/iam/iam.ts";
import { createKmsService } from "../../../local/kms/kms.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";
import { accountId, region } from "../service-rig.ts";

const stateDirectory = mkdtempSync(path.join(tmpdir(), "kms-conditions-"));
const clock = new Clock();
let gateway: Gateway;
let keyId = "";
let writer: KMSClient;
let reader: KMSClient;

/** The writer encrypts accounts' credentials, the reader decrypts those of accounts whose name begins with `a-`. */
beforeAll(async () => {
  const iam = new Iam({ accountId, region, stateDirectory });
  const faults = new Faults();
  const kms = createKmsService({ clock, faults, authorize: iam.authorize, region, accountId, stateDirectory });
  const key = kms.createKey({ logicalId: "credentials" });
  keyId = key.keyId;
  const roleArn = (name: string) => `arn:aws:iam::${accountId}:role/${name}`;
  const trust = {
    Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "lambda.amazonaws.com" } }],
  };
  const role = (name: string, statement: object) => ({
    ...{ arn: roleArn(name), trust },
    policies: [
      { name: "own", document: { Statement: [{ Effect: "Allow", Resource: key.arn, ...statement } as never] } },
    ],
  });
  iam.addRoles([
    role("writer", {
      Action: ["kms:Encrypt", "kms:GenerateDataKey"],
      Condition: {
        StringLike: { "kms:EncryptionContext:account": "*" },
        "ForAllValues:StringEquals": { "kms:EncryptionContextKeys": ["account", "purpose"] },
      },
    }),
    role("reader", {
      Action: "kms:Decrypt",
      Condition: { StringLike: { "kms:EncryptionContext:account": "a-*" } },
    }),
  ]);
  gateway = await startGateway({ services: [kms], principalOf: iam.principalOf, clock, faults });
  const clientOf = (name: string) => {
    const { accessKeyId, secretAccessKey, sessionToken } = iam.assumeRole(roleArn(name), "lambda.amazonaws.com");
    const credentials = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
    return new KMSClient({ region, endpoint: gateway.url, credentials, maxAttempts: 1 });
  };
  [writer, reader] = [clientOf("writer"), clientOf("reader")];
});
afterAll(async () => {
  await gateway.close();
  clock.close();
  rmSync(stateDirectory, { recursive: true });
});

const account = (id: string) => ({ account: id, purpose: "credential" });
const dataKey = (EncryptionContext?: Record<string, string>) =>
  writer.send(
    new GenerateDataKeyCommand({ KeyId: keyId, KeySpec: "AES_256", ...(EncryptionContext && { EncryptionContext }) }),
  );
const decrypt = (CiphertextBlob: Uint8Array | undefined, EncryptionContext: Record<string, string>, client = reader) =>
  client.send(new DecryptCommand({ KeyId: keyId, CiphertextBlob, EncryptionContext }));
const refused = { name: "AccessDeniedException" };

describe("an encryption context in a role's conditions", () => {
  test("lets the one encrypt and the other decrypt, and neither do both", async () => {
    const { CiphertextBlob, Plaintext } = await dataKey(account("a-1"));
    expect((await decrypt(CiphertextBlob, account("a-1"))).Plaintext).toEqual(Plaintext);
    await expect(decrypt(CiphertextBlob, account("a-1"), writer)).rejects.toMatchObject(refused);
    const encrypt = new EncryptCommand({
      KeyId: keyId,
      Plaintext: Buffer.from("x"),
      EncryptionContext: account("a-1"),
    });
    await writer.send(encrypt);
    await expect(reader.send(encrypt)).rejects.toMatchObject(refused);
  });

  test("refuses a context that is missing, has another name in it, or is not the role's", async () => {
    await expect(dataKey()).rejects.toMatchObject(refused);
    await expect(dataKey({ account: "a-1", other: "x" })).rejects.toMatchObject(refused);
    const { CiphertextBlob } = await dataKey(account("b-1"));
    await expect(decrypt(CiphertextBlob, account("b-1"))).rejects.toMatchObject(refused);
  });

  test("that is allowed but not the one of encryption opens nothing", async () => {
    const { CiphertextBlob } = await dataKey(account("a-1"));
    await expect(decrypt(CiphertextBlob, account("a-2"))).rejects.toMatchObject({ name: "InvalidCiphertextException" });
    await expect(decrypt(CiphertextBlob, { account: "a-1" })).rejects.toMatchObject({
      name: "InvalidCiphertextException",
    });
  });
});
