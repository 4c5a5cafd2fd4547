// Quiet hours by a time zone's own clock: until when a message that may wait has to wait.
import type { Severity } from "./event-facts.ts";
import type { QuietHours } from "./rule.ts";

const minuteMilliseconds = 60_000;
const dayMinutes = 24 * 60;

/**
 * The moment from which a message may be sent: `at` itself outside of quiet hours, else their end. Milliseconds since
 * 1970. On the night of a changed clock the end is the first moment whose local time is outside the quiet hours.
 */
export function sendableFrom(at: number, severity: Severity, quiet: QuietHours | null, stageTimeZone: string): number {
  if (quiet === null || (severity === "critical" && quiet.criticalPasses)) return at;
  const zone = quiet.timeZone ?? stageTimeZone;
  const from = minutesOf(quiet.from);
  const to = minutesOf(quiet.to);
  const isQuiet = (moment: number) => liesWithin(localMinutes(moment, zone), from, to);
  if (from === to || !isQuiet(at)) return at;
  const wait = (to - localMinutes(at, zone) + dayMinutes) % dayMinutes || dayMinutes;
  const expected = Math.floor(at / minuteMilliseconds) * minuteMilliseconds + wait * minuteMilliseconds;
  // Between here and there the clock may have been changed, by three hours at most.
  const correction = longestClockChangeMinutes * minuteMilliseconds;
  const earliest = Math.max(Math.floor(at / minuteMilliseconds) * minuteMilliseconds, expected - correction);
  for (let moment = earliest; moment <= expected + correction; moment += minuteMilliseconds) {
    if (moment >= at && !isQuiet(moment)) return moment;
  }
  return expected;
}

/** Antarctica/Troll and Lord Howe aside, clocks change by an hour; the largest change of the last decades was three. */
const longestClockChangeMinutes = 180;

/** `07:30` as minutes after midnight. */
function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(":").map(Number);
  return hours * 60 + minutes;
}

function liesWithin(minutes: number, from: number, to: number): boolean {
  return from < to ? from <= minutes && minutes < to : minutes >= from || minutes < to;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function localMinutes(moment: number, timeZone: string): number {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    formats.set(timeZone, format);
  }
  return minutesOf(format.format(moment));
}
