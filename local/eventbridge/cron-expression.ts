// AWS's six-field cron (minutes hours day-of-month month day-of-week year), evaluated by croner.
// Source: "Schedule types in EventBridge Scheduler". Each field is turned into plain lists first, because croner reads
// some of AWS's forms differently: `a/n`, weekdays 1-7 = SUN-SAT, `6L`, and times around a change of summer time.
import { Cron } from "croner";

interface Field {
  readonly name: string;
  readonly first: number;
  readonly last: number;
  readonly names: readonly string[];
}

const monthNames = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const weekdayNames = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const minuteField: Field = { name: "minutes", first: 0, last: 59, names: [] };
const hourField: Field = { name: "hours", first: 0, last: 23, names: [] };
const dayField: Field = { name: "day-of-month", first: 1, last: 31, names: [] };
const monthField: Field = { name: "month", first: 1, last: 12, names: monthNames };
const weekdayField: Field = { name: "day-of-week", first: 1, last: 7, names: weekdayNames };
const yearField: Field = { name: "year", first: 1970, last: 2199, names: [] };

/** No zone changes its clock back by more than this. */
const longestRepeatMilliseconds = 3 * 3_600_000;
/** Candidates thrown away in a row, because the clock change hides them, before giving up. */
const mostSkips = 1000;

/**
 * The first due moment after `afterMilliseconds`, or undefined if there is none any more. A time that a clock change
 * skips is not run; one that it repeats is run the first time. Throws RangeError with the reason for a bad expression.
 */
export function compileCron(text: string, timeZone: string): (afterMilliseconds: number) => number | undefined {
  const fields = text.trim().split(/\s+/);
  const [minutes = "", hours = "", dayOfMonth = "", month = "", dayOfWeek = "", year = ""] = fields;
  if (fields.length !== 6) throw new RangeError(`cron takes six fields, not ${fields.length}`);
  if ((dayOfMonth === "?") === (dayOfWeek === "?")) {
    throw new RangeError("cron takes ? in exactly one of day-of-month and day-of-week");
  }
  const minuteSet = numbersOf(minutes, minuteField);
  const hourSet = numbersOf(hours, hourField);
  const pattern = [
    "0",
    minuteSet.join(","),
    hourSet.join(","),
    cronerDays(dayOfMonth),
    plainList(month, monthField),
    cronerWeekdays(dayOfWeek),
    plainList(year, yearField),
  ].join(" ");
  const cron = new Cron(pattern, { timezone: timeZone, mode: "7-part", paused: true });
  const wallClock = wallClockOf(timeZone);

  return (afterMilliseconds) => {
    let candidate = cron.nextRun(new Date(afterMilliseconds))?.getTime();
    for (let skips = 0; candidate !== undefined && skips < mostSkips; skips += 1) {
      const local = new Date(wallClock(candidate));
      const exists = minuteSet.includes(local.getUTCMinutes()) && hourSet.includes(local.getUTCHours());
      if (exists && !isRepeat(candidate, wallClock)) return candidate;
      candidate = cron.nextRun(new Date(candidate))?.getTime();
    }
    return undefined;
  };
}

/** True when clocks already showed this time shortly before. */
function isRepeat(candidate: number, wallClock: (milliseconds: number) => number): boolean {
  const offsetBefore = wallClock(candidate - longestRepeatMilliseconds) - (candidate - longestRepeatMilliseconds);
  const wall = wallClock(candidate);
  const setBackBy = offsetBefore - (wall - candidate);
  return setBackBy > 0 && wallClock(candidate - setBackBy) === wall;
}

/** What clocks in the zone show, as the UTC milliseconds of the same digits. Throws RangeError for an unknown zone. */
export function wallClockOf(timeZone: string): (milliseconds: number) => number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  return (milliseconds) => {
    const parts = new Map(format.formatToParts(milliseconds).map((part) => [part.type, Number(part.value)]));
    const of = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
    return Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
  };
}

function cronerDays(text: string): string {
  if (text === "?") return "*";
  if (text === "L" || text === "LW") return text;
  const nearest = /^(\d+)W$/.exec(text);
  if (nearest) return `${numberOf(nearest[1] ?? "", dayField)}W`;
  return plainList(text, dayField);
}

/** croner counts weekdays from 0 = Sunday. */
function cronerWeekdays(text: string): string {
  if (text === "?" || text === "*") return "*";
  if (text === "L") return "6";
  const last = /^(\w+)L$/.exec(text);
  if (last) return `${numberOf(last[1] ?? "", weekdayField) - 1}#L`;
  const nth = /^(\w+)#([1-5])$/.exec(text);
  if (nth) return `${numberOf(nth[1] ?? "", weekdayField) - 1}#${nth[2]}`;
  return numbersOf(text, weekdayField)
    .map((weekday) => weekday - 1)
    .join(",");
}

function plainList(text: string, field: Field): string {
  return text === "*" ? "*" : numbersOf(text, field).join(",");
}

function numbersOf(text: string, field: Field): number[] {
  const numbers = new Set<number>();
  for (const part of text.split(",")) {
    const match = /^(?:(\*)|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(part);
    if (!match) throw new RangeError(`cron does not take "${part}" in ${field.name}`);
    const [, star, from, to, stepText] = match;
    const low = star ? field.first : numberOf(from ?? "", field);
    const openEnd = star !== undefined || stepText !== undefined;
    const high = to === undefined ? (openEnd ? field.last : low) : numberOf(to, field);
    const step = Number(stepText ?? 1);
    if (step < 1 || high < low) throw new RangeError(`cron does not take "${part}" in ${field.name}`);
    for (let number = low; number <= high; number += step) numbers.add(number);
  }
  return [...numbers].sort((left, right) => left - right);
}

function numberOf(text: string, field: Field): number {
  const named = field.names.indexOf(text.toUpperCase());
  const number = named >= 0 ? named + field.first : /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= field.first && number <= field.last) return number;
  throw new RangeError(`cron does not take "${text}" in ${field.name}`);
}
