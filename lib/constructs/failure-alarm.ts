// An alarm that says what is broken for whom, and which heading of the runbook to open.
import { Duration } from "aws-cdk-lib";
import { Alarm, ComparisonOperator, type IMetric, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";

export interface FailureAlarmProps {
  /** Counts failures. */
  readonly metric: IMetric;
  /** This many failures in a period raise the alarm. Default 1. */
  readonly failuresPerPeriod?: number;
  /** What fails, in two or three words; it is also the runbook's heading. */
  readonly title: string;
  /** A sentence: what no longer happens, and for whom. */
  readonly impactOfFailure: string;
  readonly topic: ITopic;
}

/** Where the runbook stands for whoever reads an alarm: the path inside the repository. */
const runbookFile = "docs/runbook.md";

export class FailureAlarm extends Construct {
  readonly alarm: Alarm;

  constructor(scope: Construct, id: string, props: FailureAlarmProps) {
    super(scope, id);
    this.alarm = new Alarm(this, "Alarm", {
      metric: props.metric,
      threshold: props.failuresPerPeriod ?? 1,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      // Functions that are not called report nothing: that is no failure.
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmDescription: `${props.title}: ${props.impactOfFailure} Runbook: ${runbookFile}#${headingAnchor(props.title)}`,
    });
    this.alarm.addAlarmAction(new SnsAction(props.topic));
  }
}

/** Five minutes: soon enough for work that runs for hours, and one mail for a burst of failures. */
export const failurePeriod = Duration.minutes(5);

/** The anchor that Markdown viewers give a heading: lower case, punctuation dropped, spaces as hyphens. */
export function headingAnchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number} _-]/gu, "")
    .replaceAll(" ", "-");
}
