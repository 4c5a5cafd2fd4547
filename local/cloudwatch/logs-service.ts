// CloudWatch Logs over HTTP. Source: the CloudWatch Logs API reference (JSON 1.1, `Logs_20140328.`).
import { z } from "zod";
import { type JsonCall, jsonService } from "../gateway/json-service.ts";
import { parseInput } from "../gateway/parse-input.ts";
import { type LocalService, type ServiceContext, ServiceError } from "../gateway/service.ts";
import { compileFilterPattern } from "./filter-pattern.ts";
import type { LogEvent, LogStore } from "./log-store.ts";

const groupName = z.string().regex(/^[\w.\-/#]{1,512}$/, "1 to 512 characters of a-z A-Z 0-9 _ - / . #");
const streamName = z.string().regex(/^[^:*]{1,512}$/, "1 to 512 characters without : and *");

const createLogStream = z.strictObject({ logGroupName: groupName, logStreamName: streamName });

const putLogEvents = z.strictObject({
  logGroupName: groupName,
  logStreamName: streamName,
  logEvents: z
    .array(z.strictObject({ timestamp: z.int().min(0), message: z.string().min(1) }))
    .min(1)
    .max(10_000),
  /** AWS has ignored it since 2023. */
  sequenceToken: z.string().optional(),
});

const filterLogEvents = z.strictObject({
  logGroupName: groupName.optional(),
  /** Name or ARN. */
  logGroupIdentifier: z.string().optional(),
  logStreamNames: z.array(streamName).min(1).max(100).optional(),
  logStreamNamePrefix: streamName.optional(),
  startTime: z.int().min(0).default(0),
  endTime: z.int().min(0).default(Number.MAX_SAFE_INTEGER),
  filterPattern: z.string().max(1024).default(""),
  nextToken: z.string().optional(),
  limit: z.int().min(1).max(10_000).default(10_000),
  interleaved: z.boolean().optional(),
});

const largestBatchBytes = 1_048_576;
/** What each event counts for besides its message. */
const eventOverheadBytes = 26;

/** `take` keeps an event and tells whoever listens. */
export function logsService(
  context: ServiceContext,
  store: LogStore,
  take: (group: string, event: Omit<LogEvent, "eventId">) => void,
): LocalService {
  const arnOf = (group: string, stream: string) =>
    `arn:aws:logs:${context.region}:${context.accountId}:log-group:${group}:log-stream:${stream}`;
  return jsonService({
    name: "logs",
    version: "1.1",
    targetPrefix: "Logs_20140328",
    operations: {
      CreateLogStream(body, { principal }: JsonCall) {
        const { logGroupName: group, logStreamName: stream } = parse(createLogStream, body);
        context.authorize(principal, "logs:CreateLogStream", arnOf(group, stream));
        requireGroup(store, group);
        if (store.hasStream(group, stream)) {
          throw new ServiceError(400, "ResourceAlreadyExistsException", "The specified log stream already exists");
        }
        store.createStream(group, stream);
        return {};
      },
      PutLogEvents(body, { principal }: JsonCall) {
        const { logGroupName: group, logStreamName: stream, logEvents } = parse(putLogEvents, body);
        context.authorize(principal, "logs:PutLogEvents", arnOf(group, stream));
        requireGroup(store, group);
        if (!store.hasStream(group, stream)) throw notFound("The specified log stream does not exist.");
        checkBatch(logEvents);
        const ingestedAtMilliseconds = context.clock.now();
        for (const { timestamp, message } of logEvents) {
          take(group, { streamName: stream, timestampMilliseconds: timestamp, ingestedAtMilliseconds, message });
        }
        return { nextSequenceToken: "0" };
      },
      FilterLogEvents(body, { principal }: JsonCall) {
        const input = parse(filterLogEvents, body);
        const group = input.logGroupName ?? nameOfGroup(input.logGroupIdentifier ?? "");
        context.authorize(principal, "logs:FilterLogEvents", arnOf(group, ""));
        requireGroup(store, group);
        return filter(group, input, store);
      },
    },
    throttling: { status: 400, code: "ThrottlingException" },
  });
}

/** From `arn:aws:logs:region:account:log-group:NAME`, with or without `:*`, or from the name itself. */
export function nameOfGroup(nameOrArn: string): string {
  return /^arn:aws:logs:[^:]*:\d*:log-group:([^:]+)/.exec(nameOrArn)?.[1] ?? nameOrArn;
}

function filter(group: string, input: z.output<typeof filterLogEvents>, store: LogStore): object {
  const matches = compileFilterPattern(input.filterPattern);
  const found = store.search({
    groupName: group,
    startMilliseconds: input.startTime,
    endMilliseconds: input.endTime,
    afterId: Number(input.nextToken ?? 0),
    streamNames: input.logStreamNames,
    streamPrefix: input.logStreamNamePrefix ?? "",
  });
  const events: object[] = [];
  let lastId = "";
  for (const event of found) {
    if (!matches(event.message)) continue;
    if (events.length === input.limit) return { events, nextToken: lastId, searchedLogStreams: [] };
    lastId = event.eventId;
    events.push({
      eventId: event.eventId,
      logStreamName: event.streamName,
      timestamp: event.timestampMilliseconds,
      ingestionTime: event.ingestedAtMilliseconds,
      message: event.message,
    });
  }
  return { events, searchedLogStreams: [] };
}

function checkBatch(events: readonly { readonly timestamp: number; readonly message: string }[]): void {
  const bytes = events.reduce((sum, { message }) => sum + Buffer.byteLength(message) + eventOverheadBytes, 0);
  if (bytes > largestBatchBytes) throw invalid(`The batch is larger than ${largestBatchBytes} bytes.`);
  const isSorted = events.every(({ timestamp }, index) => timestamp >= (events[index - 1]?.timestamp ?? 0));
  if (!isSorted) throw invalid("Log events in a single PutLogEvents request must be in chronological order.");
}

function requireGroup(store: LogStore, group: string): void {
  if (!store.hasGroup(group)) throw notFound("The specified log group does not exist.");
}

function parse<Schema extends z.ZodType>(schema: Schema, body: unknown): z.infer<Schema> {
  return parseInput(schema, body, "InvalidParameterException");
}

function invalid(sentence: string): ServiceError {
  return new ServiceError(400, "InvalidParameterException", sentence);
}

function notFound(sentence: string): ServiceError {
  return new ServiceError(400, "ResourceNotFoundException", sentence);
}
