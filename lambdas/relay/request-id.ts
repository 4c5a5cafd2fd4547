// Request ids: ULIDs (https://github.com/ulid/spec), so that ids sort by time and a record's place follows from its id.
import { CausewayError } from "../shared/errors.ts";

/** Crockford's base 32. */
const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const timeDigits = 10;
const randomDigits = 16;

/** `randomBytes`: at least 16 bytes, of which five bits each are used. */
export function makeRequestId(nowMilliseconds: number, randomBytes: Uint8Array): string {
  let time = "";
  for (let rest = Math.floor(nowMilliseconds), at = 0; at < timeDigits; at += 1) {
    time = digits.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  let random = "";
  for (let at = 0; at < randomDigits; at += 1) random += digits.charAt((randomBytes[at] ?? 0) & 31);
  return time + random;
}

/** Milliseconds since 1970 at which the request came. Throws `InputInvalid` where it is no request id. */
export function timeOfRequestId(requestId: string): number {
  if (!/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(requestId)) {
    throw new CausewayError("InputInvalid", "A request id has 26 characters, as in the header x-causeway-request-id.");
  }
  let time = 0;
  for (const digit of requestId.slice(0, timeDigits)) time = time * 32 + digits.indexOf(digit);
  return time;
}
