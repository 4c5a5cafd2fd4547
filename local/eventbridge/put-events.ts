// PutEvents: which entries are taken, and the event each of them becomes.
// Source: PutEvents in the EventBridge API reference; "Calculating PutEvents event entry size".
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { parseInput } from "../gateway/parse-input.ts";
import type { CloudEvent } from "../gateway/ports.ts";
import { ServiceError } from "../gateway/service.ts";

const entrySchema = z.strictObject({
  Source: z.string().optional(),
  DetailType: z.string().optional(),
  Detail: z.string().optional(),
  EventBusName: z.string().optional(),
  /** Seconds since 1970. */
  Time: z.number().optional(),
  Resources: z.array(z.string()).optional(),
  TraceHeader: z.string().optional(),
});

const putEventsSchema = z.strictObject({ Entries: z.array(entrySchema).min(1).max(10) });

export type Entry = z.infer<typeof entrySchema>;

/** Since 2026 some regions of AWS take 1 MiB; what keeps to the older limit can be deployed to all of them. */
const largestRequestBytes = 262_144;
/** What a Time counts for in the size. */
const timeBytes = 14;
const longestNameBytes = 128;

export type EntryResult =
  | { readonly event: CloudEvent }
  | { readonly refusal: { readonly ErrorCode: string; readonly ErrorMessage: string } };

/** Throws ServiceError ValidationException if the request as a whole is refused. */
export function readEntries(body: unknown): readonly Entry[] {
  const { Entries } = parseInput(putEventsSchema, body);
  const bytes = Entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
  if (bytes > largestRequestBytes) {
    throw new ServiceError(
      400,
      "ValidationException",
      `Total size of the entries in the request is over the limit: ${bytes} of ${largestRequestBytes} bytes.`,
    );
  }
  return Entries;
}

function entryBytes(entry: Entry): number {
  const texts = [entry.Source, entry.DetailType, entry.Detail, ...(entry.Resources ?? [])];
  const inTexts = texts.reduce((sum, text) => sum + Buffer.byteLength(text ?? "", "utf8"), 0);
  return inTexts + (entry.Time === undefined ? 0 : timeBytes);
}

export function eventOf(
  entry: Entry,
  facts: { readonly account: string; readonly region: string; readonly nowMilliseconds: number },
): EntryResult {
  for (const member of ["Source", "DetailType", "Detail"] as const) {
    if (!entry[member]) {
      return refuse("InvalidArgument", `Parameter ${member} is not valid. Reason: ${member} is a required argument.`);
    }
  }
  const { Source = "", DetailType = "", Detail = "" } = entry;
  for (const [member, text] of [["Source", Source] as const, ["DetailType", DetailType] as const]) {
    if (Buffer.byteLength(text) > longestNameBytes) {
      return refuse(
        "InvalidArgument",
        `Parameter ${member} is not valid. Reason: it is over ${longestNameBytes} bytes.`,
      );
    }
  }
  if (/^aws\./i.test(Source)) {
    return refuse("NotAuthorizedForSourceException", `Not authorized for the source ${Source}.`);
  }
  const detail = readDetail(Detail);
  if (!detail) return refuse("MalformedDetail", "Detail is malformed.");
  return {
    event: {
      version: "0",
      id: randomUUID(),
      "detail-type": DetailType,
      source: Source,
      account: facts.account,
      time: wholeSeconds(entry.Time === undefined ? facts.nowMilliseconds : entry.Time * 1000),
      region: facts.region,
      resources: entry.Resources ?? [],
      detail,
    },
  };
}

/** RFC 3339 in UTC, as EventBridge writes it. */
export function wholeSeconds(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}

function readDetail(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const detail: unknown = JSON.parse(text);
    const isObject = typeof detail === "object" && detail !== null && !Array.isArray(detail);
    return isObject ? (detail as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

function refuse(ErrorCode: string, ErrorMessage: string): EntryResult {
  return { refusal: { ErrorCode, ErrorMessage } };
}
