// What fields of several groups of settings have in common: numbers with units, times, schedules, hosts, and their cures.
import * as z from "zod";
import { parseByteCount } from "../byte-count.ts";

/** Scheduler's limit is 50 characters, IANA's longest name has 32; an offset such as +08:00 would lose summer time. */
const timeZonePattern = /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/;

const schedulePattern = /^(rate\([1-9]\d* (minute|minutes|hour|hours|day|days)\)|cron\(\S+( \S+){5}\))$/;

const hostPattern = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$/;

export function wholeNumber(least: number, most: number, unit: string) {
  const message = `Give a whole number of ${unit} from ${least} to ${most}.`;
  return z.int(message).min(least, message).max(most, message);
}

export function text(pattern: RegExp, cure: string) {
  return z.string(cure).regex(pattern, cure);
}

export function yesOrNo(standard: boolean) {
  return z.boolean("Give true or false.").default(standard);
}

/** Host, with a port where it is not the protocol's own; no scheme. */
export function host(example: string) {
  return text(hostPattern, `Give the host alone, without "https://", such as "${example}".`);
}

export const timeZone = z
  .string("Give an IANA time zone.")
  .refine(isTimeZone, 'Give an IANA time zone, such as "Asia/Shanghai" or "UTC".');

export const scheduleExpression = text(
  schedulePattern,
  'Give "rate(6 hours)" or a cron of six fields: minutes, hours, day of month, month, day of week, year, such as "cron(30 3 * * ? *)".',
);

export const schedule = z.strictObject({
  enabled: yesOrNo(true),
  expression: scheduleExpression,
  timeZone,
});

/** Whole bytes, or text such as "500 GB". */
export const byteCount = z.union([z.string(), z.number()]).transform((value, context) => {
  const bytes = parseByteCount(value);
  if (bytes !== undefined) return bytes;
  context.addIssue({ code: "custom", message: 'Give whole bytes, or text such as "500 GB" or "2 TiB".' });
  return z.NEVER;
});

function isTimeZone(name: string): boolean {
  if (!timeZonePattern.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
