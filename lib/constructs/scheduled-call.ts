// EventBridge Scheduler calls a function at the times of a time zone's own clock; a call that cannot be made is kept.
import { Stack } from "aws-cdk-lib";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { CfnSchedule } from "aws-cdk-lib/aws-scheduler";
import type { IQueue } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import type { ServiceFunction } from "./service-function.ts";

export interface ScheduledCallProps {
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
  /** `rate(…)` or `cron(…)` with six fields. */
  readonly expression: string;
  /** IANA name. */
  readonly timeZone: string;
  readonly calls: ServiceFunction;
  /** JSON; Scheduler replaces words such as `<aws.scheduler.scheduled-time>` in it. */
  readonly input: Readonly<Record<string, string>>;
  readonly missedCalls: IQueue;
}

/** After six hours the next run is nearer than the missed one, and looks at the same backups. */
const longestDelaySeconds = 6 * 60 * 60;
const mostRetries = 20;

export class ScheduledCall extends Construct {
  /** What Scheduler assumes; whoever changes the schedule over the API must be allowed to pass it on. */
  readonly role: Role;
  readonly name: string;
  readonly description: string;
  /** Its function is told the schedule's name, and sends ScheduledRunStarted with it: alerts misses it when it does not. */
  readonly announcesRuns: boolean;

  constructor(scope: Construct, id: string, props: ScheduledCallProps) {
    super(scope, id);
    this.name = props.name;
    this.description = props.description;
    this.announcesRuns = "schedule" in props.input;
    this.role = new Role(this, "Role", {
      assumedBy: new ServicePrincipal("scheduler.amazonaws.com", {
        conditions: { StringEquals: { "aws:SourceAccount": Stack.of(this).account } },
      }),
      description: `Only for the schedule ${props.name}`,
    });
    this.role.addToPrincipalPolicy(
      new PolicyStatement({ actions: ["lambda:InvokeFunction"], resources: [props.calls.arn] }),
    );
    this.role.addToPrincipalPolicy(
      new PolicyStatement({ actions: ["sqs:SendMessage"], resources: [props.missedCalls.queueArn] }),
    );
    new CfnSchedule(this, "Schedule", {
      name: props.name,
      description: props.description,
      state: props.enabled ? "ENABLED" : "DISABLED",
      scheduleExpression: props.expression,
      scheduleExpressionTimezone: props.timeZone,
      flexibleTimeWindow: { mode: "OFF" },
      target: {
        arn: props.calls.arn,
        roleArn: this.role.roleArn,
        input: JSON.stringify(props.input),
        deadLetterConfig: { arn: props.missedCalls.queueArn },
        retryPolicy: { maximumEventAgeInSeconds: longestDelaySeconds, maximumRetryAttempts: mostRetries },
      },
    });
  }
}
