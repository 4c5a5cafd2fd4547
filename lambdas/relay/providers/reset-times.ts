// Reset times: when a limit is over, from the headers and texts in which vendors say so. All in milliseconds since 1970.

type Headers = Readonly<Record<string, string>>;

/** What claims to last longer than the longest budget window is a mistake, and would take an account away for good. */
const longestMilliseconds = 35 * 24 * 60 * 60 * 1000;

/** The moment, unless it is past, absurd or no number. */
export function plausible(at: number | undefined, now: number): number | undefined {
  if (at === undefined || !Number.isFinite(at)) return undefined;
  return at > now && at <= now + longestMilliseconds ? Math.ceil(at) : undefined;
}

/** `retry-after-ms`, then `retry-after` in seconds or as an HTTP date (RFC 9110, 10.2.3). */
export function retryAfterOf(headers: Headers, now: number): number | undefined {
  const milliseconds = numberOf(headers["retry-after-ms"]);
  if (milliseconds !== undefined) return plausible(now + milliseconds, now);
  const seconds = numberOf(headers["retry-after"]);
  if (seconds !== undefined) return plausible(now + seconds * 1000, now);
  return timeOf(headers["retry-after"], now);
}

/** RFC 3339 or an HTTP date. */
export function timeOf(text: string | undefined, now: number): number | undefined {
  return text === undefined ? undefined : plausible(Date.parse(text), now);
}

/** Seconds since 1970, as in `anthropic-ratelimit-unified-reset`. */
export function unixSecondsOf(text: string | undefined, now: number): number | undefined {
  const seconds = numberOf(text);
  return seconds === undefined ? undefined : plausible(seconds * 1000, now);
}

const unitMilliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `6m0s`, `1h2m3.5s`, `20ms`, `34.07s`, as OpenAI's headers and Google's durations have them; a bare number is seconds. */
export function durationOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const trimmed = text.trim();
  const seconds = numberOf(trimmed);
  if (seconds !== undefined) return seconds * 1000;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(trimmed)) return undefined;
  let sum = 0;
  for (const [, amount, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    sum += Number(amount) * (unitMilliseconds[unit ?? ""] ?? 0);
  }
  return sum;
}

/** A whole text that is a number of 0 or more. */
function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : undefined;
}
