// A bucket as all of ours are: versioned, encrypted, TLS only, closed to the public, announcing its events, outliving the stack.
import { Duration, RemovalPolicy } from "aws-cdk-lib";
import type { IKey } from "aws-cdk-lib/aws-kms";
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  CfnBucket,
  type IBucket,
  type LifecycleRule,
} from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";

export interface KeptBucketProps {
  readonly key: IKey;
  readonly accessLogs: IBucket;
  readonly lifecycleRules: readonly LifecycleRule[];
}

/** Longer than a run may last (7 days) and be redriven after it (14 days): a copy may be resumed all that time. */
const abandonedUploadAge = Duration.days(30);

export class KeptBucket extends Construct {
  readonly bucket: Bucket;

  constructor(scope: Construct, id: string, props: KeptBucketProps) {
    super(scope, id);
    this.bucket = new Bucket(this, "Bucket", {
      versioned: true,
      encryption: BucketEncryption.KMS,
      encryptionKey: props.key,
      // One data key for many objects: the requests to KMS do not grow with the number of parts.
      bucketKeyEnabled: true,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      serverAccessLogsBucket: props.accessLogs,
      serverAccessLogsPrefix: `${id}/`,
      lifecycleRules: [
        { id: "AbortAbandonedUploads", abortIncompleteMultipartUploadAfter: abandonedUploadAge },
        ...props.lifecycleRules,
      ],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    announceEvents(this.bucket);
  }
}

/** Every event goes to EventBridge. The L2 property would add a custom-resource Lambda for the same setting. */
function announceEvents(bucket: Bucket): void {
  const resource = bucket.node.defaultChild;
  if (!(resource instanceof CfnBucket)) throw new TypeError("a bucket's default child is a CfnBucket");
  resource.notificationConfiguration = { eventBridgeConfiguration: { eventBridgeEnabled: true } };
}
