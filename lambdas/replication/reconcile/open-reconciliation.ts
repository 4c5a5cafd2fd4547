// A round of a shard with everything that it needs, for an entry that has built its stores.
import type { CausewayError } from "../../shared/errors.ts";
import type { JobUnit } from "../../shared/jobs.ts";
import { createPartChecksums, type PartChecksums } from "../checksums/part-checksums.ts";
import { targetKeyOf } from "../mirror/mappings.ts";
import type { CurrentObject } from "../mirror/mirror-item.ts";
import { type MirrorEnvironment, type MirrorParts, openMirror } from "../mirror/open-mirror.ts";
import type { MirrorStore } from "../mirror.store.ts";
import { type ByteRange, lengthOfRange } from "../plan-parts.ts";
import { s3AddressOf } from "../s3-address.ts";
import type { RangedSource } from "../sources/source.ts";
import { endedEarly } from "../watch-flow.ts";
import { type CompareObjectPorts, compareObject } from "./compare-object.ts";
import type { OssContents } from "./contents.ts";
import type { ListPage } from "./join-lists.ts";
import { unitIdOf } from "./plan-reconciliation.ts";
import type { Shard } from "./plan-shards.ts";
import { type ReconcileShardPorts, type ShardRound, slowBytes } from "./reconcile-shard.ts";
import { runShard, type ShardInput } from "./run-shard.ts";
import { reportPrefixOf } from "./summarise-reconciliation.ts";

export interface ReconcileParts extends MirrorParts {
  readonly mirror: Pick<MirrorStore, "take" | "settle" | "giveBack" | "read" | "readMany">;
  readonly contents: Pick<OssContents, "page" | "sumRange">;
  readonly ossSegmentBytes: number;
  listS3(prefix: string, after: string | null): Promise<ListPage>;
  putLines(key: string, lines: readonly object[]): Promise<void>;
  updateUnit(runId: string, unitId: string, changes: Partial<Omit<JobUnit, "unitId">>): Promise<void>;
  nameError(error: unknown): CausewayError;
}

/** Before its end a round begins nothing more: a small object takes seconds, a wave of ranges less than a minute. */
const reserveMilliseconds = 90_000;
const s3SegmentBytes = 8 * 1024 * 1024;
/** Of one large object; of small ones many are read at once, one range each. */
const rangesAtOnce = 8;

export type RunRound = (input: ShardInput & { runId: string }, remaining: () => number) => Promise<ShardRound>;

export function openReconciliation(environment: MirrorEnvironment, parts: ReconcileParts): RunRound {
  const mirror = openMirror(environment, parts);
  return async (input, remainingMilliseconds) => {
    const { runId, shard, readData } = input;
    const endsAt = parts.now() + remainingMilliseconds();
    const mayGoOn = () => remainingMilliseconds() > reserveMilliseconds;
    using time = mirror.until(remainingMilliseconds());
    const ports: Omit<CompareObjectPorts, "summing"> = {
      ...objectPorts(environment, parts),
      bring: time.mirror,
      signal: time.signal,
      lastWriteAt: () => endsAt,
      mayGoOn,
    };
    return runShard(input, {
      ...shardPorts(environment, parts, shard),
      compare: (listed, reading) => {
        const isLarge = Math.max(listed.s3?.sizeBytes ?? 0, listed.oss?.sizeBytes ?? 0) >= slowBytes;
        const segmentsAtOnce = isLarge ? rangesAtOnce : 1;
        const summing = {
          s3: { segmentBytes: s3SegmentBytes, segmentsAtOnce },
          oss: { segmentBytes: parts.ossSegmentBytes, segmentsAtOnce },
        };
        const targetKey = toOss(shard, listed.sourceKey);
        return compareObject(listed, { targetKey, readData, reading }, { ...ports, summing });
      },
      report: (number, lines) => parts.putLines(`${reportPrefixOf(runId)}shard-${shard.number}-${number}.jsonl`, lines),
      updateUnit: (changes) => parts.updateUnit(runId, unitIdOf(shard), changes),
      onLost: parts.onLost,
      mayGoOn,
    });
  };
}

/** Within a shard the two sides' keys differ in their beginning alone, so both lists have the same order. */
function toOss({ s3Prefix, ossPrefix }: Shard, sourceKey: string): string {
  return ossPrefix + sourceKey.slice(s3Prefix.length);
}

function shardPorts(environment: MirrorEnvironment, parts: ReconcileParts, shard: Shard) {
  const { s3Prefix, ossPrefix } = shard;
  return {
    readS3: (after) => parts.listS3(s3Prefix, after),
    readOss: async (after) => {
      const page = await parts.contents.page(ossPrefix, after && toOss(shard, after));
      const objects = page.objects.map((object) => ({ ...object, key: s3Prefix + object.key.slice(ossPrefix.length) }));
      return { ...page, objects };
    },
    known: (sourceKeys) => parts.mirror.readMany(sourceKeys),
    targetKeyOf: (sourceKey) => targetKeyOf(sourceKey, environment.MIRROR_MAPPINGS) ?? "",
    nameError: parts.nameError,
    now: parts.now,
  } satisfies Partial<ReconcileShardPorts>;
}

function objectPorts(environment: MirrorEnvironment, parts: ReconcileParts) {
  const { contents, mirror, target, objects, receipts, signingKey, newMark, now, random } = parts;
  return {
    places: {
      sourceBucket: environment.BACKUPS_BUCKET,
      ossRegion: environment.OSS_REGION,
      ossBucket: environment.OSS_BUCKET,
    },
    mirror,
    target,
    current: (sourceKey) => objects.current(sourceKey),
    readReceipt: (key) => receipts.read(key),
    writeReceipt: (key, body) => receipts.writeOnce(key, body),
    sign: (digest) => signingKey.sign(digest),
    newHolder: newMark,
    now,
    random,
    sumS3: (sourceKey, current, range, signal) =>
      sumRange(parts.source, { bucket: environment.BACKUPS_BUCKET, key: sourceKey }, current, range, signal),
    sumOss: ({ key, etag }, range, signal) => contents.sumRange(key, etag, range, signal),
  } satisfies Partial<CompareObjectPorts>;
}

async function sumRange(
  source: RangedSource,
  object: { readonly bucket: string; readonly key: string },
  { versionId, etag, sizeBytes }: CurrentObject,
  range: ByteRange,
  signal: AbortSignal,
): Promise<PartChecksums> {
  const address = s3AddressOf({ ...object, versionId });
  const body = await source.open(address, range, { sizeBytes, etag, crc64: null }, signal);
  const sums = createPartChecksums();
  for await (const chunk of body as AsyncIterable<Buffer>) sums.update(chunk);
  const digest = sums.digest();
  if (digest.bytes !== lengthOfRange(range)) throw endedEarly(digest.bytes, lengthOfRange(range));
  return digest;
}
