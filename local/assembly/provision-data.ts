// Keys, tables, buckets, queues, log groups and secrets of the templates, created in the services that keep them.
import type { CloudWatchService } from "../cloudwatch/cloudwatch.ts";
import type { DynamodbService } from "../dynamodb/dynamodb-service.ts";
import type { TableDefinition } from "../dynamodb/tables.ts";
import { type KeySpec, keySpecs } from "../kms/key.ts";
import type { KmsService } from "../kms/kms.ts";
import type { S3Service } from "../s3/s3-service.ts";
import type { GenerateSecretString } from "../secrets-manager/generate-password.ts";
import type { SecretsManagerService } from "../secrets-manager/secrets-manager.ts";
import type { SesService } from "../ses/ses.ts";
import type { SqsService } from "../sqs/sqs.ts";
import { Properties } from "./properties.ts";
import type { Resource } from "./resolve-assembly.ts";
import { streamArnOf } from "./resource-identity.ts";

export interface DataServices {
  readonly dynamodb: DynamodbService;
  readonly kms: KmsService;
  readonly s3: S3Service;
  readonly secretsManager: SecretsManagerService;
  readonly ses: SesService;
  readonly sqs: SqsService;
  readonly cloudWatch: CloudWatchService;
}

/** Keys come first: buckets, tables and secrets refer to them. */
export async function provisionData(resources: readonly Resource[], services: DataServices): Promise<void> {
  const ofType = (type: string) => resources.filter((resource) => resource.type === type);
  for (const key of ofType("AWS::KMS::Key")) createKey(key, services.kms);
  for (const alias of ofType("AWS::KMS::Alias")) {
    const properties = Properties.of(alias);
    services.kms.createAlias(properties.text("AliasName"), properties.text("TargetKeyId"));
  }
  const notifying = new Set(
    ofType("Custom::S3BucketNotifications")
      .filter(sendsToEventBridge)
      .map((custom) => Properties.of(custom).text("BucketName")),
  );
  for (const bucket of ofType("AWS::S3::Bucket")) createBucket(bucket, notifying, services);
  for (const logGroup of ofType("AWS::Logs::LogGroup")) services.cloudWatch.createLogGroup(logGroup.physicalName);
  for (const queue of ofType("AWS::SQS::Queue")) createQueue(queue, services.sqs);
  for (const identity of ofType("AWS::SES::EmailIdentity")) services.ses.verify(identity.physicalName);
  for (const secret of ofType("AWS::SecretsManager::Secret")) createSecret(secret, services.secretsManager);
  const tables = [...ofType("AWS::DynamoDB::Table"), ...ofType("AWS::DynamoDB::GlobalTable")];
  await Promise.all(tables.map((table) => services.dynamodb.addTable(tableDefinition(table, services.kms))));
}

function createKey(key: Resource, kms: KmsService): void {
  const properties = Properties.of(key);
  const keySpec = properties.optionalText("KeySpec") ?? "SYMMETRIC_DEFAULT";
  if (!isKeySpec(keySpec)) {
    throw new Error(`AWS::KMS::Key (${key.constructPath}): the local cloud has no keys of the spec ${keySpec}.`);
  }
  kms.createKey({
    logicalId: key.physicalName,
    keySpec,
    description: properties.optionalText("Description") ?? "",
    enabled: properties.optionalText("Enabled") !== "false",
  });
}

function isKeySpec(text: string): text is KeySpec {
  return (keySpecs as readonly string[]).includes(text);
}

function createBucket(bucket: Resource, notifying: ReadonlySet<string>, services: DataServices): void {
  const properties = Properties.of(bucket);
  const abortDays = properties
    .object("LifecycleConfiguration")
    .objects("Rules")
    .filter((rule) => rule.optionalText("Status") === "Enabled")
    .map((rule) => rule.object("AbortIncompleteMultipartUpload").number("DaysAfterInitiation"))
    .filter((days) => days !== undefined);
  const encryption = properties
    .object("BucketEncryption")
    .objects("ServerSideEncryptionConfiguration")
    .map((rule) => rule.object("ServerSideEncryptionByDefault").optionalText("KMSMasterKeyID"))
    .find((keyId) => keyId !== undefined);
  services.s3.createBucket({
    name: bucket.physicalName,
    versioned: properties.object("VersioningConfiguration").optionalText("Status") === "Enabled",
    eventBridge: sendsToEventBridge(bucket) || notifying.has(bucket.physicalName),
    ...(abortDays.length > 0 ? { lifecycleAbortDays: Math.min(...abortDays) } : {}),
    ...(encryption ? { kmsKeyArn: services.kms.keyArnOf(encryption) } : {}),
  });
}

/** CloudFormation's bucket says so with a flag, CDK's custom resource with an empty object. */
function sendsToEventBridge(resource: Resource): boolean {
  const configuration = Properties.of(resource).object("NotificationConfiguration");
  if (!configuration.has("EventBridgeConfiguration")) return false;
  return configuration.object("EventBridgeConfiguration").optionalText("EventBridgeEnabled") !== "false";
}

function createQueue(queue: Resource, sqs: SqsService): void {
  const properties = Properties.of(queue);
  const redrive = new Properties(properties.json("RedrivePolicy"), `AWS::SQS::Queue (${queue.constructPath})`);
  const deadLetterQueueArn = redrive.optionalText("deadLetterTargetArn");
  const given = (property: string, setting: string) => {
    const value = properties.number(property);
    return value === undefined ? {} : { [setting]: value };
  };
  sqs.createQueue({
    name: queue.physicalName,
    ...given("VisibilityTimeout", "visibilityTimeoutSeconds"),
    ...given("DelaySeconds", "delaySeconds"),
    ...given("MessageRetentionPeriod", "retentionSeconds"),
    ...given("ReceiveMessageWaitTimeSeconds", "receiveWaitSeconds"),
    ...given("MaximumMessageSize", "largestMessageBytes"),
    ...(deadLetterQueueArn === undefined
      ? {}
      : { redrive: { deadLetterQueueArn, maximumReceiveCount: redrive.number("maxReceiveCount") ?? 1 } }),
  });
}

function createSecret(secret: Resource, secretsManager: SecretsManagerService): void {
  const properties = Properties.of(secret);
  const { arn = "" } = secret;
  const optional = (name: string) => properties.optionalText(name);
  const kmsKeyId = optional("KmsKeyId");
  const secretString = optional("SecretString");
  const created = secretsManager.createSecret({
    name: secret.physicalName,
    arn,
    ...(kmsKeyId ? { kmsKeyId } : {}),
    ...(secretString === undefined ? {} : { secretString }),
    ...(properties.has("GenerateSecretString")
      ? { generate: properties.raw("GenerateSecretString") as GenerateSecretString }
      : {}),
  });
  if (created.arn !== arn) {
    throw new Error(
      `The secret ${secret.physicalName} was made by hand before the template had it, under another ARN. ` +
        "Clear the local state with: npm run local:reset",
    );
  }
}

function tableDefinition(table: Resource, kms: KmsService): TableDefinition {
  const properties = Properties.of(table);
  const timeToLive = properties.object("TimeToLiveSpecification");
  const encryption = properties.object("SSESpecification");
  // A global table names its key at the replica.
  const replicas = properties.objects("Replicas").map((replica) => replica.object("SSESpecification"));
  const keyId = [encryption, ...replicas]
    .map((each) => each.optionalText("KMSMasterKeyId"))
    .find((id) => id !== undefined);
  return {
    tableName: table.physicalName,
    arn: table.arn ?? "",
    keySchema: properties.rawList("KeySchema") as unknown as TableDefinition["keySchema"],
    attributeDefinitions: properties.rawList(
      "AttributeDefinitions",
    ) as unknown as TableDefinition["attributeDefinitions"],
    globalSecondaryIndexes: indexes(properties, "GlobalSecondaryIndexes"),
    localSecondaryIndexes: indexes(properties, "LocalSecondaryIndexes"),
    timeToLiveAttribute: timeToLive.flag("Enabled") ? timeToLive.text("AttributeName") : undefined,
    streamViewType: properties.object("StreamSpecification").optionalText("StreamViewType"),
    streamArn: streamArnOf(table.arn ?? ""),
    ...(keyId === undefined ? {} : { kmsKeyArn: kms.keyArnOf(keyId) }),
  };
}

function indexes(properties: Properties, name: string): TableDefinition["globalSecondaryIndexes"] {
  return properties.rawList(name) as unknown as TableDefinition["globalSecondaryIndexes"];
}
