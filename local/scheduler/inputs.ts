// What Scheduler takes, with AWS's limits. A member that is not listed (EcsParameters, KmsKeyArn …) is refused by name.
// Source: the EventBridge Scheduler API reference.
import { z } from "zod";

export const name = z.string().regex(/^[0-9a-zA-Z-_.]{1,64}$/, "1 to 64 characters of 0-9 a-z A-Z - _ .");
const clientToken = z.string().regex(/^[a-zA-Z0-9-_]{1,64}$/, "1 to 64 characters of 0-9 a-z A-Z - _");

/** Seconds since 1970 over HTTP; RFC 3339 in a template. */
const moment = z.union([z.number(), z.iso.datetime({ offset: true }).transform((text) => Date.parse(text) / 1000)]);

const target = z.strictObject({
  Arn: z.string().min(1).max(1600),
  RoleArn: z.string().regex(/^arn:aws:iam::\d{12}:role\/.+$/, "is not the ARN of a role"),
  Input: z.string().min(1).optional(),
  RetryPolicy: z
    .strictObject({
      MaximumEventAgeInSeconds: z.int().min(60).max(86_400).optional(),
      MaximumRetryAttempts: z.int().min(0).max(185).optional(),
    })
    .optional(),
  DeadLetterConfig: z.strictObject({ Arn: z.string().startsWith("arn:aws:sqs:").optional() }).optional(),
});

const flexibleTimeWindow = z.discriminatedUnion("Mode", [
  z.strictObject({ Mode: z.literal("OFF") }),
  z.strictObject({ Mode: z.literal("FLEXIBLE"), MaximumWindowInMinutes: z.int().min(1).max(1440) }),
]);

export const schedule = z.strictObject({
  Name: name,
  GroupName: name.default("default"),
  ScheduleExpression: z.string().min(1).max(256),
  ScheduleExpressionTimezone: z.string().min(1).max(50).default("UTC"),
  FlexibleTimeWindow: flexibleTimeWindow,
  Target: target,
  StartDate: moment.optional(),
  EndDate: moment.optional(),
  Description: z.string().max(512).optional(),
  State: z.enum(["ENABLED", "DISABLED"]).default("ENABLED"),
  ActionAfterCompletion: z.enum(["NONE", "DELETE"]).default("NONE"),
  ClientToken: clientToken.optional(),
});

export const group = z.strictObject({ ClientToken: clientToken.optional() });

export const listing = z.strictObject({
  ScheduleGroup: name.optional(),
  NamePrefix: name.optional(),
  State: z.enum(["ENABLED", "DISABLED"]).optional(),
  NextToken: z.string().optional(),
  MaxResults: z.coerce.number().int().min(1).max(100).default(100),
});

/** A schedule in the spelling of the API and of CloudFormation; `StartDate` and `EndDate` as seconds or RFC 3339. */
export type ScheduleInput = z.input<typeof schedule>;
export type ScheduleDefinition = z.output<typeof schedule>;
