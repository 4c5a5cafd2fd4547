// If-Match and its kin, for reads, writes and copy sources.
// Source: RFC 9110 section 13, and "Conditional requests" in the S3 user guide for what S3 does differently.
import { noSuchKey, notImplemented, preconditionFailed } from "./s3-error.ts";

export interface Validators {
  /** Without quotes. */
  readonly etag: string;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}

export interface ReadConditions {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
  readonly ifUnmodifiedSince: string | undefined;
}

/** `prefix` is "" for the object itself, "x-amz-copy-source-" for a source of a copy. */
export function readConditions(headers: Readonly<Record<string, string>>, prefix = ""): ReadConditions {
  return {
    ifMatch: headers[`${prefix}if-match`],
    ifNoneMatch: headers[`${prefix}if-none-match`],
    ifModifiedSince: headers[`${prefix}if-modified-since`],
    ifUnmodifiedSince: headers[`${prefix}if-unmodified-since`],
  };
}

/** Throws 412 where the object is not the one wanted; "not-modified" where the reader has it already. */
export function evaluateRead(conditions: ReadConditions, found: Validators): "proceed" | "not-modified" {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions;
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, found.etag)) throw preconditionFailed("If-Match");
  } else if (ifUnmodifiedSince !== undefined && isModifiedSince(found, ifUnmodifiedSince)) {
    throw preconditionFailed("If-Unmodified-Since");
  }
  if (ifNoneMatch !== undefined) return matches(ifNoneMatch, found.etag) ? "not-modified" : "proceed";
  if (ifModifiedSince !== undefined && isModifiedSince(found, ifModifiedSince) === false) return "not-modified";
  return "proceed";
}

export interface WriteConditions {
  readonly ifMatch: string | undefined;
  readonly mustNotExist: boolean;
}

/** Throws 501 for an If-None-Match other than `*`: S3 has no such write. */
export function writeConditions(headers: Readonly<Record<string, string>>): WriteConditions {
  const ifNoneMatch = headers["if-none-match"]?.trim();
  if (ifNoneMatch !== undefined && ifNoneMatch !== "*") {
    throw notImplemented("writes with an If-None-Match other than *");
  }
  return { ifMatch: headers["if-match"], mustNotExist: ifNoneMatch === "*" };
}

/** `current` is undefined where no object is, or a delete marker. Throws 412, or 404 for an If-Match on nothing. */
export function assertWritable(conditions: WriteConditions, key: string, current: Validators | undefined): void {
  if (conditions.mustNotExist && current) throw preconditionFailed("If-None-Match");
  if (conditions.ifMatch === undefined) return;
  if (!current) throw noSuchKey(key);
  if (!matches(conditions.ifMatch, current.etag)) throw preconditionFailed("If-Match");
}

/** One ETag or a list of them, quoted or not, or `*`. */
function matches(condition: string, etag: string): boolean {
  return condition.split(",").some((item) => {
    const wanted = item.trim();
    return wanted === "*" || unquoted(wanted) === etag;
  });
}

export function unquoted(etag: string): string {
  return etag.trim().replace(/^"(.*)"$/, "$1");
}

/** HTTP dates have whole seconds. An unreadable date counts as no condition: undefined. */
function isModifiedSince(found: Validators, date: string): boolean | undefined {
  const since = Date.parse(date);
  if (Number.isNaN(since)) return undefined;
  return Math.floor(found.modifiedAt / 1000) > Math.floor(since / 1000);
}
