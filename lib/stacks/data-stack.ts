// Whatever must outlive a redeploy: tables, buckets, keys, and the bus and topic that every room uses.
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps, Validations } from "aws-cdk-lib";
import {
  AttributeType,
  BillingMode,
  ProjectionType,
  StreamViewType,
  Table,
  TableEncryption,
  type TableProps,
} from "aws-cdk-lib/aws-dynamodb";
import { EventBus } from "aws-cdk-lib/aws-events";
import { PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Key, KeySpec, KeyUsage } from "aws-cdk-lib/aws-kms";
import { BlockPublicAccess, Bucket, BucketEncryption, type IBucket } from "aws-cdk-lib/aws-s3";
import { Secret } from "aws-cdk-lib/aws-secretsmanager";
import { Topic } from "aws-cdk-lib/aws-sns";
import { EmailSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import type { Construct } from "constructs";
import type { StageSettings } from "../config.ts";
import { DeadLetterQueue } from "../constructs/dead-letter-queue.ts";
import { KeptBucket } from "../constructs/kept-bucket.ts";

export interface DataStackProps extends StackProps {
  readonly settings: StageSettings;
}

/** Lists, batches and map results are of use while their run can still be looked at or redriven. */
const workAge = Duration.days(30);

const accessLogAge = Duration.days(90);

export class DataStack extends Stack {
  /** Encrypts tables, buckets and alarms. */
  readonly key: Key;
  /** Signs receipts; whoever has a receipt can verify it with the public half. */
  readonly receiptSigningKey: Key;
  readonly receiptSigningAlias: string;
  readonly jobs: Table;
  readonly copies: Table;
  readonly partLedger: Table;
  /** One item per exported snapshot. */
  readonly exports: Table;
  /** One item per mirrored key. */
  readonly mirror: Table;
  readonly alerts: Table;
  readonly schedules: Table;
  readonly audit: Table;
  readonly idempotency: Table;
  /** One hot item per client key, which is the ledger, and what people call the key. */
  readonly relayKeys: Table;
  /** Upstream accounts, their slots and credentials, groups, prices, settings, and what is bound to an account. */
  readonly relayAccounts: Table;
  /** One record per request; its stream feeds the totals. */
  readonly relayUsage: Table;
  readonly relayTotals: Table;
  /** Keys the hashes of client keys. */
  readonly relayKeyPepper: Secret;
  /** Seals the credentials of upstream accounts, and nothing else: who reads tables cannot open them. */
  readonly relayCredentialsKey: Key;
  readonly backups: Bucket;
  readonly work: Bucket;
  readonly bus: EventBus;
  readonly alarmTopic: Topic;

  constructor(scope: Construct, id: string, props: DataStackProps) {
    super(scope, id, props);
    const { stage, retention, alarms } = props.settings;
    this.key = new Key(this, "DataKey", {
      alias: `causeway-${stage}/data`,
      description: `Causeway ${stage}: encrypts tables, buckets and alarms`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    this.receiptSigningAlias = `alias/causeway-${stage}/receipts`;
    this.receiptSigningKey = new Key(this, "ReceiptSigningKey", {
      alias: this.receiptSigningAlias,
      description: `Causeway ${stage}: signs receipts`,
      keySpec: KeySpec.ECC_NIST_P256,
      keyUsage: KeyUsage.SIGN_VERIFY,
      removalPolicy: RemovalPolicy.RETAIN,
    });

    this.jobs = this.#table("Jobs", props.settings, {
      partitionKey: { name: "jobId", type: AttributeType.STRING },
      sortKey: { name: "item", type: AttributeType.STRING },
    });
    this.copies = this.#table("Copies", props.settings, {
      partitionKey: { name: "copyId", type: AttributeType.STRING },
    });
    this.partLedger = this.#table("PartLedger", props.settings, {
      partitionKey: { name: "uploadKey", type: AttributeType.STRING },
      sortKey: { name: "partNumber", type: AttributeType.NUMBER },
      timeToLiveAttribute: "expiresAt",
    });

    this.exports = this.#table("Exports", props.settings, {
      partitionKey: { name: "exportId", type: AttributeType.STRING },
    });
    this.mirror = this.#table("Mirror", props.settings, {
      partitionKey: { name: "sourceKey", type: AttributeType.STRING },
    });
    this.alerts = this.#table("Alerts", props.settings, {
      partitionKey: { name: "partition", type: AttributeType.STRING },
      sortKey: { name: "item", type: AttributeType.STRING },
      timeToLiveAttribute: "expiresAt",
    });
    this.schedules = this.#table("Schedules", props.settings, {
      partitionKey: { name: "scheduleName", type: AttributeType.STRING },
    });
    this.audit = this.#table("Audit", props.settings, {
      // A month's changes are one partition, read newest first.
      partitionKey: { name: "month", type: AttributeType.STRING },
      sortKey: { name: "item", type: AttributeType.STRING },
    });
    this.idempotency = this.#table("Idempotency", props.settings, {
      partitionKey: { name: "requestKey", type: AttributeType.STRING },
      timeToLiveAttribute: "expiresAt",
    });
    this.relayKeys = this.#table("RelayKeys", props.settings, {
      partitionKey: { name: "pk", type: AttributeType.STRING },
    });
    this.relayAccounts = this.#table("RelayAccounts", props.settings, {
      partitionKey: { name: "partition", type: AttributeType.STRING },
      sortKey: { name: "item", type: AttributeType.STRING },
      timeToLiveAttribute: "expiresAt",
    });
    this.relayUsage = this.#table("RelayUsage", props.settings, {
      // An hour's records in lanes, so that no partition takes all writes.
      partitionKey: { name: "partition", type: AttributeType.STRING },
      sortKey: { name: "requestId", type: AttributeType.STRING },
      timeToLiveAttribute: "expiresAt",
      stream: StreamViewType.NEW_AND_OLD_IMAGES,
    });
    this.relayTotals = this.#table("RelayTotals", props.settings, {
      partitionKey: { name: "partition", type: AttributeType.STRING },
      sortKey: { name: "item", type: AttributeType.STRING },
      timeToLiveAttribute: "expiresAt",
    });
    this.relayKeys.addGlobalSecondaryIndex({
      indexName: "byCreation",
      partitionKey: { name: "listing", type: AttributeType.STRING },
      sortKey: { name: "createdAt", type: AttributeType.STRING },
      // Of the hot items nothing is in it: they carry no `listing`.
      projectionType: ProjectionType.ALL,
    });
    this.relayUsage.addGlobalSecondaryIndex({
      indexName: "byKey",
      partitionKey: { name: "keyId", type: AttributeType.STRING },
      sortKey: { name: "requestId", type: AttributeType.STRING },
    });
    this.#index(this.jobs, "byStart", "startedAt");
    this.#index(this.copies, "byChange", "changedAt");
    this.#index(this.exports, "byChange", "changedAt");
    // Sparse: only items that wait for their object have `waitingSince`.
    this.#index(this.mirror, "byWaiting", "waitingSince");

    const accessLogs = this.#accessLogsBucket();
    this.backups = new KeptBucket(this, "BackupsBucket", {
      key: this.key,
      accessLogs,
      lifecycleRules: [
        {
          id: "DropOverwrittenVersions",
          noncurrentVersionExpiration: Duration.days(retention.noncurrentBackupDays),
        },
      ],
    }).bucket;
    this.work = new KeptBucket(this, "WorkBucket", {
      key: this.key,
      accessLogs,
      lifecycleRules: [{ id: "DropOldWork", expiration: workAge, noncurrentVersionExpiration: Duration.days(1) }],
    }).bucket;

    this.relayKeyPepper = this.#relayKeyPepper(stage);
    this.relayCredentialsKey = new Key(this, "RelayCredentialsKey", {
      alias: `causeway-${stage}/relay-credentials`,
      description: `Causeway ${stage}: seals the credentials of the relay's upstream accounts`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });

    this.bus = new EventBus(this, "EventBus", {
      eventBusName: `causeway-${stage}`,
      description: "What happened in Causeway: backups replicated, copies abandoned, runs summarised",
    });
    this.alarmTopic = this.#alarmTopic(alarms.email);

    new CfnOutput(this, "BackupsBucketName", { value: this.backups.bucketName });
    new CfnOutput(this, "WorkBucketName", { value: this.work.bucketName });
    new CfnOutput(this, "JobsTableName", { value: this.jobs.tableName });
    new CfnOutput(this, "CopiesTableName", { value: this.copies.tableName });
    new CfnOutput(this, "PartLedgerTableName", { value: this.partLedger.tableName });
    new CfnOutput(this, "ExportsTableName", { value: this.exports.tableName });
    new CfnOutput(this, "MirrorTableName", { value: this.mirror.tableName });
    new CfnOutput(this, "AlertsTableName", { value: this.alerts.tableName });
    new CfnOutput(this, "SchedulesTableName", { value: this.schedules.tableName });
    new CfnOutput(this, "AuditTableName", { value: this.audit.tableName });
    new CfnOutput(this, "IdempotencyTableName", { value: this.idempotency.tableName });
    new CfnOutput(this, "RelayKeysTableName", { value: this.relayKeys.tableName });
    new CfnOutput(this, "RelayAccountsTableName", { value: this.relayAccounts.tableName });
    new CfnOutput(this, "RelayUsageTableName", { value: this.relayUsage.tableName });
    new CfnOutput(this, "RelayTotalsTableName", { value: this.relayTotals.tableName });
    new CfnOutput(this, "EventBusName", { value: this.bus.eventBusName });
    new CfnOutput(this, "ReceiptSigningKeyAlias", { value: this.receiptSigningAlias });
    new CfnOutput(this, "AlarmTopicArn", { value: this.alarmTopic.topicArn });
  }

  #table(
    id: string,
    settings: StageSettings,
    props: Pick<TableProps, "partitionKey" | "sortKey" | "timeToLiveAttribute" | "stream">,
  ) {
    return new Table(this, id, {
      ...props,
      billingMode: BillingMode.PAY_PER_REQUEST,
      encryption: TableEncryption.CUSTOMER_MANAGED,
      encryptionKey: this.key,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: settings.protectData,
      removalPolicy: RemovalPolicy.RETAIN,
    });
  }

  /** A list in order of time: items that are to be in it carry `listing`, the name of the list, and the sort attribute. */
  #index(table: Table, indexName: string, sortAttribute: string): void {
    table.addGlobalSecondaryIndex({
      indexName,
      partitionKey: { name: "listing", type: AttributeType.STRING },
      sortKey: { name: sortAttribute, type: AttributeType.STRING },
    });
  }

  #accessLogsBucket(): IBucket {
    const bucket = new Bucket(this, "AccessLogsBucket", {
      // S3's log delivery cannot write into a bucket encrypted with a customer's key.
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      versioned: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      lifecycleRules: [
        {
          id: "DropOldLogs",
          expiration: accessLogAge,
          noncurrentVersionExpiration: Duration.days(1),
          abortIncompleteMultipartUploadAfter: Duration.days(7),
        },
      ],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    Validations.of(bucket).acknowledge({
      id: "AwsSolutions-S1",
      reason: "This bucket holds the access logs; logging its own access would never end.",
    });
    // Under exactOptionalPropertyTypes the CDK's class does not quite fit its own interface.
    return bucket as IBucket;
  }

  /** A value that nobody needs to know, so CloudFormation may make it up; without it no client key is known any more. */
  #relayKeyPepper(stage: string): Secret {
    const pepper = new Secret(this, "RelayKeyPepper", {
      secretName: `/${stage}/relay/key-pepper`,
      description: "Keys the hashes of the relay's client keys; lost or changed, every client key is void",
      encryptionKey: this.key,
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      removalPolicy: RemovalPolicy.RETAIN,
    });
    Validations.of(pepper).acknowledge({
      id: "AwsSolutions-SMG4",
      reason: "Client keys are hashed with it: a rotation would void every one of them. It never leaves the functions.",
    });
    return pepper;
  }

  #alarmTopic(email: string | undefined): Topic {
    const topic = new Topic(this, "AlarmTopic", {
      displayName: "Causeway alarms",
      masterKey: this.key,
      enforceSSL: true,
    });
    // The policy that enforces TLS takes the place of the one that opens a topic to its account: without this
    // statement no alarm could publish.
    topic.addToResourcePolicy(
      new PolicyStatement({
        sid: "AlarmsPublish",
        principals: [new ServicePrincipal("cloudwatch.amazonaws.com")],
        actions: ["sns:Publish"],
        resources: [topic.topicArn],
        conditions: { StringEquals: { "aws:SourceAccount": this.account } },
      }),
    );
    this.key.addToResourcePolicy(
      new PolicyStatement({
        sid: "AlarmsReachTheirTopic",
        principals: [new ServicePrincipal("cloudwatch.amazonaws.com")],
        actions: ["kms:Decrypt", "kms:GenerateDataKey*"],
        resources: ["*"],
        conditions: { StringEquals: { "aws:SourceAccount": this.account } },
      }),
    );
    if (email !== undefined) {
      const undelivered = new DeadLetterQueue(this, "UndeliveredAlarms", { holds: "alarms that no mail server took" });
      topic.addSubscription(new EmailSubscription(email, { deadLetterQueue: undelivered.queue }));
    }
    return topic;
  }
}
