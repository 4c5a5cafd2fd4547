// Topics and alarms of the templates, and where the local cloud gets the metrics of AWS's own that they look at.
import type { AlarmDefinition } from "../cloudwatch/alarm.ts";
import type { Alarms } from "../cloudwatch/alarms.ts";
import type { Dimension } from "../cloudwatch/metric-store.ts";
import type { KmsService } from "../kms/kms.ts";
import type { Topics } from "../sns/topics.ts";
import type { SqsService } from "../sqs/sqs.ts";
import { Properties } from "./properties.ts";
import type { Resource } from "./resolve-assembly.ts";

export interface AlarmServices {
  readonly alarms: Alarms;
  readonly topics: Topics;
  readonly sqs: SqsService;
  readonly kms: KmsService;
}

/** Metrics of AWS's own that something here counts; see cloud-services.ts. */
const countedMetrics: ReadonlySet<string> = new Set([
  "AWS/Lambda Errors",
  "AWS/Lambda Invocations",
  "AWS/States ExecutionsFailed",
  "AWS/States ExecutionsTimedOut",
  "AWS/States ExecutionsAborted",
  "AWS/States ExecutionsSucceeded",
]);
const queueDepth = "AWS/SQS ApproximateNumberOfMessagesVisible";

/** Returns one sentence for each subscription that gets nothing here. */
export function provisionAlarms(resources: readonly Resource[], services: AlarmServices): string[] {
  const ofType = (type: string) => resources.filter((resource) => resource.type === type);
  const withPolicy = new Set(
    ofType("AWS::SNS::TopicPolicy").flatMap((policy) => Properties.of(policy).texts("Topics")),
  );
  for (const topic of ofType("AWS::SNS::Topic")) createTopic(topic, withPolicy, services);
  const unknown = ofType("AWS::SNS::Subscription").flatMap((subscription) => subscribe(subscription, services));
  const alarms = ofType("AWS::CloudWatch::Alarm").map((alarm) => addAlarm(alarm, services));
  const watchedQueues = alarms
    .filter(({ namespace, metricName }) => `${namespace} ${metricName}` === queueDepth)
    .flatMap(({ dimensions }) => dimensions.map(({ Value }) => Value));
  watchQueues(new Set(watchedQueues), ofType("AWS::SQS::Queue"), services);
  return unknown;
}

function createTopic(topic: Resource, withPolicy: ReadonlySet<string>, { topics, kms }: AlarmServices): void {
  const properties = Properties.of(topic);
  const keyId = properties.optionalText("KmsMasterKeyId");
  const arn = topic.arn ?? "";
  topics.create({
    arn,
    displayName: properties.optionalText("DisplayName") ?? "AWS Notifications",
    hasPolicy: withPolicy.has(arn),
    // AWS's own key lets every service in.
    ...(keyId === undefined || keyId === "alias/aws/sns" ? {} : { kmsKeyArn: kms.keyArnOf(keyId) }),
  });
}

function subscribe(subscription: Resource, { topics }: AlarmServices): string[] {
  const properties = Properties.of(subscription);
  const protocol = properties.text("Protocol");
  if (protocol === "email") {
    topics.subscribeEmail(properties.text("TopicArn"), properties.text("Endpoint"));
    return [];
  }
  return [`AWS::SNS::Subscription (${subscription.constructPath}): locally, topics send mails only, not ${protocol}.`];
}

function addAlarm(resource: Resource, { alarms }: AlarmServices): AlarmDefinition {
  const properties = Properties.of(resource);
  const evaluationPeriods = properties.number("EvaluationPeriods") ?? 1;
  const alarm: AlarmDefinition = {
    name: resource.physicalName,
    arn: resource.arn ?? "",
    description: properties.optionalText("AlarmDescription") ?? "",
    namespace: properties.optionalText("Namespace") ?? "",
    metricName: properties.optionalText("MetricName") ?? "",
    dimensions: properties.rawList("Dimensions") as unknown as readonly Dimension[],
    statistic: properties.optionalText("Statistic") ?? "",
    periodSeconds: properties.number("Period") ?? 60,
    evaluationPeriods,
    datapointsToAlarm: properties.number("DatapointsToAlarm") ?? evaluationPeriods,
    threshold: properties.number("Threshold") ?? 0,
    comparison: properties.text("ComparisonOperator"),
    alarmActions: actions(properties, "AlarmActions"),
    okActions: actions(properties, "OKActions"),
  };
  const metric = `${alarm.namespace} ${alarm.metricName}`;
  const isOwn = alarm.namespace !== "" && !alarm.namespace.startsWith("AWS/");
  // Silence as an alarm would need somebody who keeps looking; the product has a check of its own for that.
  const watchesSilence = properties.optionalText("TreatMissingData") === "breaching";
  const fed = !watchesSilence && (isOwn || countedMetrics.has(metric) || metric === queueDepth);
  alarms.add(alarm, fed);
  return alarm;
}

/** Their depth is a level, which is told whenever it may have changed. */
function watchQueues(queueNames: ReadonlySet<string>, queues: readonly Resource[], services: AlarmServices): void {
  const { alarms, sqs } = services;
  for (const { physicalName: name, arn = "" } of queues.filter((queue) => queueNames.has(queue.physicalName))) {
    const tell = () =>
      alarms.level("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", name, sqs.depths(arn).visible);
    sqs.onChange(arn, tell);
    tell();
  }
}

function actions(properties: Properties, name: "AlarmActions" | "OKActions"): string[] {
  if (properties.optionalText("ActionsEnabled") === "false") return [];
  return properties.texts(name).filter((arn) => arn.includes(":sns:"));
}
