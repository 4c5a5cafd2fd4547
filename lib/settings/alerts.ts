// The settings of the room alerts: channels, the defaults of the rules, and what must happen lest silence be an alarm.
import * as z from "zod";
import { text, timeZone, wholeNumber, yesOrNo } from "./fields.ts";

const channelName = text(/^[a-z][a-z0-9-]{0,30}$/, 'Give a lower-case name of letters, digits and "-".');

/** Addresses and keys of channels are secrets: they lie in Secrets Manager under /<stage>/alerts/<name>. */
const channel = z.discriminatedUnion(
  "type",
  [
    z.strictObject({
      name: channelName,
      type: z.literal("wecom"),
      format: z.enum(["markdown", "text"]).default("markdown"),
    }),
    z.strictObject({ name: channelName, type: z.literal("webhook") }),
    z.strictObject({
      name: channelName,
      type: z.literal("email"),
      from: z.email("Give the sender's e-mail address; SES must know it."),
      to: z.array(z.email("Give an e-mail address.")).min(1).max(20),
    }),
    z.strictObject({ name: channelName, type: z.literal("console") }),
  ],
  'Give a type: "wecom", "webhook", "email" or "console".',
);

/** A function's environment holds four kilobytes in all; the channels are a part of it. */
const mostChannelBytes = 2_000;

const timeOfDay = text(/^([01]\d|2[0-3]):[0-5]\d$/, 'Give a time of day, such as "22:00".');

const quietHours = z.strictObject({
  from: timeOfDay,
  /** Before `from`: of the next day. */
  to: timeOfDay,
  timeZone: timeZone.nullable().default(null),
  /** What is critical is told at once all the same. */
  criticalPasses: yesOrNo(true),
});

/** What holds for every rule that nobody has changed; each rule can be changed over the API. */
const rules = z.strictObject({
  suppressionMinutes: wholeNumber(0, 31 * 24 * 60, "minutes").default(360),
  recoveryNotice: yesOrNo(true),
  /** Absent: everything is told at any hour. */
  quietHours: quietHours.nullable().default(null),
});

export const alerts = z.strictObject({
  /** Of the texts. */
  language: z.enum(["zh-CN", "en"], 'Give "zh-CN" or "en".').default("zh-CN"),
  /** Of the times in the texts, and of quiet hours where a rule names none. */
  timeZone: timeZone.default("Asia/Shanghai"),
  channels: z
    .array(channel)
    .max(20, "Give at most 20 channels.")
    .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, "Two channels have the same name.")
    .refine(
      (list) => Buffer.byteLength(JSON.stringify(list)) <= mostChannelBytes,
      "Together the channels are too long for the functions' environment: give shorter names, or one address of a mailing list instead of many.",
    )
    .default([{ name: "log", type: "console" }]),
  /** Channels may be called at private addresses and over http: for a laptop, never for a deployment. */
  allowLoopback: yesOrNo(false),
  rules: rules.prefault({}),
  /** Where people read the runbook: links in alerts begin with it. */
  runbookUrl: z
    .string("Give an address, or a path.")
    .min(1, "Give an address, or a path.")
    .max(300, "Give a shorter address.")
    .default("docs/runbook.md"),
  /** A database of which no new recovery point has arrived for so long is reported, whether or not any job ran. */
  nothingNewHours: wholeNumber(1, 24 * 366, "hours").default(30),
  /** Databases (Aliyun instance ids, RDS identifiers) of which recovery points are expected even before the first one came. */
  expectedDatabaseIds: z.array(z.string().min(1).max(64)).max(1000).default([]),
});
