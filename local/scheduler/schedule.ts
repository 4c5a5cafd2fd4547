// A schedule: what is kept of it, when it is due next, and the delivery that a due moment becomes.
import { type DeliveryRequest, defaultRetryPolicy } from "../eventbridge/delivery.ts";
import { parseScheduleExpression, type ScheduleExpression } from "../eventbridge/schedule-expression.ts";
import { targetKindOf } from "../eventbridge/target.ts";
import { parseInput } from "../gateway/parse-input.ts";
import { ServiceError } from "../gateway/service.ts";
import { type ScheduleDefinition, type ScheduleInput, schedule as scheduleSchema } from "./inputs.ts";

export interface Schedule {
  readonly definition: ScheduleDefinition;
  readonly createdAtMilliseconds: number;
  readonly modifiedAtMilliseconds: number;
  /** Not watched yet: a rate without StartDate runs at once when it is created, but not again at a restart. */
  readonly isNew: boolean;
  /** A one-time schedule that was run. */
  readonly isCompleted: boolean;
}

/** Throws ServiceError ValidationException for what AWS refuses, and for targets the local cloud does not have. */
export function checkDefinition(input: ScheduleInput, nowMilliseconds: number): ScheduleDefinition {
  const definition = parseInput(scheduleSchema, input);
  const expression = readExpression(definition);
  const { StartDate, EndDate, Target } = definition;
  if (StartDate !== undefined && EndDate !== undefined && EndDate <= StartDate) {
    throw invalid("EndDate must be after StartDate.");
  }
  if (expression.kind === "at" && expression.next(nowMilliseconds, 0) === undefined) {
    throw invalid(`Invalid Schedule Expression ${definition.ScheduleExpression}: the time is in the past.`);
  }
  if (EndDate !== undefined && EndDate * 1000 <= nowMilliseconds) throw invalid("EndDate is in the past.");
  const kind = targetKindOf(Target.Arn);
  if (kind !== "lambda" && kind !== "workflow" && kind !== "queue") {
    throw invalid(`Target.Arn: the local cloud schedules functions, state machines and queues, not ${Target.Arn}.`);
  }
  if (kind !== "queue" && Target.Input !== undefined) requireJson(Target.Input);
  return definition;
}

/** Scheduler's own words may stand outside quotes, where they become numbers. */
function requireJson(input: string): void {
  try {
    JSON.parse(input.replaceAll(/<aws\.scheduler\.[a-z-]+>/g, "0"));
  } catch {
    throw invalid("Target.Input is not JSON.");
  }
}

export function readExpression(definition: ScheduleDefinition): ScheduleExpression {
  try {
    return parseScheduleExpression(definition.ScheduleExpression, definition.ScheduleExpressionTimezone);
  } catch (error) {
    throw invalid(`Invalid Schedule Expression ${definition.ScheduleExpression}: ${(error as Error).message}.`);
  }
}

/** The first due moment after `afterMilliseconds`; undefined if there is none any more. */
export function nextDue(
  schedule: Schedule,
  expression: ScheduleExpression,
  afterMilliseconds: number,
): number | undefined {
  const { StartDate, EndDate } = schedule.definition;
  const start = StartDate === undefined ? undefined : StartDate * 1000;
  if (expression.kind === "at") {
    // StartDate and EndDate mean nothing to a one-time schedule. One that came due while nobody watched is due still.
    return schedule.isCompleted ? undefined : expression.next(Number.NEGATIVE_INFINITY, 0);
  }
  const anchor = start ?? schedule.createdAtMilliseconds;
  const from = start === undefined ? afterMilliseconds : Math.max(afterMilliseconds, start - 1);
  const due = expression.kind === "rate" && from < anchor ? anchor : expression.next(from, anchor);
  return due !== undefined && EndDate !== undefined && due > EndDate * 1000 ? undefined : due;
}

export interface Firing {
  readonly scheduleArn: string;
  readonly groupArn: string;
  readonly scheduledAtMilliseconds: number;
  readonly executionId: string;
  readonly account: string;
  readonly region: string;
}

export function deliveryOf(definition: ScheduleDefinition, firing: Firing): DeliveryRequest {
  const { Target } = definition;
  const scheduledTime = `${new Date(firing.scheduledAtMilliseconds).toISOString().slice(0, 19)}Z`;
  const payload = (Target.Input ?? defaultInput(firing, scheduledTime))
    .replaceAll("<aws.scheduler.schedule-arn>", firing.scheduleArn)
    .replaceAll("<aws.scheduler.scheduled-time>", scheduledTime)
    .replaceAll("<aws.scheduler.execution-id>", firing.executionId);
  const deadLetterArn = Target.DeadLetterConfig?.Arn;
  return {
    servicePrincipal: "scheduler.amazonaws.com",
    senderArn: firing.scheduleArn,
    sourceArn: firing.groupArn,
    targetArn: Target.Arn,
    roleArn: Target.RoleArn,
    payload,
    retryPolicy: {
      maximumRetryAttempts: Target.RetryPolicy?.MaximumRetryAttempts ?? defaultRetryPolicy.maximumRetryAttempts,
      maximumEventAgeSeconds: Target.RetryPolicy?.MaximumEventAgeInSeconds ?? defaultRetryPolicy.maximumEventAgeSeconds,
    },
    ...(deadLetterArn === undefined ? {} : { deadLetter: { queueArn: deadLetterArn, body: payload } }),
    facts: { SCHEDULE_ARN: firing.scheduleArn, EXECUTION_ID: firing.executionId, SCHEDULED_TIME: scheduledTime },
  };
}

/** The one word that is known only when an attempt is made. */
export function atAttempt(payload: string, attemptNumber: number): string {
  return payload.replaceAll("<aws.scheduler.attempt-number>", String(attemptNumber));
}

/** What Scheduler sends without an Input; `detail` is a text there, not an object. */
function defaultInput(firing: Firing, scheduledTime: string): string {
  return JSON.stringify({
    version: "0",
    id: firing.executionId,
    "detail-type": "Scheduled Event",
    source: "aws.scheduler",
    account: firing.account,
    time: scheduledTime,
    region: firing.region,
    resources: [firing.scheduleArn],
    detail: "{}",
  });
}

function invalid(sentence: string): ServiceError {
  return new ServiceError(400, "ValidationException", sentence);
}
