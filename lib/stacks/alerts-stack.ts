// Alerts: events of the bus become alerts, alerts become messages; and a check for what did not happen.
import { CfnOutput, CfnParameter, Duration, Stack, type StackProps, Validations } from "aws-cdk-lib";
import { Match } from "aws-cdk-lib/aws-events";
import { EventSourceMapping } from "aws-cdk-lib/aws-lambda";
import { type IQueue, Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import type { Construct, IConstruct } from "constructs";
import type { StageSettings } from "../config.ts";
import { DeadLetterQueue } from "../constructs/dead-letter-queue.ts";
import { EventQueue } from "../constructs/event-queue.ts";
import { FailureAlarm, failurePeriod } from "../constructs/failure-alarm.ts";
import { ScheduledCall } from "../constructs/scheduled-call.ts";
import { Room, type ServiceFunction } from "../constructs/service-function.ts";
import {
  type AlertsParts,
  addCheckSilence,
  addDeliverAlerts,
  addEvaluateEvents,
  addSendTestAlert,
  addServeAlertsApi,
  deliverTimeout,
  evaluateTimeout,
  type Watched,
} from "./alerts-functions.ts";
import type { DataStack } from "./data-stack.ts";

export interface AlertsStackProps extends StackProps {
  readonly settings: StageSettings;
  readonly data: DataStack;
}

/** Events of one call: they are counted one after the other. */
const eventsPerCall = 10;
/** Calls at the same time: enough for a storm, few enough that they seldom meet at one incident. */
const concurrentEvaluations = 4;
const concurrentDeliveries = 2;
const mostReceives = 8;

export class AlertsStack extends Stack {
  /** Answer the API's routes, by their entries' names. */
  readonly httpFunctions: Readonly<Record<"serve-alerts-api" | "send-test-alert", ServiceFunction>>;

  /** Build it behind the stacks whose dead-letter queues and schedules are to be watched. */
  constructor(scope: Construct, id: string, props: AlertsStackProps) {
    super(scope, id, props);
    const { settings, data } = props;
    const common = { logRetention: settings.retention.logDays, alarmTopic: data.alarmTopic };
    const undelivered = this.#undelivered(data);
    const { queue: missedCalls } = new DeadLetterQueue(this, "MissedChecks", {
      holds: "checks and deliveries that could not be called",
    });
    const parts: AlertsParts = {
      scope: this,
      room: new Room(this, { ...common, room: "alerts" }),
      settings,
      data,
      publicUrl: this.#publicUrl(settings),
      wakeQueue: this.#wakeQueue(),
      undelivered,
      failedCalls: missedCalls,
    };
    const events = this.#evaluation(parts);
    const deliver = this.#delivery(parts);
    const watched = findWatched(scope.node.root, [undelivered]);
    const check = addCheckSilence(parts, watched);
    this.httpFunctions = {
      "serve-alerts-api": addServeAlertsApi(parts),
      "send-test-alert": addSendTestAlert(parts),
    };

    new ScheduledCall(this, "DeliverySchedule", {
      name: `causeway-${settings.stage}-deliver-alerts`,
      description: "Sends what waited: for a pause to end, or for the end of quiet hours",
      enabled: true,
      expression: "rate(1 minute)",
      timeZone: "UTC",
      calls: deliver,
      input: {},
      missedCalls,
    });
    new ScheduledCall(this, "SilenceSchedule", {
      name: `causeway-${settings.stage}-check-silence`,
      description: "Looks for what did not happen, whether or not any job ran",
      enabled: true,
      expression: "rate(15 minutes)",
      timeZone: "UTC",
      calls: check,
      // Too many, perhaps, for a function's environment.
      input: { expectedDatabaseIds: settings.alerts.expectedDatabaseIds.join(",") },
      missedCalls,
    });
    new CfnOutput(this, "UnreadEventsQueueUrl", { value: events.deadLetters.queueUrl });
    new CfnOutput(this, "UndeliveredAlertsQueueUrl", { value: undelivered.queueUrl });
    new CfnOutput(this, "CheckSilenceFunctionName", { value: check.function.functionName });
    new CfnOutput(this, "DeliverAlertsFunctionName", { value: deliver.function.functionName });
  }

  #publicUrl({ console }: StageSettings): string {
    return new CfnParameter(this, "PublicUrl", {
      default: console.publicUrl ?? "",
      description: "Where people reach the API, such as https://causeway.example.com; empty: links are paths alone",
    }).valueAsString;
  }

  /** Every event of Causeway's own, in a queue: none is lost while the function cannot run. */
  #evaluation(parts: AlertsParts): EventQueue {
    const events = new EventQueue(this, "Events", {
      name: `causeway-${parts.settings.stage}-alerts-events`,
      holds: "events that could not be counted",
      title: "Unread events",
      impactOfFailure: "Something happened that nobody is told of: its event could not be understood or counted.",
      workTimeout: evaluateTimeout,
      mostReceives,
      alarmTopic: parts.data.alarmTopic,
    });
    events.takes("FromRooms", {
      eventBus: parts.data.bus,
      description: "Everything that rooms say",
      eventPattern: { source: Match.prefix("causeway.") },
    });
    events.workedOffBy(addEvaluateEvents(parts), {
      enabled: true,
      batchSize: eventsPerCall,
      concurrency: concurrentEvaluations,
    });
    return events;
  }

  #delivery(parts: AlertsParts): ServiceFunction {
    const deliver = addDeliverAlerts(parts);
    const mapping = new EventSourceMapping(deliver.function, "Messages", {
      target: deliver.function,
      eventSourceArn: parts.wakeQueue.queueArn,
      batchSize: 10,
      maxConcurrency: concurrentDeliveries,
    });
    // Lambda looks at the role's rights when the mapping is made.
    mapping.node.addDependency(deliver.role);
    Validations.of(mapping).acknowledge({
      id: "Serverless-LambdaEventSourceMappingDestination",
      reason: "SQS is no stream: what fails stays in the queue, and the schedule calls every minute in any case.",
    });
    return deliver;
  }

  #wakeQueue(): Queue {
    const queue = new Queue(this, "WakeQueue", {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      // What comes in within a moment is looked at together.
      deliveryDelay: Duration.seconds(2),
      visibilityTimeout: deliverTimeout.plus(Duration.minutes(1)),
      retentionPeriod: Duration.hours(1),
    });
    Validations.of(queue).acknowledge(
      ...["AwsSolutions-SQS3", "Serverless-SQSRedrivePolicy"].map((id) => ({
        id,
        reason: "Its messages say no more than that it is time; the schedule says the same every minute.",
      })),
    );
    return queue;
  }

  #undelivered(data: DataStack): Queue {
    const { queue } = new DeadLetterQueue(this, "UndeliveredAlerts", { holds: "alerts that no channel took" });
    new FailureAlarm(this, "UndeliveredAlertsAlarm", {
      metric: queue.metricApproximateNumberOfMessagesVisible({ period: failurePeriod, statistic: "Maximum" }),
      title: "Undelivered alerts",
      impactOfFailure: "No channel took an alert: this mail is the only one who tells of it.",
      topic: data.alarmTopic,
    });
    return queue;
  }
}

/**
 * Every dead-letter queue of the app, and every schedule whose function tells of its runs: what is built with the house's
 * fittings cannot be forgotten. `except`: what has an alarm that does not need the channels.
 */
function findWatched(app: IConstruct, except: readonly IQueue[]): Watched {
  const all = app.node.findAll();
  return {
    schedules: all.flatMap((each) => (each instanceof ScheduledCall && each.announcesRuns ? [each.name] : [])),
    queues: all.flatMap((each) =>
      each instanceof DeadLetterQueue && !except.includes(each.queue) ? [{ queue: each.queue, holds: each.holds }] : [],
    ),
  };
}
