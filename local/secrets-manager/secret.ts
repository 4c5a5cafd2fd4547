// A secret and its versions: how values are added, how staging labels move, how a secret is named.
import { randomInt } from "node:crypto";
import { ServiceError } from "../gateway/service.ts";

export interface SecretVersion {
  readonly versionId: string;
  readonly createdAtMilliseconds: number;
  readonly stages: readonly string[];
  readonly secretString?: string;
  /** base64 */
  readonly secretBinary?: string;
}

export interface Secret {
  readonly arn: string;
  readonly name: string;
  readonly description?: string;
  readonly kmsKeyId?: string;
  readonly tags: readonly { readonly Key: string; readonly Value: string }[];
  readonly createdAtMilliseconds: number;
  readonly changedAtMilliseconds: number;
  readonly accessedAtMilliseconds?: number;
  /** Set while the secret waits for its deletion; from the second on it is gone. */
  readonly deletion?: { readonly askedAtMilliseconds: number; readonly dueAtMilliseconds: number };
  /** Oldest first. */
  readonly versions: readonly SecretVersion[];
}

export interface SecretValue {
  readonly SecretString?: string | undefined;
  readonly SecretBinary?: string | undefined;
}

/** AWS keeps about a hundred versions; those without a label go first. */
const mostVersionsKept = 100;
const largestValueBytes = 65_536;

const suffixAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** The six random characters by which two secrets that had the same name one after the other are told apart. */
export function randomSuffix(): string {
  return Array.from({ length: 6 }, () => suffixAlphabet[randomInt(suffixAlphabet.length)]).join("");
}

export function hasValue(value: SecretValue): boolean {
  return value.SecretString !== undefined || value.SecretBinary !== undefined;
}

/** Throws InvalidParameterException for both kinds at once, or a value above 64 KiB. */
export function checkValue(value: SecretValue): void {
  if (value.SecretString !== undefined && value.SecretBinary !== undefined) {
    throw invalidParameter(
      "You can't specify both a binary secret value and a string secret value in the same secret.",
    );
  }
  const bytes =
    Buffer.byteLength(value.SecretString ?? "", "utf8") + Buffer.byteLength(value.SecretBinary ?? "", "base64");
  if (bytes > largestValueBytes) throw invalidParameter(`The secret value is larger than ${largestValueBytes} bytes.`);
}

/**
 * The secret with one more version. The same id with the same value changes nothing (a retry);
 * with another value it throws ResourceExistsException.
 */
export function withVersion(
  secret: Secret,
  version: { readonly versionId: string; readonly value: SecretValue; readonly stages: readonly string[] },
  nowMilliseconds: number,
): Secret {
  const { versionId, value } = version;
  const existing = secret.versions.find((candidate) => candidate.versionId === versionId);
  if (existing) {
    if (existing.secretString === value.SecretString && existing.secretBinary === value.SecretBinary) return secret;
    throw new ServiceError(
      400,
      "ResourceExistsException",
      `You can't use ClientRequestToken ${versionId} because that value is already in use for a version of secret ${secret.arn}.`,
    );
  }
  const added: SecretVersion = {
    versionId,
    createdAtMilliseconds: nowMilliseconds,
    stages: [],
    ...(value.SecretString === undefined ? {} : { secretString: value.SecretString }),
    ...(value.SecretBinary === undefined ? {} : { secretBinary: value.SecretBinary }),
  };
  const first = secret.versions.length === 0;
  const stages = first ? [...new Set([...version.stages, "AWSCURRENT"])] : version.stages;
  let versions: SecretVersion[] = [...secret.versions, added];
  for (const stage of stages) versions = withStageMoved(versions, stage, versionId);
  return { ...secret, changedAtMilliseconds: nowMilliseconds, versions: withoutSurplus(versions) };
}

/** A label stands on one version at a time; the version that loses AWSCURRENT becomes AWSPREVIOUS. */
function withStageMoved(versions: readonly SecretVersion[], stage: string, toVersionId: string): SecretVersion[] {
  const holder = versions.find((version) => version.stages.includes(stage));
  if (holder?.versionId === toVersionId) return [...versions];
  const moved = versions.map((version) => {
    const others = version.stages.filter((held) => held !== stage);
    return { ...version, stages: version.versionId === toVersionId ? [...others, stage] : others };
  });
  return stage === "AWSCURRENT" && holder ? withStageMoved(moved, "AWSPREVIOUS", holder.versionId) : moved;
}

function withoutSurplus(versions: readonly SecretVersion[]): SecretVersion[] {
  let surplus = versions.length - mostVersionsKept;
  return versions.filter((version) => {
    if (surplus <= 0 || version.stages.length > 0) return true;
    surplus -= 1;
    return false;
  });
}

/** Throws ResourceNotFoundException, or InvalidRequestException when id and label name different versions. */
export function findVersion(secret: Secret, versionId?: string, stage?: string): SecretVersion {
  const wantedStage = stage ?? (versionId === undefined ? "AWSCURRENT" : undefined);
  const found = secret.versions.find((version) =>
    versionId === undefined ? version.stages.includes(wantedStage ?? "") : version.versionId === versionId,
  );
  if (!found) {
    const asked = versionId === undefined ? `staging label: ${wantedStage}` : `VersionId: ${versionId}`;
    throw new ServiceError(
      400,
      "ResourceNotFoundException",
      `Secrets Manager can't find the specified secret value for ${asked}`,
    );
  }
  if (wantedStage !== undefined && !found.stages.includes(wantedStage)) {
    throw new ServiceError(
      400,
      "InvalidRequestException",
      "You provided a VersionStage that is not associated to the provided VersionId.",
    );
  }
  return found;
}

export function invalidParameter(sentence: string): ServiceError {
  return new ServiceError(400, "InvalidParameterException", sentence);
}
