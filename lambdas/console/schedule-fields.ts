// What a schedule may be: the same forms that the stage's settings take (lib/settings/fields.ts; a test compares the two).
import * as z from "zod";
import { isCronExpression } from "./cron-fields.ts";

const schedulePattern = /^(rate\([1-9]\d* (minute|minutes|hour|hours|day|days)\)|cron\(\S+( \S+){5}\))$/;

/** Scheduler's limit is 50 characters, IANA's longest name has 32; an offset such as +08:00 would lose summer time. */
const timeZonePattern = /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/;

const expressionCure =
  'Give "rate(6 hours)" or a cron of six fields: minutes, hours, day of month, month, day of week, year, such as "cron(30 3 * * ? *)"; one of the two days is "?".';
const timeZoneCure = 'Give an IANA time zone, such as "Asia/Shanghai" or "UTC".';

export const scheduleExpression = z
  .string(expressionCure)
  .max(256, expressionCure)
  .regex(schedulePattern, expressionCure)
  .refine((text) => !text.startsWith("cron(") || isCronExpression(text), expressionCure);

export const timeZone = z
  .string(timeZoneCure)
  .max(50, timeZoneCure)
  .regex(timeZonePattern, timeZoneCure)
  .refine(isTimeZone, timeZoneCure);

export const scheduleSettings = z.strictObject({
  enabled: z.boolean("Give true or false."),
  expression: scheduleExpression,
  timeZone,
});

export type ScheduleSettings = z.output<typeof scheduleSettings>;

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
