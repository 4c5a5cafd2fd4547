// What each resource type is called: its physical name, its ARN, and what Ref and Fn::GetAtt give.
// Source: the "Return values" section of each type in the AWS CloudFormation template reference.
import { createHash } from "node:crypto";
import { keyIdFor } from "../kms/key.ts";
import { frontNamingRules } from "./front-identities.ts";

export interface Identity {
  readonly physicalName: string;
  /** Absent for types that have none. */
  readonly arn: string | undefined;
  readonly ref: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface Place {
  readonly partition: string;
  readonly urlSuffix: string;
  readonly region: string;
  readonly accountId: string;
  readonly stackName: string;
  /** Base URL of the gateway: a queue's Ref is its URL. */
  readonly gatewayUrl: string;
  /** Base URL of the local issuer, in the place of cognito-idp.<region>.amazonaws.com. */
  readonly cognitoUrl?: string;
}

/** A property's text, resolved; undefined where the template does not give it. */
export type NameProperty = (property: string) => string | undefined;

export interface NamingRule {
  readonly property?: string;
  readonly longest: number;
  readonly lowerCase?: boolean;
  identify(place: Place, name: string, given: NameProperty): Omit<Identity, "physicalName">;
}

/** The identity is the same at every boot: state kept under these names is found again. */
export function identify(type: string, logicalId: string, place: Place, given: NameProperty): Identity {
  const rule = namingRules[type];
  if (!rule) return unknownIdentity(type, logicalId, place);
  const generated = shorten(`${place.stackName}-${logicalId}`, rule.longest);
  const name = (rule.property && given(rule.property)) ?? (rule.lowerCase ? generated.toLowerCase() : generated);
  return { physicalName: name, ...rule.identify(place, name, given) };
}

/** Cuts to the service's limit; what tells two long names apart is kept as a hash at the end. */
export function shorten(name: string, longest: number): string {
  if (name.length <= longest) return name;
  const hashLength = 8;
  return `${name.slice(0, longest - hashLength - 1)}-${hash(name).slice(0, hashLength)}`;
}

function unknownIdentity(type: string, logicalId: string, place: Place): Identity {
  const physicalName = `${place.stackName}-${logicalId}`;
  return { physicalName, arn: undefined, ref: physicalName, attributes: { type } };
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function hashedUuid(text: string): string {
  const digits = hash(text);
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20, 32),
  ].join("-");
}

function arnOf(place: Place, service: string, rest: string): string {
  return `arn:${place.partition}:${service}:${place.region}:${place.accountId}:${rest}`;
}

/** A stream's name is the moment when it was switched on; here that is the same at every boot. */
export function streamArnOf(tableArn: string): string {
  return `${tableArn}/stream/2026-01-01T00:00:00.000`;
}

const table: NamingRule = {
  property: "TableName",
  longest: 255,
  identify(place, name) {
    const arn = arnOf(place, "dynamodb", `table/${name}`);
    return { arn, ref: name, attributes: { Arn: arn, StreamArn: streamArnOf(arn), TableId: hashedUuid(arn) } };
  },
};

const onlyNamed = (property: string | undefined, longest: number): NamingRule => ({
  ...(property ? { property } : {}),
  longest,
  identify: (_place, name) => ({ arn: undefined, ref: name, attributes: { Id: name } }),
});

const namingRules: Readonly<Record<string, NamingRule>> = {
  ...frontNamingRules,
  "AWS::DynamoDB::Table": table,
  "AWS::DynamoDB::GlobalTable": table,
  "AWS::S3::Bucket": {
    property: "BucketName",
    longest: 63,
    lowerCase: true,
    identify(place, name) {
      const arn = `arn:${place.partition}:s3:::${name}`;
      const attributes = {
        Arn: arn,
        DomainName: `${name}.s3.${place.urlSuffix}`,
        RegionalDomainName: `${name}.s3.${place.region}.${place.urlSuffix}`,
        DualStackDomainName: `${name}.s3.dualstack.${place.region}.${place.urlSuffix}`,
      };
      return { arn, ref: name, attributes };
    },
  },
  "AWS::Lambda::Function": {
    property: "FunctionName",
    longest: 64,
    identify(place, name) {
      const arn = arnOf(place, "lambda", `function:${name}`);
      return { arn, ref: name, attributes: { Arn: arn } };
    },
  },
  "AWS::IAM::Role": {
    property: "RoleName",
    longest: 64,
    identify(place, name, given) {
      const arn = `arn:${place.partition}:iam::${place.accountId}:role${given("Path") ?? "/"}${name}`;
      return { arn, ref: name, attributes: { Arn: arn, RoleId: `AROA${hash(arn).slice(0, 17).toUpperCase()}` } };
    },
  },
  "AWS::IAM::ManagedPolicy": {
    property: "ManagedPolicyName",
    longest: 128,
    identify(place, name, given) {
      const arn = `arn:${place.partition}:iam::${place.accountId}:policy${given("Path") ?? "/"}${name}`;
      return { arn, ref: arn, attributes: { PolicyArn: arn } };
    },
  },
  "AWS::StepFunctions::StateMachine": {
    property: "StateMachineName",
    longest: 80,
    identify(place, name) {
      const arn = arnOf(place, "states", `stateMachine:${name}`);
      return { arn, ref: arn, attributes: { Arn: arn, Name: name } };
    },
  },
  "AWS::Events::Rule": {
    property: "Name",
    longest: 64,
    identify(place, name, given) {
      const bus = given("EventBusName") ?? "default";
      const busName = bus.slice(bus.lastIndexOf("/") + 1);
      const isDefault = busName === "default";
      const arn = arnOf(place, "events", `rule/${isDefault ? "" : `${busName}/`}${name}`);
      return { arn, ref: isDefault ? name : `${busName}|${name}`, attributes: { Arn: arn } };
    },
  },
  "AWS::Events::EventBus": {
    property: "Name",
    longest: 256,
    identify(place, name) {
      const arn = arnOf(place, "events", `event-bus/${name}`);
      return { arn, ref: name, attributes: { Arn: arn, Name: name } };
    },
  },
  "AWS::Scheduler::Schedule": {
    property: "Name",
    longest: 64,
    identify(place, name, given) {
      const arn = arnOf(place, "scheduler", `schedule/${given("GroupName") ?? "default"}/${name}`);
      return { arn, ref: name, attributes: { Arn: arn } };
    },
  },
  "AWS::Scheduler::ScheduleGroup": {
    property: "Name",
    longest: 64,
    identify(place, name) {
      const arn = arnOf(place, "scheduler", `schedule-group/${name}`);
      return { arn, ref: name, attributes: { Arn: arn } };
    },
  },
  "AWS::SQS::Queue": {
    property: "QueueName",
    longest: 80,
    identify(place, name) {
      const arn = arnOf(place, "sqs", name);
      const url = `${place.gatewayUrl}/${place.accountId}/${name}`;
      return { arn, ref: url, attributes: { Arn: arn, QueueName: name, QueueUrl: url } };
    },
  },
  "AWS::SES::EmailIdentity": {
    property: "EmailIdentity",
    longest: 320,
    identify(place, name) {
      const arn = arnOf(place, "ses", `identity/${name}`);
      const token = (number: number) => [`DkimDNSTokenName${number}`, `token${number}._domainkey.${name}`] as const;
      return { arn, ref: name, attributes: { Arn: arn, ...Object.fromEntries([1, 2, 3].map(token)) } };
    },
  },
  "AWS::SecretsManager::Secret": {
    property: "Name",
    longest: 512,
    identify(place, name) {
      // Secrets Manager ends the ARN in six characters of its own; here they follow from the name.
      const arn = arnOf(place, "secretsmanager", `secret:${name}-${hash(name).slice(0, 6)}`);
      return { arn, ref: arn, attributes: { Id: arn } };
    },
  },
  "AWS::KMS::Key": {
    longest: 256,
    identify(place, name) {
      const keyId = keyIdFor(place.accountId, place.region, name);
      const arn = arnOf(place, "kms", `key/${keyId}`);
      return { arn, ref: keyId, attributes: { Arn: arn, KeyId: keyId } };
    },
  },
  "AWS::KMS::Alias": {
    property: "AliasName",
    longest: 256,
    identify(place, name) {
      const arn = arnOf(place, "kms", name);
      return { arn, ref: name, attributes: { Arn: arn } };
    },
  },
  "AWS::Logs::LogGroup": {
    property: "LogGroupName",
    longest: 512,
    identify(place, name) {
      const arn = arnOf(place, "logs", `log-group:${name}:*`);
      return { arn, ref: name, attributes: { Arn: arn } };
    },
  },
  "AWS::SNS::Topic": {
    property: "TopicName",
    longest: 256,
    identify(place, name) {
      const arn = arnOf(place, "sns", name);
      return { arn, ref: arn, attributes: { TopicArn: arn, TopicName: name } };
    },
  },
  "AWS::CloudWatch::Alarm": {
    property: "AlarmName",
    longest: 255,
    identify(place, name) {
      const arn = arnOf(place, "cloudwatch", `alarm:${name}`);
      return { arn, ref: name, attributes: { Arn: arn } };
    },
  },
  "AWS::CloudWatch::CompositeAlarm": {
    property: "AlarmName",
    longest: 255,
    identify(place, name) {
      const arn = arnOf(place, "cloudwatch", `alarm:${name}`);
      return { arn, ref: name, attributes: { Arn: arn } };
    },
  },
  "AWS::CloudWatch::Dashboard": onlyNamed("DashboardName", 255),
  "AWS::S3::BucketPolicy": onlyNamed(undefined, 255),
  "AWS::SQS::QueuePolicy": onlyNamed(undefined, 255),
  "AWS::SNS::TopicPolicy": onlyNamed(undefined, 255),
  "AWS::SNS::Subscription": onlyNamed(undefined, 255),
  "AWS::IAM::Policy": onlyNamed("PolicyName", 128),
  "AWS::Lambda::Permission": onlyNamed(undefined, 255),
  "AWS::Lambda::EventInvokeConfig": onlyNamed(undefined, 255),
  "AWS::Lambda::EventSourceMapping": onlyNamed(undefined, 255),
  "AWS::CDK::Metadata": onlyNamed(undefined, 255),
};
