// Where deliveries end that failed for good: kept for two weeks, for a person to look at.
import { Duration, Validations } from "aws-cdk-lib";
import { Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";

export interface DeadLetterQueueProps {
  /** What a message in it is, such as "alarms that no mail server took". */
  readonly holds: string;
  /** For a queue that the command line finds by its name. Default: made up by CloudFormation. */
  readonly queueName?: string;
}

export class DeadLetterQueue extends Construct {
  readonly queue: Queue;
  readonly holds: string;

  constructor(scope: Construct, id: string, props: DeadLetterQueueProps) {
    super(scope, id);
    this.holds = props.holds;
    this.queue = new Queue(this, "Queue", {
      ...(props.queueName !== undefined && { queueName: props.queueName }),
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    Validations.of(this.queue).acknowledge(
      ...["AwsSolutions-SQS3", "Serverless-SQSRedrivePolicy"].map((id) => ({
        id,
        reason: `This is a dead-letter queue itself: it holds ${props.holds}, and nothing reads it by machine.`,
      })),
    );
  }
}
