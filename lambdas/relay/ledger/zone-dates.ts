// Dates in a time zone: which date it is there, and when a date begins there. Daylight saving is Intl's, and so right.

/** A local date as one number that sorts: 20261120. */
export type DateNumber = number;

const hour = 3_600_000;

/** No zone is farther from UTC; some skipped a whole day, and then the next date counts. */
const farthestFromUtc = 26 * hour;

const formatters = new Map<string, Intl.DateTimeFormat>();

/** Zones come from policies; there are some six hundred, and offsets such as +08:00. A limit all the same. */
const mostFormatters = 1000;

export function isTimeZone(zone: string): boolean {
  try {
    formatterOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** Throws a RangeError for a zone that there is not. */
export function dateIn(zone: string, now: number): DateNumber {
  let date = 0;
  for (const { type, value } of formatterOf(zone).formatToParts(now)) {
    if (type === "year") date += Number(value) * 10_000;
    else if (type === "month") date += Number(value) * 100;
    else if (type === "day") date += Number(value);
  }
  return date;
}

/** The first millisecond at which it is this date in the zone, or a later one where the zone skipped it. */
export function startOfDate(zone: string, date: DateNumber): number {
  const utcMidnight = Date.UTC(yearOf(date), monthOf(date) - 1, dayOf(date));
  let before = utcMidnight - farthestFromUtc;
  let after = utcMidnight + farthestFromUtc;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (dateIn(zone, middle) >= date) after = middle;
    else before = middle;
  }
  return after;
}

/** The date so many days later by the calendar; a day past the month's end is one of the next month. */
export function addDays(date: DateNumber, days: number): DateNumber {
  return numberOf(new Date(Date.UTC(yearOf(date), monthOf(date) - 1, dayOf(date) + days)));
}

/** The first day of the month after. */
export function nextMonth(date: DateNumber): DateNumber {
  return numberOf(new Date(Date.UTC(yearOf(date), monthOf(date), 1)));
}

/** 1 is Monday, 7 is Sunday. */
export function weekdayOf(date: DateNumber): number {
  return new Date(Date.UTC(yearOf(date), monthOf(date) - 1, dayOf(date))).getUTCDay() || 7;
}

/** Year and week by ISO 8601 as one number: 202647. A week belongs to the year of its Thursday. */
export function isoWeekOf(date: DateNumber): number {
  const thursday = addDays(date, 4 - weekdayOf(date));
  const year = yearOf(thursday);
  const dayOfYear = (Date.UTC(year, monthOf(thursday) - 1, dayOf(thursday)) - Date.UTC(year, 0, 1)) / (24 * hour);
  return year * 100 + Math.floor(dayOfYear / 7) + 1;
}

/** The Monday on which an ISO week (202647) begins. January 4th is always in week 1. */
export function mondayOf(isoWeek: number): DateNumber {
  const fourth = Math.floor(isoWeek / 100) * 10_000 + 104;
  return addDays(fourth, ((isoWeek % 100) - 1) * 7 + 1 - weekdayOf(fourth));
}

/** UTC's midnight of the date, milliseconds since 1970. */
export function utcMidnightOf(date: DateNumber): number {
  return Date.UTC(yearOf(date), monthOf(date) - 1, dayOf(date));
}

function formatterOf(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat("en-US-u-ca-gregory-nu-latn", {
    timeZone: zone,
    year: "numeric",
    month: "numeric",
    day: "numeric",
  });
  if (formatters.size >= mostFormatters) formatters.clear();
  formatters.set(zone, made);
  return made;
}

const yearOf = (date: DateNumber) => Math.floor(date / 10_000);
const monthOf = (date: DateNumber) => Math.floor(date / 100) % 100;
const dayOf = (date: DateNumber) => date % 100;

function numberOf(utc: Date): DateNumber {
  return utc.getUTCFullYear() * 10_000 + (utc.getUTCMonth() + 1) * 100 + utc.getUTCDate();
}
