// The streams of the tables, as functions see them: shards, sequence numbers, cloud time, and nothing older than a day.
// The server behind writes one list of changes for each table, with both images and the machine's time; what a stream of
// DynamoDB is beyond that is made here. Source: "Change data capture for DynamoDB Streams" in the DynamoDB Developer Guide.
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { StreamPage, StreamRecord, StreamSourcePort } from "../gateway/ports.ts";
import { type Authorize, ServiceError } from "../gateway/service.ts";
import type { Clock } from "../rig/clock.ts";
import type { BackendCalls } from "./backend-calls.ts";
import type { StreamTimes } from "./stream-times.ts";

export interface StreamedTable {
  readonly tableName: string;
  readonly streamArn: string;
  /** KEYS_ONLY, NEW_IMAGE, OLD_IMAGE or NEW_AND_OLD_IMAGES. */
  readonly viewType: string;
  readonly partitionKey: string;
}

export interface TableStreamsOptions {
  readonly backend: BackendCalls;
  readonly clock: Clock;
  readonly times: StreamTimes;
  readonly region: string;
  readonly authorize: Authorize;
  /** Throws AccessDenied unless the principal may use the key that encrypts the table. */
  readonly authorizeKey: (principal: Parameters<Authorize>[0], tableName: string) => void;
}

interface Stream extends StreamedTable {
  readonly shards: readonly string[];
  readonly listeners: Set<() => void>;
  /** The list's name at the server behind, asked for once. */
  backend?: Promise<{ readonly StreamArn: string; readonly ShardId: string }>;
}

interface BackendRecord {
  readonly eventName: StreamRecord["eventName"];
  readonly eventVersion: string;
  readonly dynamodb: {
    readonly Keys: Readonly<Record<string, object>>;
    readonly NewImage?: object;
    readonly OldImage?: object;
    readonly SequenceNumber: string;
    readonly SizeBytes: number;
  };
}

/** More than one, so that nobody relies on the order across partition keys, which DynamoDB does not promise. */
const shardsPerStream = 2;
/** Source: GetRecords in the DynamoDB Streams API reference. */
const mostRecordsPerRead = 1000;
const retentionMilliseconds = 86_400_000;
/**
 * Sequence numbers have 21 to 40 digits. They begin just below a power of ten, so that whoever compares them as texts is
 * found out after ten writes.
 */
const firstSequenceNumber = 999_999_999_999_999_999_990n;

export class TableStreams implements StreamSourcePort {
  readonly #options: TableStreamsOptions;
  readonly #byArn = new Map<string, Stream>();
  readonly #byTable = new Map<string, Stream>();

  constructor(options: TableStreamsOptions) {
    this.#options = options;
  }

  add(table: StreamedTable): void {
    const shards = Array.from({ length: shardsPerStream }, (_none, number) => shardName(table.streamArn, number));
    const stream: Stream = { ...table, shards, listeners: new Set() };
    this.#byArn.set(table.streamArn, stream);
    this.#byTable.set(table.tableName, stream);
  }

  /** To be awaited before tables are written. */
  async beforeWrite(tableNames: readonly string[]): Promise<void> {
    for (const name of tableNames) {
      const stream = this.#byTable.get(name);
      const due = this.#options.times.due(name);
      if (stream && due !== undefined) {
        this.#options.times.mark(name, await this.latestPlace(stream.streamArn), due);
      }
    }
  }

  /** To be called when tables may have been written, before the writer is answered. */
  afterWrite(tableNames: readonly string[]): void {
    for (const name of tableNames) {
      const stream = this.#byTable.get(name);
      if (!stream) continue;
      this.#options.times.wrote(name);
      for (const listener of stream.listeners) listener();
    }
  }

  shardsOf(streamArn: string): readonly string[] {
    return this.#find(streamArn).shards;
  }

  authorizeReading(principal: Parameters<Authorize>[0], streamArn: string): void {
    const { authorize, authorizeKey } = this.#options;
    for (const action of ["DescribeStream", "GetShardIterator", "GetRecords", "ListStreams"]) {
      authorize(principal, `dynamodb:${action}`, streamArn);
    }
    authorizeKey(principal, this.#find(streamArn).tableName);
  }

  async latestPlace(streamArn: string): Promise<number> {
    const list = await this.#backendOf(this.#find(streamArn));
    const { ShardIterator } = await this.#call("GetShardIterator", { ...list, ShardIteratorType: "LATEST" });
    return placeOf(String(ShardIterator));
  }

  async read(streamArn: string, shardId: string, behind: number): Promise<StreamPage> {
    const stream = this.#find(streamArn);
    const { clock, times } = this.#options;
    const list = await this.#backendOf(stream);
    const from =
      behind === 0
        ? { ShardIteratorType: "TRIM_HORIZON" }
        : { ShardIteratorType: "AFTER_SEQUENCE_NUMBER", SequenceNumber: String(behind) };
    const { ShardIterator } = await this.#call("GetShardIterator", { ...list, ...from });
    const answer = await this.#call("GetRecords", { ShardIterator, Limit: mostRecordsPerRead });
    const changes = answer.Records as readonly BackendRecord[];
    const oldest = clock.now() - retentionMilliseconds;
    const records: { record: StreamRecord; place: number }[] = [];
    for (const change of changes) {
      const place = Number(change.dynamodb.SequenceNumber);
      const createdAt = times.timeOf(stream.tableName, place);
      if (shardOf(stream, change) !== shardId || changesNothing(change) || createdAt < oldest) continue;
      records.push({ record: this.#record(stream, change, place, createdAt), place });
    }
    const place = Number(changes.at(-1)?.dynamodb.SequenceNumber ?? behind);
    return { records, place, isEnd: changes.length < mostRecordsPerRead };
  }

  onChange(streamArn: string, listener: () => void): () => void {
    const { listeners } = this.#find(streamArn);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  #record(stream: Stream, change: BackendRecord, place: number, createdAt: number): StreamRecord {
    const { Keys, NewImage, OldImage, SizeBytes } = change.dynamodb;
    const shows = (view: string) => stream.viewType === view || stream.viewType === "NEW_AND_OLD_IMAGES";
    return {
      eventID: createHash("md5").update(`${stream.streamArn} ${place}`).digest("hex"),
      eventName: change.eventName,
      eventVersion: change.eventVersion,
      eventSource: "aws:dynamodb",
      awsRegion: this.#options.region,
      dynamodb: {
        ApproximateCreationDateTime: Math.floor(createdAt / 1000),
        Keys,
        ...(NewImage && shows("NEW_IMAGE") ? { NewImage } : {}),
        ...(OldImage && shows("OLD_IMAGE") ? { OldImage } : {}),
        SequenceNumber: String(firstSequenceNumber + BigInt(place)),
        SizeBytes,
        StreamViewType: stream.viewType,
      },
      eventSourceARN: stream.streamArn,
    };
  }

  #find(streamArn: string): Stream {
    const found = this.#byArn.get(streamArn);
    if (found) return found;
    throw new ServiceError(
      400,
      "ResourceNotFoundException",
      `No table of the local cloud has the stream ${streamArn}.`,
    );
  }

  #backendOf(stream: Stream): NonNullable<Stream["backend"]> {
    stream.backend ??= this.#findBackend(stream.tableName).catch((error: unknown) => {
      // To be asked for again.
      delete stream.backend;
      throw error;
    });
    return stream.backend;
  }

  async #findBackend(tableName: string): Promise<{ readonly StreamArn: string; readonly ShardId: string }> {
    const { Table } = await this.#options.backend.call("DynamoDB_20120810", "DescribeTable", { TableName: tableName });
    const { LatestStreamArn: StreamArn = "" } = Table as { LatestStreamArn?: string };
    const { StreamDescription } = await this.#call("DescribeStream", { StreamArn });
    const { Shards } = StreamDescription as { Shards: readonly { ShardId: string }[] };
    const [only, another] = Shards;
    if (!only || another) {
      throw new Error(
        `The stream of ${tableName} is not read: the DynamoDB server gives it ${Shards.length} shards, not one.`,
      );
    }
    return { StreamArn, ShardId: only.ShardId };
  }

  #call(operation: string, input: object): Promise<Readonly<Record<string, unknown>>> {
    return this.#options.backend.call("DynamoDBStreams_20120810", operation, input);
  }
}

/** All changes of a partition key are in one shard, in order. */
function shardOf(stream: Stream, { dynamodb }: BackendRecord): string | undefined {
  const hash = createHash("md5")
    .update(JSON.stringify(dynamodb.Keys[stream.partitionKey] ?? null))
    .digest();
  return stream.shards[(hash[0] ?? 0) % stream.shards.length];
}

/** The server notes every write; DynamoDB makes no record of one that leaves the item as it was. */
function changesNothing({ eventName, dynamodb: { NewImage, OldImage } }: BackendRecord): boolean {
  return eventName === "MODIFY" && isDeepStrictEqual(NewImage, OldImage);
}

function shardName(streamArn: string, number: number): string {
  const digest = createHash("md5").update(`${streamArn} ${number}`).digest("hex");
  return `shardId-${String(number).padStart(20, "0")}-${digest.slice(0, 8)}`;
}

/** The server's iterators tell where they stand: base64 of {"position": 42, …}. */
function placeOf(iterator: string): number {
  const { position } = JSON.parse(Buffer.from(iterator, "base64").toString("utf8")) as { position?: unknown };
  if (typeof position === "number") return position;
  throw new Error("The DynamoDB server's stream iterators are not of the kind that the local cloud reads.");
}
