// An event source mapping from a table's stream, checked as Lambda checks it.
// Source: CreateEventSourceMapping in the AWS Lambda API Reference; "Using Lambda with Amazon DynamoDB" in its guide.
import { compileEventPattern } from "../eventbridge/event-pattern.ts";
import type { StreamRecord } from "../gateway/ports.ts";
import { ServiceError } from "../gateway/service.ts";

export interface StreamMapping {
  readonly functionArn: string;
  readonly streamArn: string;
  readonly startingPosition: string;
  /** 1 to 10,000. */
  readonly batchSize: number;
  /** 0 to 300. */
  readonly windowSeconds: number;
  /** FunctionResponseTypes holds ReportBatchItemFailures. */
  readonly reportsItemFailures: boolean;
  /** BisectBatchOnFunctionError */
  readonly bisects: boolean;
  /** -1: until a record is too old. */
  readonly retryAttempts: number;
  /** -1: as long as the stream keeps records. */
  readonly recordAgeSeconds: number;
  /** Where what is given up is told. */
  readonly onFailureQueueArn?: string;
  /** Patterns as JSON texts; a record that none of them matches is passed over. Empty: all match. */
  readonly filters: readonly string[];
  readonly parallelizationFactor: number;
  readonly enabled: boolean;
}

/** Source: "Lambda event filtering": five filters, ten with a higher quota. */
const mostFilters = 5;

/** A sentence for what Lambda would refuse, or what is not built here; undefined when nothing is wrong. */
export function streamMappingFault(mapping: StreamMapping): string | undefined {
  const { batchSize, windowSeconds, startingPosition, retryAttempts, recordAgeSeconds } = mapping;
  if (!isWhole(batchSize, 1, 10_000)) return "BatchSize must be from 1 to 10000.";
  if (!isWhole(windowSeconds, 0, 300)) return "MaximumBatchingWindowInSeconds must be from 0 to 300.";
  if (!["TRIM_HORIZON", "LATEST"].includes(startingPosition)) {
    return "StartingPosition must be TRIM_HORIZON or LATEST for a DynamoDB stream.";
  }
  if (!isWhole(retryAttempts, -1, 10_000)) return "MaximumRetryAttempts must be from -1 to 10000.";
  if (recordAgeSeconds !== -1 && !isWhole(recordAgeSeconds, 60, 604_800)) {
    return "MaximumRecordAgeInSeconds must be -1, or from 60 to 604800.";
  }
  if (mapping.parallelizationFactor !== 1) return "a ParallelizationFactor above 1 is not built locally.";
  if (mapping.onFailureQueueArn !== undefined && !mapping.onFailureQueueArn.includes(":sqs:")) {
    return "locally, what is given up is told to queues only.";
  }
  if (mapping.filters.length > mostFilters) return `FilterCriteria may hold at most ${mostFilters} filters.`;
  try {
    compileFilters(mapping.filters);
  } catch (error) {
    if (error instanceof ServiceError || error instanceof SyntaxError) return `FilterCriteria: ${error.message}`;
    throw error;
  }
  return undefined;
}

/** Throws ServiceError and SyntaxError. */
export function compileFilters(filters: readonly string[]): (record: StreamRecord) => boolean {
  const matchers = filters.map((filter) => compileEventPattern(JSON.parse(filter)));
  return (record) => matchers.length === 0 || matchers.some((matches) => matches(record));
}

/**
 * Index of the first record that a successful answer asks to be delivered again; undefined: none. An answer that is not of
 * the form, an empty identifier and one that was not in the batch mean all of them.
 * Source: "Reporting batch item failures" for DynamoDB: the lowest sequence number becomes the checkpoint.
 */
export function firstFailure(answer: string, records: readonly StreamRecord[]): number | undefined {
  let parsed: unknown;
  try {
    parsed = answer === "" ? null : JSON.parse(answer);
  } catch {
    return 0;
  }
  if (parsed === null) return undefined;
  if (typeof parsed !== "object" || Array.isArray(parsed)) return 0;
  const failures = (parsed as { batchItemFailures?: unknown }).batchItemFailures ?? [];
  if (!Array.isArray(failures)) return 0;
  let first: number | undefined;
  for (const failure of failures as unknown[]) {
    const id = (failure as { itemIdentifier?: unknown } | null)?.itemIdentifier;
    const index = records.findIndex(({ dynamodb }) => dynamodb.SequenceNumber === id);
    first = Math.min(first ?? records.length, Math.max(0, index));
  }
  return first;
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
