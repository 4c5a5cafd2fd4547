// Which resource types the local cloud acts on, and which of their properties; all else is named once at boot.
import { inertFrontTypes, knownFrontTypes } from "./known-front-types.ts";

export interface KnownType {
  /** Properties that the local cloud carries out. */
  readonly honoured: readonly string[];
  /** Properties whose absence changes nothing that a program on the local cloud can see. */
  readonly inert: readonly string[];
}

/** Everything about these is without behaviour on a laptop: nothing watches, retains or is billed. */
const inertTypes: ReadonlySet<string> = new Set([
  ...inertFrontTypes,
  "AWS::CDK::Metadata",
  "AWS::CloudWatch::CompositeAlarm",
  "AWS::CloudWatch::Dashboard",
  // Empties a bucket when its stack is deleted; `npm run local:reset` does that here.
  "Custom::S3AutoDeleteObjects",
]);

const table: KnownType = {
  honoured: [
    "TableName",
    "KeySchema",
    "AttributeDefinitions",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "TimeToLiveSpecification",
    "StreamSpecification",
    "SSESpecification",
  ],
  inert: [
    "BillingMode",
    "ProvisionedThroughput",
    "WriteProvisionedThroughputSettings",
    "WriteOnDemandThroughputSettings",
    "PointInTimeRecoverySpecification",
    "DeletionProtectionEnabled",
    "TableClass",
    "ContributorInsightsSpecification",
    // A global table's replicas: this region's is the table itself; see `unknownProperties` for more than one.
    "Replicas",
    "Tags",
  ],
};

const knownTypes: Readonly<Record<string, KnownType>> = {
  ...knownFrontTypes,
  "AWS::DynamoDB::Table": table,
  "AWS::DynamoDB::GlobalTable": table,
  "AWS::S3::Bucket": {
    honoured: [
      "BucketName",
      "VersioningConfiguration",
      "NotificationConfiguration",
      "LifecycleConfiguration",
      "BucketEncryption",
    ],
    inert: ["PublicAccessBlockConfiguration", "OwnershipControls", "LoggingConfiguration", "AccessControl", "Tags"],
  },
  // CDK sets a bucket's notifications by a custom resource; boot reads them from it.
  "Custom::S3BucketNotifications": {
    honoured: ["BucketName", "NotificationConfiguration"],
    inert: ["ServiceToken", "Managed", "SkipDestinationValidation"],
  },
  "AWS::S3::BucketPolicy": { honoured: ["Bucket", "PolicyDocument"], inert: [] },
  "AWS::Lambda::Function": {
    honoured: [
      "Code",
      "Environment",
      "FunctionName",
      "Handler",
      "MemorySize",
      "PackageType",
      "ReservedConcurrentExecutions",
      "Role",
      "Runtime",
      "Timeout",
      "LoggingConfig",
      "CapacityProviderConfig",
    ],
    inert: [
      "Architectures",
      "Description",
      "TracingConfig",
      "RuntimeManagementConfig",
      "EphemeralStorage",
      // On a laptop every function reaches what the laptop reaches.
      "VpcConfig",
      "Tags",
      "KmsKeyArn",
    ],
  },
  "AWS::Lambda::Permission": {
    honoured: ["Action", "FunctionName", "Principal", "SourceArn", "SourceAccount"],
    inert: [],
  },
  "AWS::Lambda::EventInvokeConfig": {
    honoured: ["FunctionName", "MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"],
    inert: ["Qualifier"],
  },
  "AWS::Lambda::EventSourceMapping": {
    honoured: [
      "EventSourceArn",
      "FunctionName",
      "BatchSize",
      "MaximumBatchingWindowInSeconds",
      "FunctionResponseTypes",
      "ScalingConfig",
      "Enabled",
      "StartingPosition",
      "FilterCriteria",
      "ParallelizationFactor",
      "BisectBatchOnFunctionError",
      "MaximumRetryAttempts",
      "MaximumRecordAgeInSeconds",
      "DestinationConfig",
    ],
    inert: ["MetricsConfig", "Tags"],
  },
  "AWS::IAM::Role": {
    honoured: ["RoleName", "Path", "AssumeRolePolicyDocument", "Policies", "ManagedPolicyArns"],
    inert: ["Description", "MaxSessionDuration", "Tags"],
  },
  "AWS::IAM::Policy": { honoured: ["PolicyName", "PolicyDocument", "Roles"], inert: [] },
  "AWS::IAM::ManagedPolicy": {
    honoured: ["ManagedPolicyName", "Path", "PolicyDocument", "Roles"],
    inert: ["Description"],
  },
  "AWS::StepFunctions::StateMachine": {
    honoured: [
      "StateMachineName",
      "StateMachineType",
      "DefinitionString",
      "Definition",
      "DefinitionSubstitutions",
      "RoleArn",
    ],
    inert: ["LoggingConfiguration", "TracingConfiguration", "EncryptionConfiguration", "Tags"],
  },
  "AWS::Events::Rule": {
    honoured: ["Name", "EventBusName", "EventPattern", "ScheduleExpression", "State", "Targets"],
    inert: ["Description", "RoleArn", "Tags"],
  },
  "AWS::Events::EventBus": { honoured: ["Name"], inert: ["Description", "Tags"] },
  "AWS::Scheduler::Schedule": {
    honoured: [
      "Name",
      "GroupName",
      "ScheduleExpression",
      "ScheduleExpressionTimezone",
      "State",
      "StartDate",
      "EndDate",
      "Target",
    ],
    inert: ["Description", "FlexibleTimeWindow"],
  },
  "AWS::Scheduler::ScheduleGroup": { honoured: ["Name"], inert: ["Tags"] },
  "AWS::SQS::Queue": {
    honoured: [
      "QueueName",
      "VisibilityTimeout",
      "RedrivePolicy",
      "DelaySeconds",
      "MessageRetentionPeriod",
      "ReceiveMessageWaitTimeSeconds",
      "MaximumMessageSize",
    ],
    inert: ["SqsManagedSseEnabled", "KmsDataKeyReusePeriodSeconds", "Tags"],
  },
  "AWS::SNS::Topic": {
    honoured: ["TopicName", "DisplayName", "KmsMasterKeyId"],
    inert: ["SignatureVersion", "TracingConfig", "Tags"],
  },
  "AWS::SNS::TopicPolicy": { honoured: ["Topics", "PolicyDocument"], inert: [] },
  "AWS::SNS::Subscription": { honoured: ["TopicArn", "Protocol", "Endpoint"], inert: ["RedrivePolicy"] },
  // An alarm that the local cloud cannot evaluate never changes its state; `cloud.alarms.list()` says which.
  "AWS::CloudWatch::Alarm": {
    honoured: [
      "AlarmName",
      "AlarmDescription",
      "ActionsEnabled",
      "AlarmActions",
      "OKActions",
      "Namespace",
      "MetricName",
      "Dimensions",
      "Statistic",
      "Period",
      "EvaluationPeriods",
      "DatapointsToAlarm",
      "Threshold",
      "ComparisonOperator",
      "TreatMissingData",
    ],
    inert: [
      "InsufficientDataActions",
      "Unit",
      "Metrics",
      "ThresholdMetricId",
      "ExtendedStatistic",
      "EvaluateLowSampleCountPercentile",
      "Tags",
    ],
  },
  "AWS::SQS::QueuePolicy": { honoured: ["Queues", "PolicyDocument"], inert: [] },
  "AWS::SES::EmailIdentity": {
    honoured: ["EmailIdentity"],
    inert: [
      "DkimAttributes",
      "DkimSigningAttributes",
      "FeedbackAttributes",
      "MailFromAttributes",
      "ConfigurationSetAttributes",
      "Tags",
    ],
  },
  "AWS::SecretsManager::Secret": {
    honoured: ["Name", "SecretString", "GenerateSecretString"],
    inert: ["Description", "KmsKeyId", "Tags"],
  },
  "AWS::KMS::Key": {
    honoured: ["KeySpec", "KeyUsage", "KeyPolicy", "Enabled"],
    inert: ["Description", "EnableKeyRotation", "RotationPeriodInDays", "PendingWindowInDays", "Tags", "MultiRegion"],
  },
  "AWS::Logs::LogGroup": {
    honoured: ["LogGroupName"],
    inert: ["RetentionInDays", "KmsKeyId", "LogGroupClass", "DataProtectionPolicy", "Tags"],
  },
  "AWS::KMS::Alias": { honoured: ["AliasName", "TargetKeyId"], inert: [] },
};

/** False: the type must be named at boot. */
export function isKnownType(type: string): boolean {
  return inertTypes.has(type) || type in knownTypes;
}

/** Properties given in the template that change behaviour in AWS and are ignored here. */
export function ignoredProperties(type: string, given: readonly string[]): string[] {
  const known = knownTypes[type];
  if (!known) return [];
  return given.filter((property) => !known.honoured.includes(property) && !known.inert.includes(property));
}
