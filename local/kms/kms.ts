// KMS of the local cloud: keys, aliases, data keys, signatures. Source: the KMS API reference (JSON 1.1, `TrentService.`).
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes } from "node:crypto";
import { DurableMap, openDurableState } from "../gateway/durable-state.ts";
import { type JsonCall, jsonService } from "../gateway/json-service.ts";
import { parseInput } from "../gateway/parse-input.ts";
import type { LocalService, ServiceContext } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import { type EncryptionContext, keyIdOfBlob, open, seal } from "./ciphertext.ts";
import * as inputs from "./inputs.ts";
import type { Key, KeySpec, SigningAlgorithm } from "./key.ts";
import { keyIdFor, keyUsageOf, newKeyMaterial, signingAlgorithmsOf } from "./key.ts";
import { signMessage, verifyMessage } from "./signing.ts";

export interface BootKey {
  /** Names the key across boots; its key id follows from it. */
  readonly logicalId: string;
  /** Default SYMMETRIC_DEFAULT. */
  readonly keySpec?: KeySpec;
  readonly description?: string;
  readonly enabled?: boolean;
}

export interface KmsService extends LocalService {
  /** Creates the key unless it is there; its material stays, description and enabled follow the template. */
  createKey(key: BootKey): { readonly keyId: string; readonly arn: string };
  /** `aliasName` begins with `alias/`. An existing alias is pointed at the given key. */
  createAlias(aliasName: string, keyId: string): void;
  /** From a key id, key ARN, alias name or alias ARN. Throws ServiceError NotFoundException. */
  keyArnOf(keyId: string): string;
}

export function createKmsService(context: ServiceContext): KmsService {
  const database = openDurableState(context.stateDirectory, "kms");
  const keys = new KeyRing(context, new DurableMap(database, "keys"), new DurableMap(database, "aliases"));
  const service = jsonService({
    name: "kms",
    version: "1.1",
    targetPrefix: "TrentService",
    operations: {
      GenerateDataKey: (input, call) => keys.generateDataKey(input, call, "GenerateDataKey"),
      GenerateDataKeyWithoutPlaintext: (input, call) =>
        keys.generateDataKey(input, call, "GenerateDataKeyWithoutPlaintext"),
      Encrypt: (input, call) => keys.encrypt(input, call),
      Decrypt: (input, call) => keys.decrypt(input, call),
      Sign: (input, call) => keys.sign(input, call),
      Verify: (input, call) => keys.verify(input, call),
      GetPublicKey: (input, call) => keys.getPublicKey(input, call),
      DescribeKey: (input, call) => keys.describe(input, call),
    },
    resourceOf: ({ KeyId }) => String(KeyId ?? ""),
    close: async () => database.close(),
  });
  return {
    ...service,
    createKey: (key) => keys.create(key),
    createAlias: (aliasName, keyId) => keys.createAlias(aliasName, keyId),
    keyArnOf: (keyId) => keys.find(keyId).arn,
  };
}

class KeyRing {
  readonly #context: ServiceContext;
  readonly #keys: DurableMap<Key>;
  /** Alias name, with `alias/`, to key id. */
  readonly #aliases: DurableMap<string>;
  /** Parsing a PEM for each signature would cost more than the signature. */
  readonly #parsed = new Map<string, KeyObject>();

  constructor(context: ServiceContext, keys: DurableMap<Key>, aliases: DurableMap<string>) {
    this.#context = context;
    this.#keys = keys;
    this.#aliases = aliases;
  }

  create(wanted: BootKey): Key {
    const { accountId, region, clock } = this.#context;
    const keyId = keyIdFor(accountId, region, wanted.logicalId);
    const keySpec = wanted.keySpec ?? "SYMMETRIC_DEFAULT";
    const existing = this.#keys.get(keyId);
    const kept = existing?.keySpec === keySpec ? existing : undefined;
    const key: Key = {
      keyId,
      arn: this.#arnOf(`key/${keyId}`),
      keySpec,
      description: wanted.description ?? "",
      enabled: wanted.enabled ?? true,
      createdAtMilliseconds: kept?.createdAtMilliseconds ?? clock.now(),
      material: kept?.material ?? newKeyMaterial(keySpec),
    };
    this.#keys.set(keyId, key);
    this.#parsed.delete(keyId);
    return key;
  }

  createAlias(aliasName: string, keyId: string): void {
    if (!/^alias\/[\w/-]{1,250}$/.test(aliasName)) throw validation(`${aliasName} is not an alias name (alias/…).`);
    this.#aliases.set(aliasName, this.find(keyId).keyId);
  }

  /** Throws NotFoundException. */
  find(keyId: string): Key {
    const name = keyId.startsWith(this.#arnOf("")) ? keyId.slice(this.#arnOf("").length) : keyId;
    const found = name.startsWith("alias/")
      ? this.#keys.get(this.#aliases.get(name) ?? "")
      : this.#keys.get(name.replace(/^key\//, ""));
    if (found) return found;
    const what = name.startsWith("alias/") ? "Alias" : "Key";
    const arn = keyId.startsWith("arn:") ? keyId : this.#arnOf(what === "Alias" ? name : `key/${name}`);
    throw new ServiceError(400, "NotFoundException", `${what} '${arn}' does not exist`);
  }

  generateDataKey(body: unknown, call: JsonCall, operation: string): object {
    const input = parseInput(inputs.generateDataKey, body);
    if ((input.KeySpec === undefined) === (input.NumberOfBytes === undefined)) {
      throw validation("Please specify either number of bytes or key spec.");
    }
    const encryptionContext = input.EncryptionContext ?? {};
    const key = this.#forEncryption(input.KeyId, call, operation, encryptionContext);
    const plaintext = randomBytes(input.NumberOfBytes ?? (input.KeySpec === "AES_128" ? 16 : 32));
    return {
      KeyId: key.arn,
      CiphertextBlob: seal(key, plaintext, encryptionContext).toString("base64"),
      ...(operation === "GenerateDataKey" ? { Plaintext: plaintext.toString("base64") } : {}),
    };
  }

  encrypt(body: unknown, call: JsonCall): object {
    const input = parseInput(inputs.encrypt, body);
    const encryptionContext = input.EncryptionContext ?? {};
    const key = this.#forEncryption(input.KeyId, call, "Encrypt", encryptionContext);
    const blob = seal(key, input.Plaintext, encryptionContext);
    return { KeyId: key.arn, CiphertextBlob: blob.toString("base64"), EncryptionAlgorithm: "SYMMETRIC_DEFAULT" };
  }

  decrypt(body: unknown, call: JsonCall): object {
    const input = parseInput(inputs.decrypt, body);
    const blob = input.CiphertextBlob;
    const encryptionContext = input.EncryptionContext ?? {};
    const holder = this.#keys.get(keyIdOfBlob(blob));
    if (!holder) throw new ServiceError(400, "InvalidCiphertextException", "");
    if (input.KeyId !== undefined && this.find(input.KeyId).keyId !== holder.keyId) {
      throw new ServiceError(
        400,
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
      );
    }
    const key = this.#forEncryption(input.KeyId ?? holder.keyId, call, "Decrypt", encryptionContext);
    const plaintext = open(key, blob, encryptionContext);
    return { KeyId: key.arn, Plaintext: plaintext.toString("base64"), EncryptionAlgorithm: "SYMMETRIC_DEFAULT" };
  }

  sign(body: unknown, call: JsonCall): object {
    const input = parseInput(inputs.sign, body);
    const { key, algorithm, messageType } = this.#forSigning(input, call, "Sign");
    const signature = signMessage(this.#privateKeyOf(key), algorithm, input.Message, messageType);
    return { KeyId: key.arn, Signature: signature.toString("base64"), SigningAlgorithm: input.SigningAlgorithm };
  }

  verify(body: unknown, call: JsonCall): object {
    const input = parseInput(inputs.verify, body);
    const { key, algorithm, messageType } = this.#forSigning(input, call, "Verify");
    const publicKey = createPublicKey(this.#privateKeyOf(key));
    if (!verifyMessage(publicKey, algorithm, input.Message, messageType, input.Signature)) {
      throw new ServiceError(400, "KMSInvalidSignatureException", "");
    }
    return { KeyId: key.arn, SignatureValid: true, SigningAlgorithm: input.SigningAlgorithm };
  }

  getPublicKey(body: unknown, call: JsonCall): object {
    const input = parseInput(inputs.keyIdOnly, body);
    const key = this.#authorized(input.KeyId, call, "GetPublicKey");
    requireEnabled(key);
    requireUsage(key, "SIGN_VERIFY", "GetPublicKey");
    const spki = createPublicKey(this.#privateKeyOf(key)).export({ type: "spki", format: "der" });
    return {
      KeyId: key.arn,
      PublicKey: spki.toString("base64"),
      KeySpec: key.keySpec,
      CustomerMasterKeySpec: key.keySpec,
      KeyUsage: keyUsageOf(key.keySpec),
      SigningAlgorithms: Object.keys(signingAlgorithmsOf[key.keySpec]),
    };
  }

  describe(body: unknown, call: JsonCall): object {
    const input = parseInput(inputs.keyIdOnly, body);
    const key = this.#authorized(input.KeyId, call, "DescribeKey");
    const usage = keyUsageOf(key.keySpec);
    return {
      KeyMetadata: {
        AWSAccountId: this.#context.accountId,
        Arn: key.arn,
        KeyId: key.keyId,
        CreationDate: key.createdAtMilliseconds / 1000,
        Description: key.description,
        Enabled: key.enabled,
        KeyState: key.enabled ? "Enabled" : "Disabled",
        KeyManager: "CUSTOMER",
        Origin: "AWS_KMS",
        MultiRegion: false,
        KeySpec: key.keySpec,
        CustomerMasterKeySpec: key.keySpec,
        KeyUsage: usage,
        ...(usage === "SIGN_VERIFY"
          ? { SigningAlgorithms: Object.keys(signingAlgorithmsOf[key.keySpec]) }
          : { EncryptionAlgorithms: ["SYMMETRIC_DEFAULT"] }),
      },
    };
  }

  #forEncryption(keyId: string, call: JsonCall, operation: string, encryptionContext: EncryptionContext): Key {
    const pairs = Object.entries(encryptionContext);
    const conditions = Object.fromEntries(pairs.map(([name, value]) => [`kms:EncryptionContext:${name}`, value]));
    let key = this.find(keyId);
    // A condition on the set of names (ForAllValues) is one question for each name.
    for (const name of pairs.length > 0 ? Object.keys(encryptionContext) : [undefined]) {
      const ofName: Record<string, string> = name === undefined ? {} : { "kms:EncryptionContextKeys": name };
      key = this.#authorized(keyId, call, operation, { ...conditions, ...ofName });
    }
    requireEnabled(key);
    requireUsage(key, "ENCRYPT_DECRYPT", operation);
    return key;
  }

  #forSigning(
    input: { KeyId: string; SigningAlgorithm: string; MessageType?: "RAW" | "DIGEST" | undefined },
    call: JsonCall,
    operation: string,
  ): { key: Key; algorithm: SigningAlgorithm; messageType: "RAW" | "DIGEST" } {
    const messageType = input.MessageType ?? "RAW";
    const key = this.#authorized(input.KeyId, call, operation, {
      "kms:SigningAlgorithm": input.SigningAlgorithm,
      "kms:MessageType": messageType,
    });
    requireEnabled(key);
    requireUsage(key, "SIGN_VERIFY", operation);
    const algorithm = signingAlgorithmsOf[key.keySpec][input.SigningAlgorithm];
    if (!algorithm) {
      throw new ServiceError(
        400,
        "InvalidKeyUsageException",
        `Algorithm ${input.SigningAlgorithm} is incompatible with key spec ${key.keySpec}.`,
      );
    }
    return { key, algorithm, messageType };
  }

  #authorized(keyId: string, call: JsonCall, operation: string, conditions: Record<string, string> = {}): Key {
    const key = this.find(keyId);
    const alias = /(alias\/.+)$/.exec(keyId)?.[1];
    this.#context.authorize(call.principal, `kms:${operation}`, key.arn, {
      ...conditions,
      ...(alias === undefined ? {} : { "kms:RequestAlias": alias }),
    });
    return key;
  }

  #privateKeyOf(key: Key): KeyObject {
    const parsed = this.#parsed.get(key.keyId) ?? createPrivateKey(key.material);
    this.#parsed.set(key.keyId, parsed);
    return parsed;
  }

  #arnOf(tail: string): string {
    return `arn:aws:kms:${this.#context.region}:${this.#context.accountId}:${tail}`;
  }
}

function requireEnabled(key: Key): void {
  if (!key.enabled) throw new ServiceError(400, "DisabledException", `${key.arn} is disabled.`);
}

function requireUsage(key: Key, usage: string, operation: string): void {
  if (keyUsageOf(key.keySpec) === usage) return;
  throw new ServiceError(
    400,
    "InvalidKeyUsageException",
    `${key.arn} key usage is ${keyUsageOf(key.keySpec)} which is not valid for ${operation}.`,
  );
}

function validation(sentence: string): ServiceError {
  return new ServiceError(400, "ValidationException", sentence);
}
