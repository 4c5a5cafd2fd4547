// What replication's functions may do, in words that the stack combines. Nothing here deletes anything.
import type { Table } from "aws-cdk-lib/aws-dynamodb";
import type { EventBus } from "aws-cdk-lib/aws-events";
import type { Key } from "aws-cdk-lib/aws-kms";
import type { Bucket } from "aws-cdk-lib/aws-s3";
import type { Queue } from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";
import type { Permission } from "../constructs/permissions.ts";
import { namedArn } from "../constructs/service-function.ts";

type TableAction = "GetItem" | "BatchGetItem" | "Query" | "PutItem" | "UpdateItem" | "BatchWriteItem";

type ObjectAction =
  | "GetObject"
  /** Of a version that is named. */
  | "GetObjectVersion"
  | "PutObject"
  /** Asks which parts an upload has. */
  | "ListMultipartUploadParts"
  /** Gives up an unfinished upload: the only thing that copying may take away, and it was never an object. */
  | "AbortMultipartUpload";

export function onTable(table: Table, ...actions: readonly TableAction[]): Permission {
  return { actions: actions.map((action) => `dynamodb:${action}`), resources: [table.tableArn] };
}

/** `keys` as in a policy's resource: `runs/*`. */
export function onObjects(bucket: Bucket, keys: string, ...actions: readonly ObjectAction[]): Permission {
  return {
    actions: actions.map((action) => `s3:${action}`),
    resources: [bucket.arnForObjects(keys)],
    wildcardReason: `Keys below ${keys} are made while it runs; the bucket holds nothing else there.`,
  };
}

/** Receipts are written by one function alone, also where copies may lie anywhere in the bucket. */
export function notOnReceipts(bucket: Bucket, keys: string): Permission {
  return {
    denied: true,
    actions: ["s3:PutObject"],
    resources: [bucket.arnForObjects(keys)],
    wildcardReason: `Denied below ${keys}, whatever is there.`,
  };
}

/** Without it, S3 answers 403 instead of 404 for a key that does not exist. */
export function listing(bucket: Bucket): Permission {
  return { actions: ["s3:ListBucket"], resources: [bucket.bucketArn] };
}

/** What S3 and DynamoDB ask of whoever reads and writes encrypted objects and items. */
export function throughKey(key: Key): Permission {
  return { actions: ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"], resources: [key.keyArn] };
}

/** Finds the unfinished uploads of a key, so that none is left behind. */
export function listingUploads(bucket: Bucket): Permission {
  return { actions: ["s3:ListBucketMultipartUploads"], resources: [bucket.bucketArn] };
}

export function sendingTo(queue: Queue): Permission {
  return { actions: ["sqs:SendMessage"], resources: [queue.queueArn] };
}

export function signing(key: Key): Permission {
  return { actions: ["kms:Sign"], resources: [key.keyArn] };
}

export function announcing(bus: EventBus): Permission {
  return { actions: ["events:PutEvents"], resources: [bus.eventBusArn] };
}

/** A secret by its path: whoever puts it need not be CloudFormation, and rotation changes no template. */
export function readingSecret(scope: Construct, path: string): Permission {
  return {
    actions: ["secretsmanager:GetSecretValue"],
    resources: [namedArn(scope, "secretsmanager", `secret:${path}-*`)],
    wildcardReason: "Secrets Manager ends every ARN in six random characters.",
  };
}

/** Every snapshot and database of the region. */
export function lookingAtSnapshots(scope: Construct): Permission[] {
  return [
    {
      actions: ["rds:DescribeDBSnapshots", "rds:DescribeDBInstances"],
      resources: ["snapshot:*", "db:*"].map((name) => namedArn(scope, "rds", name)),
      wildcardReason: "Every snapshot and database of the region is looked at, to say why it is exported or not.",
    },
    {
      actions: ["rds:DescribeDBClusterSnapshots", "rds:DescribeDBClusters"],
      resources: ["cluster-snapshot:*", "cluster:*"].map((name) => namedArn(scope, "rds", name)),
      wildcardReason: "Every cluster and its snapshots of the region are looked at.",
    },
  ];
}
