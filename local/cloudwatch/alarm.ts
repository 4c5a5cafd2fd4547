// A CloudWatch alarm on one metric: what it compares, and the mail that its change of state becomes.
// Source: "Using Amazon CloudWatch alarms" in the CloudWatch guide.
import type { Dimension } from "./metric-store.ts";

export interface AlarmDefinition {
  readonly name: string;
  readonly arn: string;
  readonly description: string;
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions: readonly Dimension[];
  /** Sum, Average, Minimum, Maximum, SampleCount. */
  readonly statistic: string;
  readonly periodSeconds: number;
  readonly evaluationPeriods: number;
  readonly datapointsToAlarm: number;
  readonly threshold: number;
  readonly comparison: string;
  /** ARNs of topics. */
  readonly alarmActions: readonly string[];
  readonly okActions: readonly string[];
}

export type AlarmState = "OK" | "ALARM";

/** One period's data. */
export interface Period {
  readonly startMilliseconds: number;
  readonly sampleCount: number;
  readonly sum: number;
  readonly minimum: number;
  readonly maximum: number;
}

const comparisons: Readonly<Record<string, (value: number, threshold: number) => boolean>> = {
  GreaterThanOrEqualToThreshold: (value, threshold) => value >= threshold,
  GreaterThanThreshold: (value, threshold) => value > threshold,
  LessThanThreshold: (value, threshold) => value < threshold,
  LessThanOrEqualToThreshold: (value, threshold) => value <= threshold,
};

const statistics: Readonly<Record<string, (period: Period) => number>> = {
  Sum: ({ sum }) => sum,
  Average: ({ sum, sampleCount }) => sum / sampleCount,
  Minimum: ({ minimum }) => minimum,
  Maximum: ({ maximum }) => maximum,
  SampleCount: ({ sampleCount }) => sampleCount,
};

/** False: the local cloud cannot tell this alarm's state (another statistic, a band). */
export function canEvaluate({ comparison, statistic }: AlarmDefinition): boolean {
  return comparison in comparisons && statistic in statistics;
}

export function breaches(alarm: AlarmDefinition, period: Period): boolean {
  const value = statistics[alarm.statistic]?.(period);
  return value !== undefined && (comparisons[alarm.comparison]?.(value, alarm.threshold) ?? false);
}

/** As SNS writes CloudWatch's notifications for people. */
export function notification(
  alarm: AlarmDefinition,
  change: { readonly from: AlarmState; readonly to: AlarmState; readonly reason: string; readonly at: string },
  region: string,
): { readonly subject: string; readonly message: string } {
  return {
    // SNS takes a hundred letters of a subject.
    subject: `${change.to}: "${alarm.name}" in ${region}`.slice(0, 100),
    message: [
      `Your CloudWatch alarm "${alarm.name}" in ${region} has entered the ${change.to} state at ${change.at}: ${change.reason}`,
      "",
      `Description: ${alarm.description}`,
      `State change: ${change.from} -> ${change.to}`,
      `Metric: ${alarm.namespace} ${alarm.metricName} ${alarm.dimensions.map(({ Name, Value }) => `${Name}=${Value}`).join(" ")}`,
      `Alarm: ${alarm.arn}`,
    ].join("\n"),
  };
}
