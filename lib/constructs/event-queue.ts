// A queue of events with its dead letters: filled by EventBridge rules, worked off by one function that answers message by message.
import { Duration, Validations } from "aws-cdk-lib";
import { Rule, type RuleProps } from "aws-cdk-lib/aws-events";
import { SqsQueue } from "aws-cdk-lib/aws-events-targets";
import { SqsEventSource } from "aws-cdk-lib/aws-lambda-event-sources";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { DeadLetterQueue } from "./dead-letter-queue.ts";
import { FailureAlarm, failurePeriod } from "./failure-alarm.ts";
import type { ServiceFunction } from "./service-function.ts";

export interface EventQueueProps {
  /** The queue's name; its dead letters are in `<name>-dead-letters`. The command line finds both by it. */
  readonly name: string;
  /** What its dead letters are, such as "events of objects that could not be mirrored". */
  readonly holds: string;
  /** Of the dead letters' alarm, and of the runbook's heading. */
  readonly title: string;
  /** A sentence: what no longer happens when there are dead letters, and for whom. */
  readonly impactOfFailure: string;
  /** Of the function that works it off. */
  readonly workTimeout: Duration;
  /** Tries of one message until it is a dead letter. */
  readonly mostReceives: number;
  readonly alarmTopic: ITopic;
}

/** AWS's advice: a message must not come back while its function may still work on it. */
const timeoutsUntilVisible = 6;
/** A queue is out of reach for less. */
const longestDelivery = Duration.hours(24);
const mostDeliveries = 185;

export class EventQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, props: EventQueueProps) {
    super(scope, id);
    const { name, holds, title, impactOfFailure, workTimeout, mostReceives, alarmTopic } = props;
    this.deadLetters = new DeadLetterQueue(this, "DeadLetters", { holds, queueName: `${name}-dead-letters` }).queue;
    this.queue = new Queue(this, "Queue", {
      queueName: name,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      visibilityTimeout: Duration.seconds(timeoutsUntilVisible * workTimeout.toSeconds()),
      retentionPeriod: Duration.days(14),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: mostReceives },
    });
    new FailureAlarm(this, "DeadLettersAlarm", {
      metric: this.deadLetters.metricApproximateNumberOfMessagesVisible({
        period: failurePeriod,
        statistic: "Maximum",
      }),
      title,
      impactOfFailure,
      topic: alarmTopic,
    });
  }

  /** At most `concurrency` invocations at the same time, each with up to `batchSize` messages. */
  workedOffBy(worker: ServiceFunction, how: { enabled: boolean; batchSize: number; concurrency: number }): void {
    worker.function.addEventSource(
      new SqsEventSource(this.queue, {
        enabled: how.enabled,
        batchSize: how.batchSize,
        maxConcurrency: how.concurrency,
        reportBatchItemFailures: true,
      }),
    );
    Validations.of(worker.function).acknowledge({
      id: "Serverless-LambdaEventSourceMappingDestination",
      reason: "SQS is no stream: what fails stays in the queue, and ends in its dead letters.",
    });
  }

  /** What matches the rule is put into the queue. */
  takes(id: string, rule: Omit<RuleProps, "targets">): void {
    const target = new SqsQueue(this.queue, {
      deadLetterQueue: this.deadLetters,
      maxEventAge: longestDelivery,
      retryAttempts: mostDeliveries,
    });
    new Rule(this, id, { ...rule, targets: [target] });
  }
}
