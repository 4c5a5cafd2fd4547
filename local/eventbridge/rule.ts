// A rule as it runs: its pattern or schedule, and its targets, all checked when it is put.
import { z } from "zod";
import { parseInput } from "../gateway/parse-input.ts";
import type { CloudEvent } from "../gateway/ports.ts";
import { ServiceError } from "../gateway/service.ts";
import { type DeliveryRequest, defaultRetryPolicy } from "./delivery.ts";
import { compileEventPattern, type EventMatcher } from "./event-pattern.ts";
import { parseScheduleExpression, type ScheduleExpression } from "./schedule-expression.ts";
import { targetKindOf } from "./target.ts";
import { compileTargetInput, type RuleFacts } from "./target-input.ts";

// Members that the local cloud does not have (EcsParameters, KinesisParameters …) are refused by name.
const targetSchema = z.strictObject({
  Id: z.string().min(1).max(64),
  Arn: z.string(),
  RoleArn: z.string().optional(),
  Input: z.string().max(8192).optional(),
  InputPath: z.string().max(256).optional(),
  InputTransformer: z
    .strictObject({
      InputPathsMap: z.record(z.string(), z.string()).optional(),
      InputTemplate: z.string().min(1).max(8192),
    })
    .optional(),
  RetryPolicy: z
    .strictObject({
      MaximumRetryAttempts: z.int().min(0).max(185).optional(),
      MaximumEventAgeInSeconds: z.int().min(60).max(86_400).optional(),
    })
    .optional(),
  DeadLetterConfig: z.strictObject({ Arn: z.string() }).optional(),
});

const ruleSchema = z.strictObject({
  name: z.string().regex(/^[\w.-]{1,64}$/, "1 to 64 characters of A-Z a-z 0-9 . _ -"),
  busName: z.string().min(1),
  state: z.enum(["ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"]).optional(),
  eventPattern: z.unknown().optional(),
  scheduleExpression: z.string().max(256).optional(),
  // AWS's default quota is 5 per rule; it can be raised.
  targets: z.array(targetSchema).max(100),
});

/** A target in the spelling of the API and of CloudFormation. */
export type RuleTarget = z.input<typeof targetSchema>;

export interface BootRule {
  readonly name: string;
  /** Default "default". */
  readonly busName?: string;
  /** Default ENABLED. */
  readonly state?: string;
  /** An object, or its JSON text. */
  readonly eventPattern?: unknown;
  /** rate(…) or cron(…), in UTC; only on the default bus. */
  readonly scheduleExpression?: string;
  readonly targets: readonly RuleTarget[];
}

export interface CompiledTarget {
  readonly isBus: boolean;
  deliveryOf(event: CloudEvent, rule: RuleFacts): DeliveryRequest;
}

export interface CompiledRule {
  readonly name: string;
  readonly busName: string;
  readonly arn: string;
  readonly enabled: boolean;
  readonly matches: EventMatcher | undefined;
  readonly schedule: ScheduleExpression | undefined;
  readonly targets: readonly CompiledTarget[];
}

/** Throws ServiceError ValidationException or InvalidEventPatternException, which name the member at fault. */
export function compileRule(rule: BootRule, arnPrefix: string): CompiledRule {
  const { busName = "default", ...others } = rule;
  const checked = parseInput(ruleSchema, { ...others, busName });
  if (checked.eventPattern === undefined && checked.scheduleExpression === undefined) {
    throw invalid(`Rule ${rule.name} needs an event pattern or a schedule expression.`);
  }
  const path = checked.busName === "default" ? checked.name : `${checked.busName}/${checked.name}`;
  const arn = `${arnPrefix}:rule/${path}`;
  return {
    name: checked.name,
    busName: checked.busName,
    arn,
    enabled: checked.state !== "DISABLED",
    matches: checked.eventPattern === undefined ? undefined : compileEventPattern(readPattern(checked.eventPattern)),
    schedule: readSchedule(checked.scheduleExpression, checked.busName),
    targets: checked.targets.map((target) => compileTarget(target, arn)),
  };
}

function compileTarget(target: z.infer<typeof targetSchema>, ruleArn: string): CompiledTarget {
  const kind = targetKindOf(target.Arn);
  if (!kind) throw invalid(`Target ${target.Id}: the local cloud does not deliver to ${target.Arn}.`);
  if (kind === "workflow" && target.RoleArn === undefined) {
    throw invalid(`Target ${target.Id}: RoleArn is required for target ${target.Arn}.`);
  }
  const payloadOf = compileTargetInput(target);
  return {
    isBus: kind === "bus",
    deliveryOf: (event, rule) => ({
      servicePrincipal: "events.amazonaws.com",
      senderArn: ruleArn,
      sourceArn: ruleArn,
      targetArn: target.Arn,
      ...(target.RoleArn === undefined ? {} : { roleArn: target.RoleArn }),
      payload: payloadOf(event, rule),
      retryPolicy: {
        maximumRetryAttempts: target.RetryPolicy?.MaximumRetryAttempts ?? defaultRetryPolicy.maximumRetryAttempts,
        maximumEventAgeSeconds:
          target.RetryPolicy?.MaximumEventAgeInSeconds ?? defaultRetryPolicy.maximumEventAgeSeconds,
      },
      // The dead letter is the event itself, not what was made of it for the target.
      ...(target.DeadLetterConfig
        ? { deadLetter: { queueArn: target.DeadLetterConfig.Arn, body: JSON.stringify(event) } }
        : {}),
      facts: { RULE_ARN: ruleArn },
    }),
  };
}

function readPattern(pattern: unknown): unknown {
  if (typeof pattern !== "string") return pattern;
  try {
    return JSON.parse(pattern);
  } catch {
    throw new ServiceError(400, "InvalidEventPatternException", "Event pattern is not valid. Reason: it is not JSON.");
  }
}

function readSchedule(expression: string | undefined, busName: string): ScheduleExpression | undefined {
  if (expression === undefined) return undefined;
  if (busName !== "default") throw invalid("ScheduleExpression is supported only on the default event bus.");
  try {
    const schedule = parseScheduleExpression(expression);
    if (schedule.kind !== "at") return schedule;
  } catch (error) {
    throw invalid(`Parameter ScheduleExpression is not valid: ${(error as Error).message}`);
  }
  throw invalid("Parameter ScheduleExpression is not valid: rules take rate(…) and cron(…) only.");
}

function invalid(sentence: string): ServiceError {
  return new ServiceError(400, "ValidationException", sentence);
}
