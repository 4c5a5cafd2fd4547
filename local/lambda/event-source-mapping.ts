// An event source mapping, checked as Lambda checks it, and the event that a batch of messages becomes.
// Source: "Using Lambda with Amazon SQS" and "Handling errors for an SQS event source" in the AWS Lambda Developer Guide.
import type { SourceMessage } from "../gateway/ports.ts";

export interface EventSourceMapping {
  readonly functionArn: string;
  readonly queueArn: string;
  /** 1 to 10,000; above 10 only with a window. */
  readonly batchSize: number;
  /** 0 to 300. */
  readonly windowSeconds: number;
  /** FunctionResponseTypes holds ReportBatchItemFailures. */
  readonly reportsItemFailures: boolean;
  /** 2 to 1,000; absent: as Lambda begins with. */
  readonly maximumConcurrency?: number;
  readonly enabled: boolean;
}

/** Lambda begins with five pollers and adds more under load; five are what a laptop carries. */
const defaultConcurrency = 5;

export function concurrencyOf(mapping: EventSourceMapping): number {
  return mapping.maximumConcurrency ?? defaultConcurrency;
}

/** A sentence for what Lambda would refuse; undefined when nothing is wrong. */
export function mappingFault(
  mapping: EventSourceMapping,
  limits: { readonly functionTimeoutSeconds: number; readonly visibilityTimeoutSeconds: number },
): string | undefined {
  const { batchSize, windowSeconds, maximumConcurrency } = mapping;
  if (!isWhole(batchSize, 1, 10_000)) return "BatchSize must be from 1 to 10000.";
  if (!isWhole(windowSeconds, 0, 300)) return "MaximumBatchingWindowInSeconds must be from 0 to 300.";
  if (batchSize > 10 && windowSeconds < 1) {
    return "a BatchSize above 10 needs a MaximumBatchingWindowInSeconds of at least 1.";
  }
  if (maximumConcurrency !== undefined && !isWhole(maximumConcurrency, 2, 1000)) {
    return "ScalingConfig.MaximumConcurrency must be from 2 to 1000.";
  }
  if (limits.visibilityTimeoutSeconds < limits.functionTimeoutSeconds) {
    return (
      `Queue visibility timeout: ${limits.visibilityTimeoutSeconds} seconds is less than ` +
      `Function timeout: ${limits.functionTimeoutSeconds} seconds.`
    );
  }
  return undefined;
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

/** The record of a message in the function's event. */
export function recordOf(message: SourceMessage, queueArn: string, region: string): object {
  const { messageId, receiptHandle, body, attributes, md5OfMessageAttributes, md5OfBody } = message;
  const messageAttributes = Object.entries(message.messageAttributes).map(([name, attribute]) => [
    name,
    {
      ...(attribute.StringValue === undefined ? {} : { stringValue: attribute.StringValue }),
      ...(attribute.BinaryValue === undefined ? {} : { binaryValue: attribute.BinaryValue }),
      stringListValues: [],
      binaryListValues: [],
      dataType: attribute.DataType,
    },
  ]);
  return {
    messageId,
    receiptHandle,
    body,
    attributes,
    messageAttributes: Object.fromEntries(messageAttributes) as object,
    ...(md5OfMessageAttributes === undefined ? {} : { md5OfMessageAttributes }),
    md5OfBody,
    eventSource: "aws:sqs",
    eventSourceARN: queueArn,
    awsRegion: region,
  };
}

/**
 * The messages that a successful answer leaves in the queue. None for `{}`, null and an empty or null list; all of them
 * for an answer that is not of the form, an empty or missing itemIdentifier, and one that was not in the batch.
 */
export function failedMessages(answer: string, messageIds: readonly string[]): readonly string[] {
  let parsed: unknown;
  try {
    parsed = answer === "" ? null : JSON.parse(answer);
  } catch {
    return messageIds;
  }
  if (parsed === null) return [];
  if (typeof parsed !== "object" || Array.isArray(parsed)) return messageIds;
  const failures = (parsed as { batchItemFailures?: unknown }).batchItemFailures ?? [];
  if (!Array.isArray(failures)) return messageIds;
  const failed: string[] = [];
  for (const failure of failures as unknown[]) {
    const id = (failure as { itemIdentifier?: unknown } | null)?.itemIdentifier;
    if (typeof id !== "string" || !messageIds.includes(id)) return messageIds;
    failed.push(id);
  }
  return failed;
}
