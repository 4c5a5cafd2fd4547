// What the answers of the list and describe operations share: pages with an opaque nextToken, and times.

import { type JsonInput, optionalString } from "../gateway/json-service.ts";
import { ServiceError } from "../gateway/service.ts";

const defaultResults = 100;
const mostResults = 1000;

/** 0 and absent mean the default, as in the API reference. */
export function maxResults(input: JsonInput): number {
  const value = input.maxResults;
  if (value === undefined || value === null || value === 0) return defaultResults;
  if (typeof value === "number" && Number.isInteger(value) && value > 0 && value <= mostResults) return value;
  throw new ServiceError(400, "ValidationException", `maxResults is an integer from 0 to ${mostResults}.`);
}

/** The number in the token, or `first` without one. Throws InvalidToken. */
export function tokenNumber(input: JsonInput, first: number): number {
  const token = optionalString(input, "nextToken");
  if (token === undefined) return first;
  const text = Buffer.from(token, "base64url").toString("utf8");
  const number = /^after:(\d+)$/.exec(text)?.[1];
  if (number === undefined) throw new ServiceError(400, "InvalidToken", `Invalid Token: '${token}'`);
  return Number(number);
}

/** A page of rows that were asked for with one more than the page holds; `key` orders them. */
export function pageOf<Row>(
  rows: readonly Row[],
  length: number,
  key: (row: Row) => number,
): { readonly page: readonly Row[]; readonly nextToken?: string } {
  const page = rows.slice(0, length);
  const last = page.at(-1);
  if (rows.length <= length || last === undefined) return { page };
  return { page, nextToken: Buffer.from(`after:${key(last)}`).toString("base64url") };
}

/** Times are epoch seconds, with milliseconds, in this protocol. */
export function seconds(milliseconds: number | null): number {
  return Math.floor(milliseconds ?? 0) / 1000;
}
