// The data stack: what must outlive a redeploy stays, encrypted and closed; and cdk-nag has nothing to say.

import { Stack } from "aws-cdk-lib";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { AwsSolutionsChecks } from "cdk-nag";
import { describe, expect, it } from "vitest";
import { listStages } from "../../../lib/config.ts";
import { synthesise, withApp } from "./template.ts";

const stages = new Map(listStages().map((stage) => [stage, synthesise(stage)]));
const prod = stages.get("prod")?.data ?? synthesise("prod").data;

/** Properties by construct id, which a logical id begins with. */
function resourceOf(type: string, constructId: string) {
  const found = Object.entries(prod.findResources(type)).find(([id]) => id.startsWith(constructId));
  if (found === undefined) throw new Error(`there is no ${type} ${constructId}`);
  return found[1] as { DeletionPolicy: string; UpdateReplacePolicy: string; Properties: Record<string, unknown> };
}

describe("a bucket", () => {
  it.each(["BackupsBucket", "WorkBucket"])(
    "is versioned, encrypted with our key, closed, and announces itself: %s",
    (id) => {
      const { Properties, DeletionPolicy } = resourceOf("AWS::S3::Bucket", id);
      expect(DeletionPolicy).toBe("Retain");
      expect(Properties).toMatchObject({
        VersioningConfiguration: { Status: "Enabled" },
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [
            { BucketKeyEnabled: true, ServerSideEncryptionByDefault: { SSEAlgorithm: "aws:kms" } },
          ],
        },
        NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } },
      });
      expect(JSON.stringify(Properties.LifecycleConfiguration)).toContain(
        '"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":30}',
      );
    },
  );

  it("keeps current backups for ever, and work for thirty days", () => {
    const backups = JSON.stringify(resourceOf("AWS::S3::Bucket", "BackupsBucket").Properties);
    expect(backups).not.toContain('"ExpirationInDays"');
    expect(backups).toContain('"NoncurrentVersionExpiration":{"NoncurrentDays":90}');
    expect(JSON.stringify(resourceOf("AWS::S3::Bucket", "WorkBucket").Properties)).toContain('"ExpirationInDays":30');
  });

  it("answers over TLS alone", () => {
    for (const policy of Object.values(prod.findResources("AWS::S3::BucketPolicy"))) {
      expect(JSON.stringify(policy)).toContain('"aws:SecureTransport":"false"');
    }
    prod.resourceCountIs("AWS::S3::BucketPolicy", 3);
  });
});

describe("a table", () => {
  /** Keys of the table, and the indexes that list its items in order of time. */
  const tables = {
    Jobs: { keys: ["jobId", "item"], index: ["byStart", "startedAt"] },
    Copies: { keys: ["copyId"], index: ["byChange", "changedAt"] },
    PartLedger: { keys: ["uploadKey", "partNumber"] },
    Exports: { keys: ["exportId"], index: ["byChange", "changedAt"] },
    Mirror: { keys: ["sourceKey"], index: ["byWaiting", "waitingSince"] },
    Alerts: { keys: ["partition", "item"] },
    Schedules: { keys: ["scheduleName"] },
    Audit: { keys: ["month", "item"] },
    Idempotency: { keys: ["requestKey"] },
    RelayKeys: { keys: ["pk"], index: ["byCreation", "createdAt"] },
    RelayAccounts: { keys: ["partition", "item"] },
    RelayUsage: { keys: ["partition", "requestId"], index: ["byKey", "requestId", "keyId"] },
    RelayTotals: { keys: ["partition", "item"] },
  } as Readonly<
    Record<
      string,
      /** The index: its name, what it is sorted by, and by what its lists are told apart. */
      { readonly keys: readonly string[]; readonly index?: readonly [string, string, string?] }
    >
  >;
  const keySchema = (names: readonly string[]) =>
    names.map((AttributeName, position) => ({ AttributeName, KeyType: position === 0 ? "HASH" : "RANGE" }));

  it("is in this list", () => {
    prod.resourceCountIs("AWS::DynamoDB::Table", Object.keys(tables).length);
  });

  it.each(Object.entries(tables))(
    "has its keys, is encrypted with our key, and can be taken back in time: %s",
    (id, { keys, index }) => {
      const { Properties, DeletionPolicy } = resourceOf("AWS::DynamoDB::Table", id);
      expect(DeletionPolicy).toBe("Retain");
      expect(Properties).toMatchObject({
        KeySchema: keySchema(keys),
        BillingMode: "PAY_PER_REQUEST",
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        SSESpecification: { SSEEnabled: true, SSEType: "KMS" },
        DeletionProtectionEnabled: true,
        ...(index && {
          GlobalSecondaryIndexes: [
            {
              IndexName: index[0],
              KeySchema: keySchema([index[2] ?? "listing", index[1]]),
              Projection: { ProjectionType: "ALL" },
            },
          ],
        }),
      });
    },
  );

  it("forgets ledger rows by itself, and nothing else", () => {
    expect(resourceOf("AWS::DynamoDB::Table", "PartLedger").Properties).toMatchObject({
      TimeToLiveSpecification: { AttributeName: "expiresAt", Enabled: true },
    });
    expect(resourceOf("AWS::DynamoDB::Table", "Copies").Properties).not.toHaveProperty("TimeToLiveSpecification");
  });

  it("may be deleted in a stage whose data is not protected", () => {
    stages.get("dev")?.data.allResourcesProperties("AWS::DynamoDB::Table", { DeletionProtectionEnabled: false });
  });
});

describe("a key", () => {
  it("stays when the stack goes; one rotates, one signs", () => {
    expect(resourceOf("AWS::KMS::Key", "DataKey")).toMatchObject({
      DeletionPolicy: "Retain",
      Properties: { EnableKeyRotation: true },
    });
    expect(resourceOf("AWS::KMS::Key", "ReceiptSigningKey")).toMatchObject({
      DeletionPolicy: "Retain",
      Properties: { KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" },
    });
  });
});

describe("alarms", () => {
  it("reach the stage's e-mail address, and a queue when no mail server takes them", () => {
    prod.hasResourceProperties("AWS::SNS::Subscription", {
      Protocol: "email",
      Endpoint: "operations@example.com",
      RedrivePolicy: {},
    });
    stages.get("dev")?.data.resourceCountIs("AWS::SNS::Subscription", 0);
  });

  it("may publish to their topic, whose own policy replaces the one that would let them", () => {
    const { PolicyDocument } = resourceOf("AWS::SNS::TopicPolicy", "AlarmTopicPolicy").Properties;
    const cloudWatch = { Service: "cloudwatch.amazonaws.com" };
    expect(PolicyDocument).toMatchObject({
      Statement: expect.arrayContaining([
        expect.objectContaining({ Effect: "Allow", Action: "sns:Publish", Principal: cloudWatch }),
      ]),
    });
  });
});

describe("validation", () => {
  it.each(listStages())(
    "finds nothing that CloudFormation would refuse, and nothing of cdk-nag's without a reason: %s",
    (stage) => {
      expect(stages.get(stage)?.validationReport.pluginReports).toEqual([]);
    },
  );

  it("does find what is wrong: an open bucket is named", () => {
    const rules = withApp("local", (app) => {
      const stack = app.node.findAll().find((construct) => Stack.isStack(construct));
      if (stack === undefined) throw new Error("the app has no stack");
      new Bucket(stack, "OpenBucket");
      return new AwsSolutionsChecks().validateScope(app).violations.map(({ ruleName }) => ruleName);
    });
    expect(rules).toEqual(expect.arrayContaining(["AwsSolutions-S1", "AwsSolutions-S10"]));
  });
});
