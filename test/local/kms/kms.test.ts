// KMS under the official client: data keys, encryption contexts, signatures, aliases.
import { createHash, createPublicKey, sign as signWithNode, verify as verifyWithNode } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import {
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  GenerateMacCommand,
  GetPublicKeyCommand,
  KMSClient,
  type MessageType,
  SignCommand,
  type SigningAlgorithmSpec,
  VerifyCommand,
} from "@aws-sdk/client-kms";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createKmsService } from "../../../local/kms/kms.ts";
import { accountId, region, type ServiceRig, startServiceRig } from "../service-rig.ts";

let rig: ServiceRig<{ kms: ReturnType<typeof createKmsService> }>;
let client: KMSClient;

beforeEach(async () => {
  rig = await startServiceRig((context) => ({ kms: createKmsService(context) }));
  client = new KMSClient(rig.clientSettings());
});
afterEach(async () => {
  client.destroy();
  expect(rig.defects).toEqual([]);
  await rig.close();
});

const bytes = (text: string) => Buffer.from(text, "utf8");

describe("symmetric keys", () => {
  test("a data key comes in plain and sealed, and only its own encryption context opens it", async () => {
    const { arn } = rig.services.kms.createKey({ logicalId: "Data" });
    const EncryptionContext = { tenant: "a", backup: "1" };
    const made = await client.send(new GenerateDataKeyCommand({ KeyId: arn, KeySpec: "AES_256", EncryptionContext }));
    expect(made.Plaintext).toHaveLength(32);
    const CiphertextBlob = made.CiphertextBlob;
    const reordered = { backup: "1", tenant: "a" };
    const opened = await client.send(new DecryptCommand({ CiphertextBlob, EncryptionContext: reordered }));
    expect(opened).toMatchObject({ Plaintext: made.Plaintext, KeyId: arn });
    const refused = { name: "InvalidCiphertextException" };
    for (const wrong of [{ EncryptionContext: { tenant: "b", backup: "1" } }, {}]) {
      await expect(client.send(new DecryptCommand({ CiphertextBlob, ...wrong }))).rejects.toMatchObject(refused);
    }
    const flipped = Buffer.from(CiphertextBlob ?? []);
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    const attempt = new DecryptCommand({ CiphertextBlob: flipped, EncryptionContext });
    await expect(client.send(attempt)).rejects.toMatchObject(refused);
    await expect(client.send(new DecryptCommand({ CiphertextBlob: bytes("no blob") }))).rejects.toMatchObject(refused);
  });

  test("a data key without its plaintext is the right length once it is opened", async () => {
    const { keyId } = rig.services.kms.createKey({ logicalId: "Data" });
    const question = { KeyId: keyId, NumberOfBytes: 24 };
    const made = await client.send(new GenerateDataKeyWithoutPlaintextCommand(question));
    expect(made).not.toHaveProperty("Plaintext");
    const opened = await client.send(new DecryptCommand({ CiphertextBlob: made.CiphertextBlob }));
    expect(opened.Plaintext).toHaveLength(24);
    await expect(client.send(new GenerateDataKeyCommand({ KeyId: keyId }))).rejects.toThrow("number of bytes");
  });

  test("a blob survives a restart, names its key, and another key may not claim it", async () => {
    const one = rig.services.kms.createKey({ logicalId: "One" });
    const two = rig.services.kms.createKey({ logicalId: "Two" });
    rig.services.kms.createAlias("alias/dev/one", one.keyId);
    const sealed = await client.send(new EncryptCommand({ KeyId: "alias/dev/one", Plaintext: bytes("hello") }));
    await rig.restart();
    expect(rig.services.kms.createKey({ logicalId: "One" })).toMatchObject({ arn: one.arn });
    client = new KMSClient(rig.clientSettings());
    const aliasArn = `arn:aws:kms:${region}:${accountId}:alias/dev/one`;
    for (const KeyId of [undefined, "alias/dev/one", aliasArn, one.arn, one.keyId]) {
      const opened = await client.send(new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob, KeyId }));
      expect(Buffer.from(opened.Plaintext ?? []).toString()).toBe("hello");
    }
    await expect(
      client.send(new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob, KeyId: two.arn })),
    ).rejects.toMatchObject({ name: "IncorrectKeyException" });
    expect(statSync(join(rig.context.stateDirectory, "kms.sqlite")).mode & 0o777).toBe(0o600);
  });
});

describe("signatures", () => {
  const cases: {
    keySpec: "ECC_NIST_P256" | "ECC_NIST_P384" | "RSA_2048";
    algorithm: SigningAlgorithmSpec;
    hash: string;
    types: MessageType[];
  }[] = [
    { keySpec: "ECC_NIST_P256", algorithm: "ECDSA_SHA_256", hash: "sha256", types: ["RAW", "DIGEST"] },
    { keySpec: "ECC_NIST_P384", algorithm: "ECDSA_SHA_384", hash: "sha384", types: ["RAW", "DIGEST"] },
    { keySpec: "RSA_2048", algorithm: "RSASSA_PKCS1_V1_5_SHA_256", hash: "sha256", types: ["RAW", "DIGEST"] },
    { keySpec: "RSA_2048", algorithm: "RSASSA_PKCS1_V1_5_SHA_512", hash: "sha512", types: ["RAW", "DIGEST"] },
  ];
  test.each(cases)("$keySpec with $algorithm signs message and digest alike, and OpenSSL agrees", async (kind) => {
    const { arn } = rig.services.kms.createKey({ logicalId: "Receipts", keySpec: kind.keySpec });
    const message = bytes("the receipt");
    const digest = createHash(kind.hash).update(message).digest();
    const published = await client.send(new GetPublicKeyCommand({ KeyId: arn }));
    expect(published).toMatchObject({ KeySpec: kind.keySpec, KeyUsage: "SIGN_VERIFY" });
    const publicKey = createPublicKey({ key: Buffer.from(published.PublicKey ?? []), type: "spki", format: "der" });
    for (const MessageType of kind.types) {
      const Message = MessageType === "RAW" ? message : digest;
      const signing = { KeyId: arn, SigningAlgorithm: kind.algorithm, MessageType, Message };
      const { Signature } = await client.send(new SignCommand(signing));
      expect(verifyWithNode(kind.hash, message, publicKey, Buffer.from(Signature ?? []))).toBe(true);
      for (const other of kind.types) {
        const asked = { ...signing, MessageType: other, Message: other === "RAW" ? message : digest, Signature };
        expect(await client.send(new VerifyCommand(asked))).toMatchObject({ SignatureValid: true });
        const changed = Buffer.from(asked.Message);
        changed[0] = (changed[0] ?? 0) ^ 1;
        await expect(client.send(new VerifyCommand({ ...asked, Message: changed }))).rejects.toMatchObject({
          name: "KMSInvalidSignatureException",
        });
      }
      await expect(client.send(new VerifyCommand({ ...signing, Signature: bytes("nonsense") }))).rejects.toMatchObject({
        name: "KMSInvalidSignatureException",
      });
    }
  });

  test("RSASSA_PSS signs a message; over a digest it is refused by name", async () => {
    const { arn } = rig.services.kms.createKey({ logicalId: "Pss", keySpec: "RSA_2048" });
    const signing = { KeyId: arn, SigningAlgorithm: "RSASSA_PSS_SHA_256", Message: bytes("m") } as const;
    const { Signature } = await client.send(new SignCommand(signing));
    expect(await client.send(new VerifyCommand({ ...signing, Signature }))).toMatchObject({ SignatureValid: true });
    const digest = { ...signing, MessageType: "DIGEST" as const, Message: Buffer.alloc(32) };
    await expect(client.send(new SignCommand(digest))).rejects.toThrow("RSASSA_PSS");
  });

  test("a foreign signature, a long message and a digest of the wrong length are refused", async () => {
    const { arn } = rig.services.kms.createKey({ logicalId: "Receipts", keySpec: "ECC_NIST_P256" });
    const signing = { KeyId: arn, SigningAlgorithm: "ECDSA_SHA_256" as const };
    const invalid = { name: "ValidationException" };
    const long = { ...signing, Message: Buffer.alloc(4097) };
    await expect(client.send(new SignCommand(long))).rejects.toMatchObject(invalid);
    const short = { ...signing, Message: Buffer.alloc(31), MessageType: "DIGEST" as const };
    await expect(client.send(new SignCommand(short))).rejects.toMatchObject(invalid);
    const foreign = await import("node:crypto").then((crypto) =>
      crypto.generateKeyPairSync("ec", { namedCurve: "P-256" }),
    );
    const Signature = signWithNode("sha256", bytes("m"), foreign.privateKey);
    const digest = createHash("sha256").update("m").digest();
    await expect(
      client.send(new VerifyCommand({ ...signing, MessageType: "DIGEST", Message: digest, Signature })),
    ).rejects.toMatchObject({ name: "KMSInvalidSignatureException" });
  });
});

describe("refusals and permissions", () => {
  test("usage, state, existence and unknown operations have their own errors", async () => {
    const signer = rig.services.kms.createKey({ logicalId: "Signer", keySpec: "ECC_NIST_P256" });
    const sealed = rig.services.kms.createKey({ logicalId: "Sealed", enabled: false });
    const plain = { Plaintext: bytes("x") };
    await expect(client.send(new EncryptCommand({ KeyId: signer.arn, ...plain }))).rejects.toMatchObject({
      name: "InvalidKeyUsageException",
    });
    await expect(
      client.send(new SignCommand({ KeyId: signer.arn, SigningAlgorithm: "ECDSA_SHA_384", Message: bytes("x") })),
    ).rejects.toMatchObject({ name: "InvalidKeyUsageException" });
    await expect(client.send(new EncryptCommand({ KeyId: sealed.arn, ...plain }))).rejects.toMatchObject({
      name: "DisabledException",
    });
    await expect(client.send(new DescribeKeyCommand({ KeyId: "alias/none" }))).rejects.toMatchObject({
      name: "NotFoundException",
    });
    await expect(
      client.send(new GenerateMacCommand({ KeyId: signer.arn, MacAlgorithm: "HMAC_SHA_256", Message: bytes("x") })),
    ).rejects.toThrow("GenerateMac");
    const described = await client.send(new DescribeKeyCommand({ KeyId: sealed.keyId }));
    expect(described.KeyMetadata).toMatchObject({ Enabled: false, KeyState: "Disabled", KeyUsage: "ENCRYPT_DECRYPT" });
  });

  test("each call asks for AWS's action on the key's ARN, with the encryption context as conditions", async () => {
    const { arn, keyId } = rig.services.kms.createKey({ logicalId: "Data" });
    rig.services.kms.createAlias("alias/data", keyId);
    const call = { KeyId: "alias/data", KeySpec: "AES_128" as const, EncryptionContext: { tenant: "a" } };
    await client.send(new GenerateDataKeyCommand(call));
    expect(rig.authorized).toMatchObject([
      {
        action: "kms:GenerateDataKey",
        resource: arn,
        conditions: { "kms:EncryptionContext:tenant": "a", "kms:RequestAlias": "alias/data" },
      },
    ]);
    rig.denied.add("kms:GenerateDataKey");
    await expect(client.send(new GenerateDataKeyCommand(call))).rejects.toThrow("may not kms:GenerateDataKey");
  });
});
