// Secrets Manager of the local cloud. Source: the Secrets Manager API reference (JSON 1.1, `secretsmanager.`).
import { randomUUID } from "node:crypto";
import type { z } from "zod";
import { DurableMap, openDurableState } from "../gateway/durable-state.ts";
import { type JsonCall, jsonService } from "../gateway/json-service.ts";
import { parseInput } from "../gateway/parse-input.ts";
import type { LocalService, ServiceContext } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import { type GenerateSecretString, generateSecretString } from "./generate-password.ts";
import * as inputs from "./inputs.ts";
import type { Secret, SecretValue } from "./secret.ts";
import { checkValue, findVersion, hasValue, invalidParameter, randomSuffix, withVersion } from "./secret.ts";

export interface SecretsManagerOptions {
  /** Any way to name a KMS key -> its ARN. A secret under a key of one's own then also needs that key's permission. */
  readonly keyArnOf?: (keyId: string) => string;
}

export interface BootSecret {
  readonly name: string;
  /** What the templates call a new secret. Absent: the name and six random characters. */
  readonly arn?: string;
  readonly description?: string;
  readonly kmsKeyId?: string;
  readonly secretString?: string;
  readonly generate?: GenerateSecretString;
}

export interface SecretsManagerService extends LocalService {
  /** Creates the secret unless it is there already: its values then stay, description and key follow the template. */
  createSecret(secret: BootSecret): { readonly arn: string };
}

const dayMilliseconds = 86_400_000;
const defaultRecoveryDays = 30;
const defaultPageSize = 100;

export function createSecretsManagerService(
  context: ServiceContext,
  options: SecretsManagerOptions = {},
): SecretsManagerService {
  const database = openDurableState(context.stateDirectory, "secrets-manager");
  const store = new SecretStore(context, new DurableMap<Secret>(database, "secrets"), options);
  const service = jsonService({
    name: "secretsmanager",
    version: "1.1",
    targetPrefix: "secretsmanager",
    operations: {
      CreateSecret: (input, call) => store.create(input, call),
      GetSecretValue: (input, call) => store.getValue(input, call),
      PutSecretValue: (input, call) => store.putValue(input, call),
      UpdateSecret: (input, call) => store.update(input, call),
      DescribeSecret: (input, call) => store.describe(input, call),
      ListSecrets: (input, call) => store.list(input, call),
      DeleteSecret: (input, call) => store.delete(input, call),
      RestoreSecret: (input, call) => store.restore(input, call),
    },
    resourceOf: ({ SecretId, Name }) => String(SecretId ?? Name ?? ""),
    close: async () => database.close(),
  });
  return { ...service, createSecret: (secret) => ({ arn: store.createAtBoot(secret).arn }) };
}

class SecretStore {
  readonly #context: ServiceContext;
  /** By name. */
  readonly #secrets: DurableMap<Secret>;
  readonly #options: SecretsManagerOptions;

  constructor(context: ServiceContext, secrets: DurableMap<Secret>, options: SecretsManagerOptions) {
    this.#context = context;
    this.#secrets = secrets;
    this.#options = options;
  }

  create(body: unknown, call: JsonCall): object {
    const input = parseInput(inputs.createSecret, body, "InvalidParameterException");
    const existing = this.#alive(input.Name);
    const arn = existing?.arn ?? this.#newArn(input.Name);
    this.#context.authorize(call.principal, "secretsmanager:CreateSecret", arn, { "secretsmanager:Name": input.Name });
    checkValue(input);
    const versionId = input.ClientRequestToken ?? randomUUID();
    const isRetry = existing?.versions.some((version) => version.versionId === versionId) ?? false;
    if (existing && !isRetry) {
      throw existing.deletion
        ? markedForDeletion("create this secret because a secret with this name is already scheduled for deletion")
        : new ServiceError(
            400,
            "ResourceExistsException",
            `The operation failed because the secret ${input.Name} already exists.`,
          );
    }
    const base = existing ?? this.#empty(arn, input.Name, input);
    const created = hasValue(input) ? this.#add(base, versionId, input, ["AWSCURRENT"]) : base;
    this.#secrets.set(created.name, created);
    return { ARN: created.arn, Name: created.name, ...(hasValue(input) ? { VersionId: versionId } : {}) };
  }

  createAtBoot(wanted: BootSecret): Secret {
    const existing = this.#alive(wanted.name);
    const described = {
      ...(wanted.description === undefined ? {} : { description: wanted.description }),
      ...(wanted.kmsKeyId === undefined ? {} : { kmsKeyId: wanted.kmsKeyId }),
    };
    if (existing) {
      const updated = { ...existing, ...described };
      this.#secrets.set(updated.name, updated);
      return updated;
    }
    const base = this.#empty(wanted.arn ?? this.#newArn(wanted.name), wanted.name, {
      Description: wanted.description,
      KmsKeyId: wanted.kmsKeyId,
    });
    const text = wanted.secretString ?? (wanted.generate && generateSecretString(wanted.generate));
    const created = text === undefined ? base : this.#add(base, randomUUID(), { SecretString: text }, ["AWSCURRENT"]);
    this.#secrets.set(created.name, created);
    return created;
  }

  getValue(body: unknown, call: JsonCall): object {
    const input = parseInput(inputs.getSecretValue, body, "InvalidParameterException");
    const secret = this.#find(input.SecretId, call, "GetSecretValue");
    if (secret.deletion)
      throw markedForDeletion("perform this operation on the secret because it was marked for deletion");
    const version = findVersion(secret, input.VersionId, input.VersionStage);
    this.#authorizeKey(secret, call, "kms:Decrypt");
    this.#secrets.set(secret.name, { ...secret, accessedAtMilliseconds: this.#context.clock.now() });
    return {
      ARN: secret.arn,
      Name: secret.name,
      VersionId: version.versionId,
      VersionStages: version.stages,
      CreatedDate: seconds(version.createdAtMilliseconds),
      SecretString: version.secretString,
      SecretBinary: version.secretBinary,
    };
  }

  putValue(body: unknown, call: JsonCall): object {
    const input = parseInput(inputs.putSecretValue, body, "InvalidParameterException");
    const secret = this.#find(input.SecretId, call, "PutSecretValue");
    if (secret.deletion)
      throw markedForDeletion("perform this operation on the secret because it was marked for deletion");
    if (!hasValue(input)) throw invalidParameter("You must provide either SecretString or SecretBinary.");
    checkValue(input);
    this.#authorizeKey(secret, call, "kms:GenerateDataKey");
    const versionId = input.ClientRequestToken ?? randomUUID();
    const changed = this.#add(secret, versionId, input, input.VersionStages ?? ["AWSCURRENT"]);
    this.#secrets.set(secret.name, changed);
    const stages = findVersion(changed, versionId).stages;
    return { ARN: secret.arn, Name: secret.name, VersionId: versionId, VersionStages: stages };
  }

  update(body: unknown, call: JsonCall): object {
    const input = parseInput(inputs.updateSecret, body, "InvalidParameterException");
    const secret = this.#find(input.SecretId, call, "UpdateSecret");
    if (secret.deletion)
      throw markedForDeletion("perform this operation on the secret because it was marked for deletion");
    checkValue(input);
    const described: Secret = {
      ...secret,
      ...(input.Description === undefined ? {} : { description: input.Description }),
      ...(input.KmsKeyId === undefined ? {} : { kmsKeyId: input.KmsKeyId }),
      changedAtMilliseconds: this.#context.clock.now(),
    };
    const versionId = input.ClientRequestToken ?? randomUUID();
    if (hasValue(input)) this.#authorizeKey(described, call, "kms:GenerateDataKey");
    const changed = hasValue(input) ? this.#add(described, versionId, input, ["AWSCURRENT"]) : described;
    this.#secrets.set(secret.name, changed);
    return { ARN: secret.arn, Name: secret.name, ...(hasValue(input) ? { VersionId: versionId } : {}) };
  }

  describe(body: unknown, call: JsonCall): object {
    const input = parseInput(inputs.secretIdOnly, body, "InvalidParameterException");
    return describe(this.#find(input.SecretId, call, "DescribeSecret"));
  }

  /** Filters: `name` (prefixes) only; AWS has more, they are refused. */
  list(body: unknown, call: JsonCall): object {
    const input = parseInput(inputs.listSecrets, body, "InvalidParameterException");
    this.#context.authorize(call.principal, "secretsmanager:ListSecrets", "*");
    const prefixes = (input.Filters ?? []).map((filter) => filter.Values);
    const wanted = this.#secrets
      .values()
      .filter((secret) => this.#alive(secret.name) && (input.IncludePlannedDeletion || !secret.deletion))
      .filter((secret) => prefixes.every((values) => values.some((prefix) => secret.name.startsWith(prefix))))
      .filter((secret) => input.NextToken === undefined || secret.name > input.NextToken)
      .sort((left, right) => (left.name < right.name ? -1 : 1));
    const page = wanted.slice(0, input.MaxResults ?? defaultPageSize);
    const last = page.at(-1);
    return { SecretList: page.map(describe), ...(last && page.length < wanted.length ? { NextToken: last.name } : {}) };
  }

  delete(body: unknown, call: JsonCall): object {
    const input = parseInput(inputs.deleteSecret, body, "InvalidParameterException");
    if (input.ForceDeleteWithoutRecovery && input.RecoveryWindowInDays !== undefined) {
      throw invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.");
    }
    const secret = this.#find(input.SecretId, call, "DeleteSecret");
    const now = this.#context.clock.now();
    if (input.ForceDeleteWithoutRecovery) {
      this.#secrets.delete(secret.name);
      return { ARN: secret.arn, Name: secret.name, DeletionDate: seconds(now) };
    }
    if (secret.deletion)
      throw markedForDeletion("perform this operation on the secret because it was already scheduled for deletion");
    const dueAtMilliseconds = now + (input.RecoveryWindowInDays ?? defaultRecoveryDays) * dayMilliseconds;
    this.#secrets.set(secret.name, { ...secret, deletion: { askedAtMilliseconds: now, dueAtMilliseconds } });
    return { ARN: secret.arn, Name: secret.name, DeletionDate: seconds(dueAtMilliseconds) };
  }

  restore(body: unknown, call: JsonCall): object {
    const input = parseInput(inputs.secretIdOnly, body, "InvalidParameterException");
    const { deletion: _, ...secret } = this.#find(input.SecretId, call, "RestoreSecret");
    this.#secrets.set(secret.name, secret);
    return { ARN: secret.arn, Name: secret.name };
  }

  /** By name, full ARN, or ARN without the random characters. Permission comes before existence, as in AWS. */
  #find(secretId: string, call: JsonCall, operation: string): Secret {
    const prefix = this.#arnOf("");
    const found = secretId.startsWith(prefix) ? this.#byArn(secretId.slice(prefix.length)) : this.#alive(secretId);
    const resource = found?.arn ?? (secretId.startsWith("arn:") ? secretId : this.#arnOf(secretId));
    this.#context.authorize(call.principal, `secretsmanager:${operation}`, resource);
    if (found) return found;
    throw new ServiceError(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
  }

  #byArn(tail: string): Secret | undefined {
    const complete = this.#alive(tail.slice(0, -"-AbC123".length));
    return complete && complete.arn === this.#arnOf(tail) ? complete : this.#alive(tail);
  }

  /** The secret unless its recovery window has passed, in which case it is dropped now. */
  #alive(name: string): Secret | undefined {
    const secret = this.#secrets.get(name);
    if (!secret?.deletion || secret.deletion.dueAtMilliseconds > this.#context.clock.now()) return secret;
    this.#secrets.delete(name);
    return undefined;
  }

  #add(secret: Secret, versionId: string, value: SecretValue, stages: readonly string[]): Secret {
    return withVersion(secret, { versionId, value, stages }, this.#context.clock.now());
  }

  #authorizeKey(secret: Secret, call: JsonCall, action: string): void {
    if (secret.kmsKeyId === undefined || !this.#options.keyArnOf) return;
    this.#context.authorize(call.principal, action, this.#options.keyArnOf(secret.kmsKeyId), {
      "kms:ViaService": `secretsmanager.${this.#context.region}.amazonaws.com`,
      "kms:EncryptionContext:SecretARN": secret.arn,
    });
  }

  #empty(
    arn: string,
    name: string,
    input: Pick<z.infer<typeof inputs.createSecret>, "Description" | "KmsKeyId" | "Tags">,
  ): Secret {
    const now = this.#context.clock.now();
    return {
      arn,
      name,
      tags: input.Tags ?? [],
      createdAtMilliseconds: now,
      changedAtMilliseconds: now,
      versions: [],
      ...(input.Description === undefined ? {} : { description: input.Description }),
      ...(input.KmsKeyId === undefined ? {} : { kmsKeyId: input.KmsKeyId }),
    };
  }

  #newArn(name: string): string {
    return this.#arnOf(`${name}-${randomSuffix()}`);
  }

  #arnOf(tail: string): string {
    return `arn:aws:secretsmanager:${this.#context.region}:${this.#context.accountId}:secret:${tail}`;
  }
}

function describe(secret: Secret): object {
  const labelled = secret.versions.filter((version) => version.stages.length > 0);
  return {
    ARN: secret.arn,
    Name: secret.name,
    Description: secret.description,
    KmsKeyId: secret.kmsKeyId,
    CreatedDate: seconds(secret.createdAtMilliseconds),
    LastChangedDate: seconds(secret.changedAtMilliseconds),
    LastAccessedDate: secret.accessedAtMilliseconds && seconds(secret.accessedAtMilliseconds),
    DeletedDate: secret.deletion && seconds(secret.deletion.askedAtMilliseconds),
    Tags: secret.tags,
    VersionIdsToStages: Object.fromEntries(labelled.map((version) => [version.versionId, version.stages])),
  };
}

function seconds(milliseconds: number): number {
  return milliseconds / 1000;
}

function markedForDeletion(what: string): ServiceError {
  return new ServiceError(400, "InvalidRequestException", `You can't ${what}.`);
}
