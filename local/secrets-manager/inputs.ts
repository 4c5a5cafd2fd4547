// What each operation of Secrets Manager takes. A member that is not listed is refused by name.
import { z } from "zod";

const secretId = z.string().min(1).max(2048);
const token = z.string().min(32).max(64);
const value = { SecretString: z.string().min(1).optional(), SecretBinary: z.base64().optional() };
const tags = z.array(z.strictObject({ Key: z.string().min(1).max(128), Value: z.string().max(256) })).max(50);

export const createSecret = z.strictObject({
  Name: z.string().regex(/^[A-Za-z0-9/_+=.@-]{1,512}$/, "1 to 512 characters of A-Z a-z 0-9 / _ + = . @ -"),
  ClientRequestToken: token.optional(),
  Description: z.string().max(2048).optional(),
  KmsKeyId: z.string().max(2048).optional(),
  Tags: tags.optional(),
  ...value,
});

export const getSecretValue = z.strictObject({
  SecretId: secretId,
  VersionId: token.optional(),
  VersionStage: z.string().min(1).max(256).optional(),
});

export const putSecretValue = z.strictObject({
  SecretId: secretId,
  ClientRequestToken: token.optional(),
  VersionStages: z.array(z.string().min(1).max(256)).min(1).max(20).optional(),
  ...value,
});

export const updateSecret = z.strictObject({
  SecretId: secretId,
  ClientRequestToken: token.optional(),
  Description: z.string().max(2048).optional(),
  KmsKeyId: z.string().max(2048).optional(),
  ...value,
});

export const secretIdOnly = z.strictObject({ SecretId: secretId });

export const listSecrets = z.strictObject({
  MaxResults: z.int().min(1).max(100).optional(),
  NextToken: z.string().optional(),
  IncludePlannedDeletion: z.boolean().optional(),
  Filters: z
    .array(z.strictObject({ Key: z.literal("name"), Values: z.array(z.string()).min(1).max(10) }))
    .max(10)
    .optional(),
});

export const deleteSecret = z.strictObject({
  SecretId: secretId,
  RecoveryWindowInDays: z.int().min(7).max(30).optional(),
  ForceDeleteWithoutRecovery: z.boolean().optional(),
});
