// When a schedule was due last, by its expression and its time zone's own clock.
// Source: "Schedule types on EventBridge Scheduler" in its user guide: six fields, `?`, `L`, `W`, `#`, days 1-7 from Sunday.

const dayMilliseconds = 86_400_000;
const unitMilliseconds: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: dayMilliseconds };

/** A leap day on a weekday comes every 28 years; what is due less often than every five is not waited for. */
const mostDaysBack = 5 * 366;

/** The period of `rate(…)` in milliseconds; undefined: it is no rate. */
export function ratePeriod(expression: string): number | undefined {
  const [, value = "", unit = ""] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  const milliseconds = unitMilliseconds[unit];
  return milliseconds === undefined ? undefined : Number(value) * milliseconds;
}

/**
 * The last moment at or before `now` at which `cron(…)` or `at(…)` was due; milliseconds since 1970. Undefined: there was
 * none in the last five years. An hour that a changed clock skips is not due, one that comes twice is due once, as in
 * Scheduler. Throws a RangeError for what is neither.
 */
export function lastDue(expression: string, timeZone: string, now: number): number | undefined {
  const [, kind = "", inside = ""] = /^(cron|at)\((.+)\)$/.exec(expression) ?? [];
  if (kind === "at") {
    const moment = momentOf(Date.parse(`${inside}Z`), timeZone);
    return moment !== undefined && moment <= now ? moment : undefined;
  }
  const fields = inside.split(/\s+/);
  if (kind !== "cron" || fields.length !== 6) throw new RangeError(`${expression} is no schedule expression`);
  const [minutes = "", hours = "", ...dayFields] = fields;
  const times = timesOfDay(minutes, hours);
  const today = Math.floor(localOf(now, timeZone) / dayMilliseconds);
  for (let day = today + 1; day > today - mostDaysBack; day -= 1) {
    if (!isDayDue(new Date(day * dayMilliseconds), dayFields)) continue;
    for (const minute of times) {
      const moment = momentOf(day * dayMilliseconds + minute * 60_000, timeZone);
      if (moment !== undefined && moment <= now) return moment;
    }
  }
  return undefined;
}

/** Minutes of the day, the latest first. */
function timesOfDay(minutes: string, hours: string): number[] {
  const all = valuesOf(hours, 0, 23).flatMap((hour) => valuesOf(minutes, 0, 59).map((minute) => hour * 60 + minute));
  return all.sort((left, right) => right - left);
}

const months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const weekdays = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/** `date`: midnight UTC standing for the local day. */
function isDayDue(date: Date, [dayOfMonth = "", month = "", dayOfWeek = "", year = ""]: readonly string[]): boolean {
  if (!valuesOf(year, 1970, 2199).includes(date.getUTCFullYear())) return false;
  if (!valuesOf(named(month, months), 1, 12).includes(date.getUTCMonth() + 1)) return false;
  return isDayOfMonth(date, dayOfMonth) && isDayOfWeek(date, named(dayOfWeek, weekdays));
}

function isDayOfMonth(date: Date, field: string): boolean {
  if (field === "?" || field === "*") return true;
  const day = date.getUTCDate();
  const last = lastDayOf(date);
  return field.split(",").some((part) => {
    if (part === "L") return day === last;
    const [, before] = /^L-(\d+)$/.exec(part) ?? [];
    if (before !== undefined) return day === last - Number(before);
    if (part === "LW") return day === nearestWeekday(date, last);
    const [, wanted] = /^(\d+)W$/.exec(part) ?? [];
    if (wanted !== undefined) return Number(wanted) <= last && day === nearestWeekday(date, Number(wanted));
    return valuesOf(part, 1, 31).includes(day);
  });
}

function isDayOfWeek(date: Date, field: string): boolean {
  if (field === "?" || field === "*") return true;
  const weekday = date.getUTCDay() + 1;
  const day = date.getUTCDate();
  return field.split(",").some((part) => {
    const [, wanted, ordinal] = /^(\d)#(\d)$/.exec(part) ?? [];
    if (ordinal !== undefined) return weekday === Number(wanted) && Math.ceil(day / 7) === Number(ordinal);
    const [, lastOne] = /^(\d)?L$/.exec(part) ?? [];
    if (part.endsWith("L"))
      return weekday === Number(lastOne ?? 7) && (lastOne === undefined || day > lastDayOf(date) - 7);
    return valuesOf(part, 1, 7).includes(weekday);
  });
}

/** The weekday that is nearest to a day of the month and in the same month. */
function nearestWeekday(date: Date, day: number): number {
  const weekday = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), day)).getUTCDay();
  if (weekday === 6) return day === 1 ? 3 : day - 1;
  if (weekday === 0) return day === lastDayOf(date) ? day - 2 : day + 1;
  return day;
}

function lastDayOf(date: Date): number {
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
}

function named(field: string, names: readonly string[]): string {
  return names.reduce((text, name, index) => text.replaceAll(name, String(index + 1)), field.toUpperCase());
}

/** `*`, `5`, `1-5`, `0/15`, `1-9/2`, and lists of them. A range that ends before it begins goes around. */
function valuesOf(field: string, least: number, most: number): number[] {
  return field.split(",").flatMap((part) => {
    const [range = "", step] = part.split("/");
    const [from = "", to] = range.split("-");
    const first = from === "*" || from === "?" || from === "" ? least : Number(from);
    const end =
      to !== undefined ? Number(to) : step !== undefined || (first === least && /^[*?]?$/.test(from)) ? most : first;
    if (![first, end, Number(step ?? 1)].every(Number.isInteger))
      throw new RangeError(`${field} is no field of a cron expression`);
    const ordered = first <= end ? sequence(first, end) : [...sequence(first, most), ...sequence(least, end)];
    return ordered.filter((_, index) => index % Math.max(1, Number(step ?? 1)) === 0);
  });
}

function sequence(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** The zone's clock at that moment, as if it were UTC. */
function localOf(moment: number, timeZone: string): number {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-GB", {
      timeZone,
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
      hourCycle: "h23",
    });
    formats.set(timeZone, format);
  }
  const parts = new Map(format.formatToParts(moment).map(({ type, value }) => [type, Number(value)]));
  const of = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  return Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
}

/** The first moment at which the zone's clock shows this; undefined: a changed clock skips it. */
function momentOf(local: number, timeZone: string): number | undefined {
  const offsets = [local - dayMilliseconds, local + dayMilliseconds].map((near) => localOf(near, timeZone) - near);
  return offsets
    .map((offset) => local - offset)
    .sort((left, right) => left - right)
    .find((moment) => localOf(moment, timeZone) === local);
}
