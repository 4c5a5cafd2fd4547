// What an HTTP status means to a channel, in the names that decide whether it is tried again.
import { CausewayError } from "../../shared/errors.ts";
import type { GuardedAnswer } from "../../shared/guarded-address.ts";

/** Nobody waits longer for a robot or a webhook; a later attempt comes anyway. */
export const timeoutMilliseconds = 10_000;
/** Answers are short; of an error page the beginning is enough. */
export const mostAnswerBytes = 16_384;

const mostQuotedCharacters = 200;
/** Shorter pieces of a path are words such as `hooks`. */
const leastKeyLetters = 8;

/** Throws `ChannelThrottled`, `ChannelUnavailable` or `ChannelRefused` for every status but 2xx. */
export function checkStatus({ status, text, retryAfterSeconds }: GuardedAnswer, secrets: readonly string[]): void {
  if (status >= 200 && status < 300) return;
  const said = `It answered HTTP ${status}${text === "" ? "" : `: ${quote(text, secrets)}`}`;
  if (status === 429) {
    throw new CausewayError("ChannelThrottled", said, { details: { retryAfterSeconds } });
  }
  if (status >= 500 || status === 408 || status === 425) throw new CausewayError("ChannelUnavailable", said);
  if (status >= 300 && status < 400) {
    throw new CausewayError("ChannelRefused", `It answered HTTP ${status}, a redirect; redirects are not followed.`);
  }
  throw new CausewayError("ChannelRefused", said);
}

/**
 * What of an address must not be quoted: the whole, its path, and the pieces in which a key may lie. Servers like to
 * repeat the path alone ("Cannot POST /hooks/…").
 */
export function secretsOf(address: string): string[] {
  const url = URL.parse(address);
  if (url === null) return [address];
  const segments = url.pathname.split("/").filter(({ length }) => length >= leastKeyLetters);
  const path = url.pathname === "/" ? [] : [url.pathname];
  return [address, url.href, `${url.pathname}${url.search}`, ...path, ...segments, ...url.searchParams.values()]
    .filter((text) => text.length > 1)
    .sort((left, right) => right.length - left.length);
}

/** One line of what somebody else wrote, without the secrets that it may repeat. */
export function quote(text: string, secrets: readonly string[]): string {
  const hidden = secrets
    .filter((secret) => secret !== "")
    .reduce((rest, secret) => rest.replaceAll(secret, "(hidden)"), text);
  return hidden.replace(/\s+/g, " ").trim().slice(0, mostQuotedCharacters);
}
