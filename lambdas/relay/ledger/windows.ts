// Windows: the names under which a key's spending is counted, in its time zone. A window is never reset: the next one has another name.
import type { WindowKind } from "../refusal.ts";
import {
  addDays,
  dateIn,
  isoWeekOf,
  mondayOf,
  nextMonth,
  startOfDate,
  utcMidnightOf,
  weekdayOf,
} from "./zone-dates.ts";

/** Names as they stand in the ledger's item: d20261120, w202647, m202611, total. */
export interface SpendWindows {
  readonly day: string;
  readonly week: string;
  readonly month: string;
  readonly total: string;
}

/** When each ends; milliseconds since 1970. The total never does. */
export interface WindowEnds {
  readonly day: number;
  readonly week: number;
  readonly month: number;
  readonly total: undefined;
}

export interface CurrentWindows {
  readonly names: SpendWindows;
  readonly ends: WindowEnds;
}

export const windowKinds = ["day", "week", "month", "total"] as const satisfies readonly WindowKind[];

const minuteMilliseconds = 60_000;
const dayMilliseconds = 86_400_000;

/**
 * A window that is over may still be settled in: by streams that began in it, and by the sweeper. Its name says a date but
 * not the zone, so that two days are for the zones, and one for those that come late.
 */
const keptMilliseconds = 3 * dayMilliseconds;

/** Requests and tokens of a minute are of use in that minute alone; clocks of Lambdas differ a little. */
const keptMinutes = 3;

interface Today extends CurrentWindows {
  readonly from: number;
}

/** One day of each zone in use: what is asked for next is most often the same day. */
const todays = new Map<string, Today>();
const mostTodays = 1000;

export function currentWindows(zone: string, now: number): CurrentWindows {
  const known = todays.get(zone);
  if (known !== undefined && known.from <= now && now < known.ends.day) return known;
  const made = windowsAt(zone, now);
  if (todays.size >= mostTodays) todays.clear();
  todays.set(zone, made);
  return made;
}

function windowsAt(zone: string, now: number): Today {
  const date = dateIn(zone, now);
  return {
    from: startOfDate(zone, date),
    names: {
      day: `d${date}`,
      week: `w${isoWeekOf(date)}`,
      month: `m${Math.floor(date / 100)}`,
      total: "total",
    },
    ends: {
      day: startOfDate(zone, addDays(date, 1)),
      week: startOfDate(zone, addDays(date, 8 - weekdayOf(date))),
      month: startOfDate(zone, nextMonth(date)),
      total: undefined,
    },
  };
}

/** Of a model family: w202647:opus. */
export function familyWindow(name: string, family: string): string {
  return `${name}:${family}`;
}

/** What a name of a spending window says; undefined for windows of a minute and for what is none. */
export function readWindow(
  name: string,
): { readonly kind: WindowKind; readonly family: string | undefined } | undefined {
  const match = /^(?:(d\d{8})|(w\d{6})|(m\d{6})|(total))(?::([a-z0-9.-]+))?$/.exec(name);
  if (match === null) return undefined;
  const kind = match[1] ? "day" : match[2] ? "week" : match[3] ? "month" : "total";
  return { kind, family: match[5] };
}

/** Minutes since 1970: the same in all zones. */
export function minuteOf(now: number): number {
  return Math.floor(now / minuteMilliseconds);
}

export function minuteEnd(now: number): number {
  return (minuteOf(now) + 1) * minuteMilliseconds;
}

export const requestsWindow = (minute: number): string => `r${minute}`;
export const tokensWindow = (minute: number): string => `k${minute}`;

/** Whether nobody can count in it any more, in whatever zone it was. What is no window's name stays. */
export function isForgettable(name: string, now: number): boolean {
  const number = Number(/^[rkdwm](\d+)/.exec(name)?.[1] ?? Number.NaN);
  switch (name.charAt(0)) {
    case "r":
    case "k":
      return number + keptMinutes < minuteOf(now);
    case "d":
      return utcMidnightOf(addDays(number, 1)) + keptMilliseconds < now;
    case "w":
      return utcMidnightOf(addDays(mondayOf(number), 7)) + keptMilliseconds < now;
    case "m":
      return utcMidnightOf(nextMonth(number * 100 + 1)) + keptMilliseconds < now;
    default:
      return false;
  }
}
