// The environment of each entry of this room, as schemas. lib/ sees their types, so that a forgotten variable does not compile.
import * as z from "zod";

const name = z.string().min(1);
const flag = z.enum(["true", "false"]).transform((text) => text === "true");
const count = z
  .string()
  .regex(/^[1-9]\d*$/)
  .transform(Number);

/** JSON text that holds what the schema says. */
function json<Schema extends z.ZodType>(schema: Schema) {
  return z.string().transform((text, context): z.output<Schema> => {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      value = undefined;
    }
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    context.addIssue({ code: "custom", message: "is not the JSON that it must be" });
    return z.NEVER;
  });
}

const table = { ALERTS_TABLE: name };
const bus = { EVENT_BUS_NAME: name };
const audit = { AUDIT_TABLE: name };

/** The stage's channels, as its settings have them. */
const channels = {
  CHANNELS: json(
    z.array(
      z.object({
        name,
        type: z.enum(["wecom", "webhook", "email", "console"]),
        format: z.enum(["markdown", "text"]).optional(),
        from: z.string().optional(),
        to: z.array(z.string()).optional(),
      }),
    ),
  ),
};

const rules = {
  /** What the settings say for every rule that nobody has changed. */
  RULE_DEFAULTS: json(
    z.object({
      suppressionMinutes: z.number(),
      recoveryNotice: z.boolean(),
      quietHours: z
        .object({ from: name, to: name, timeZone: z.string().nullable(), criticalPasses: z.boolean() })
        .nullable(),
    }),
  ),
};

/** Whoever sends messages. */
const messages = {
  ...channels,
  STAGE: name,
  LANGUAGE: z.enum(["zh-CN", "en"]),
  /** IANA name: of the times in texts, and of quiet hours where a rule names none. */
  TIME_ZONE: name,
  /** Links begin with it; empty: they are paths alone. */
  PUBLIC_URL: z.string().transform((text) => text.replace(/\/+$/, "")),
  RUNBOOK_URL: name,
  /** `/<stage>/alerts/`: before the names of the channels' secrets. */
  SECRETS_PREFIX: name,
  ALLOW_LOOPBACK: flag,
};

export const evaluateEventsEnvironment = z.object({
  ...table,
  ...bus,
  ...channels,
  ...rules,
  TIME_ZONE: name,
  WAKE_QUEUE_URL: name,
});

export const deliverAlertsEnvironment = z.object({ ...table, ...messages, UNDELIVERED_QUEUE_URL: name });

export const checkSilenceEnvironment = z.object({
  ...table,
  ...bus,
  NOTHING_NEW_HOURS: count,
  /** Names of schedules, each of which tells of its runs by ScheduledRunStarted. */
  SCHEDULES: json(z.array(name)),
  /** Queues that should be empty. */
  QUEUES: json(z.array(z.object({ url: name, holds: name }))),
});

export const serveAlertsApiEnvironment = z.object({ ...table, ...audit, ...channels, ...rules });

export const sendTestAlertEnvironment = z.object({ ...table, ...audit, ...messages, IDEMPOTENCY_TABLE: name });
