// The routes of alerts, as data.
import * as z from "zod";
import { cursorPageOf, cursorPaging } from "../shared/route-fields.ts";
import type { Route } from "../shared/routes.ts";
import { eventNames, severities } from "./event-facts.ts";
import { listedRuleSchema, mostRules, ruleBodySchema, ruleIdSchema, ruleSchema } from "./rule-schema.ts";

const channelName = z
  .string("Give the name of a channel.")
  .regex(/^[a-z][a-z0-9-]{0,30}$/, "Give the name of a channel; GET /api/alerts/rules lists them.");

const eventName = z.enum(eventNames, "Give the name of an event; GET /api/alerts/rules lists them.");

const deliveryStates = ["pending", "sent", "failed", "given-up"] as const;

const rulesData = z.object({
  rules: z.array(listedRuleSchema),
  /** Names and types; their addresses are secrets. */
  channels: z.array(z.object({ name: z.string(), type: z.string() })),
  events: z.array(
    z.object({
      name: eventName,
      severity: z.enum(severities),
      subject: z.array(z.string()).describe("The fields that say what it is about"),
      fields: z.array(z.string()),
    }),
  ),
  changedAt: z.string().nullable(),
  changedBy: z.string().nullable(),
});

const deliveryData = z.object({
  deliveryId: z.string(),
  alertId: z.string(),
  channel: z.string(),
  kind: z.enum(["raised", "again", "recovered", "test"]),
  event: eventName.nullable(),
  severity: z.enum(severities),
  subject: z.string(),
  raisedAt: z.string(),
  state: z.enum(deliveryStates),
  attempts: z.int(),
  answer: z.string().nullable().describe("What the channel said last"),
  error: z.string().nullable(),
  notBefore: z.string().describe("The end of quiet hours, if it had to wait for it"),
  nextTryAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
  messageId: z.string().nullable().describe("Deliveries that were folded into one message have the same"),
});

export const routes = [
  {
    method: "GET",
    path: "/api/alerts/rules",
    operation: "listAlertRules",
    entry: "serve-alerts-api",
    access: "viewer",
    summary: "The rules of alerts, as they are in force, and what they can be about",
    data: rulesData,
  },
  {
    method: "PUT",
    path: "/api/alerts/rules",
    operation: "replaceAlertRules",
    entry: "serve-alerts-api",
    access: "admin",
    summary: "Replaces all rules; one that is left out is back at its default, or gone",
    body: z.strictObject({
      rules: z.array(listedRuleSchema, "Give a list of rules.").max(mostRules, `Give at most ${mostRules} rules.`),
    }),
    data: rulesData,
    conditional: true,
    audited: "changed the rules of alerts",
    auditedInTransaction: true,
  },
  {
    method: "PUT",
    path: "/api/alerts/rules/{ruleId}",
    operation: "replaceAlertRule",
    entry: "serve-alerts-api",
    access: "admin",
    summary: "Changes one rule, or adds one; If-Match takes the ETag of the list",
    pathParameters: z.strictObject({ ruleId: ruleIdSchema }),
    body: ruleBodySchema,
    data: ruleSchema,
    conditional: true,
    audited: "changed a rule of alerts",
    auditedInTransaction: true,
  },
  {
    method: "GET",
    path: "/api/alerts/deliveries",
    operation: "listAlertDeliveries",
    entry: "serve-alerts-api",
    access: "viewer",
    summary: "What was told, through which channel, and how it ended; newest first",
    description:
      "A page may hold fewer items than its limit, even none, and still have a cursor: filters look at 2,000 at a time.",
    query: z.strictObject({
      ...cursorPaging,
      channel: channelName.optional(),
      state: z.enum(deliveryStates, `Give one of ${deliveryStates.join(", ")}.`).optional(),
      event: eventName.optional(),
      alertId: z.string().min(1, "Give an alert's id.").max(100, "Give an alert's id.").optional(),
      messageId: z.string().min(1, "Give a message's id.").max(100, "Give a message's id.").optional(),
    }),
    data: cursorPageOf(deliveryData),
  },
  {
    method: "POST",
    path: "/api/alerts/test",
    operation: "testAlertChannel",
    entry: "send-test-alert",
    access: "operator",
    summary: "Sends a marked test through a channel, and answers with what the channel said",
    body: z.strictObject({ channel: channelName }),
    data: z.object({
      channel: z.string(),
      delivered: z.boolean(),
      answer: z.string(),
      error: z.string().nullable().describe("The error's name when it was not delivered"),
      deliveryId: z.string(),
    }),
    idempotent: true,
    audited: "sent a test alert",
  },
] as const satisfies readonly Route[];
