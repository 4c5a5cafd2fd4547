// Compare object: asks both sides about one key of which the lists alone do not say that all is well, and puts it right.
import { CausewayError, isErrorNamed } from "../../shared/errors.ts";
import type { PartChecksums } from "../checksums/part-checksums.ts";
import { type CurrentObject, isMirrored, type MirroredVersion } from "../mirror/mirror-item.ts";
import type { KeyWish, MirrorOutcome } from "../mirror/mirror-key.ts";
import { readCopyProof } from "../mirror/record-mirror-receipt.ts";
import type { MirrorStore } from "../mirror.store.ts";
import type { ByteRange } from "../plan-parts.ts";
import type { TargetObject, WholeObjectTarget } from "../targets/target.ts";
import { type AdoptPorts, adoptKey, type EqualPair } from "./adopt-key.ts";
import type { ComparisonOutcome } from "./counts.ts";
import type { JoinedKey } from "./join-lists.ts";
import { type ByteSum, emptySum, type SumPorts, sumObject } from "./sum-object.ts";

export interface CompareObjectPorts extends AdoptPorts {
  readonly mirror: Pick<MirrorStore, "read" | "take" | "settle" | "giveBack">;
  readonly target: Pick<WholeObjectTarget, "describe" | "abort">;
  /** Checksums of a range of this version; throws `SourceChanged` when it is gone. */
  sumS3(sourceKey: string, current: CurrentObject, range: ByteRange, signal: AbortSignal): Promise<PartChecksums>;
  /** Checksums of a range of the object with this ETag; throws `SourceChanged` when it is another one by now. */
  sumOss(object: TargetObject, range: ByteRange, signal: AbortSignal): Promise<PartChecksums>;
  readonly summing: Readonly<Record<"s3" | "oss", Pick<SumPorts, "segmentBytes" | "segmentsAtOnce">>>;
  /** Mirror key, under the lease. */
  bring(wish: KeyWish): Promise<MirrorOutcome>;
  /** Whether there is time for more than what is under way. */
  mayGoOn(): boolean;
  readonly signal: AbortSignal;
  random(): number;
}

/** What was read of a large pair when the time was up, for the next round. */
export interface Reading {
  readonly sourceKey: string;
  readonly versionId: string | null;
  readonly s3Etag: string;
  readonly ossEtag: string;
  readonly s3: ByteSum;
  readonly oss: ByteSum;
}

export type Compared =
  | { readonly outcome: ComparisonOutcome; readonly bytesRead: number }
  | { readonly outcome: "unfinished"; readonly reading: Reading; readonly bytesRead: number };

export interface CompareOptions {
  readonly targetKey: string;
  readonly readData: boolean;
  readonly reading: Reading | null;
}

/** Throws what either side throws, `ProofFailed` when S3 itself no longer has the bytes that it had. */
export async function compareObject(
  listed: JoinedKey,
  options: CompareOptions,
  ports: CompareObjectPorts,
): Promise<Compared> {
  const { sourceKey } = listed;
  const { targetKey } = options;
  const item = await ports.mirror.read(sourceKey);
  const without = (outcome: ComparisonOutcome): Compared => ({ outcome, bytesRead: 0 });
  if (item?.lease !== undefined && Date.parse(item.lease.expiresAt) > ports.now()) return without("left-to-holder");
  const [s3, oss] = await Promise.all([ports.current(sourceKey), ports.target.describe(targetKey)]);
  if (s3 === null) {
    if (oss === null || listed.s3 !== null) return without("changed-meanwhile");
    return without(item?.mirrored === undefined ? "only-in-oss" : "kept-only-in-oss");
  }
  // What the table says of this very version; of an older one it says nothing.
  const claim = isMirrored(item?.mirrored, s3) ? item?.mirrored : undefined;
  if (oss === null || oss.sizeBytes !== s3.sizeBytes) return without(await bring(sourceKey, claim, ports));
  if (claim?.ossEtag === oss.etag && !options.readData) return without("equal");

  const facts = await checksumsOf({ sourceKey, s3, oss, claim }, options, ports);
  if (facts === "changed") return without("changed-meanwhile");
  if (facts.unfinished !== undefined) {
    return { outcome: "unfinished", reading: facts.unfinished, bytesRead: facts.bytesRead };
  }
  const { bytesRead } = facts;
  if (facts.s3 !== facts.oss) return { outcome: await bring(sourceKey, claim, ports), bytesRead };
  if (claim?.ossEtag === oss.etag) return { outcome: "equal", bytesRead };
  return { outcome: await adopt({ sourceKey, targetKey }, { s3, oss, crc64: facts.s3 }, ports), bytesRead };
}

async function bring(
  sourceKey: string,
  claim: MirroredVersion | undefined,
  ports: CompareObjectPorts,
): Promise<ComparisonOutcome> {
  // The queue tries again what fails here: this is never the last attempt.
  const { outcome } = await ports.bring({ sourceKey, again: true, isLastAttempt: false });
  switch (outcome) {
    case "mirrored":
      return claim === undefined ? "mirrored" : "restored";
    case "already-mirrored":
      return "equal";
    case "kept-deleted":
      return "changed-meanwhile";
    case "workflow-started":
      return "started";
    case "not-mapped":
    case "refused":
      return "refused";
    case "left-to-holder":
      return "left-to-holder";
  }
}

async function adopt(
  keys: { readonly sourceKey: string; readonly targetKey: string },
  pair: EqualPair,
  ports: CompareObjectPorts,
): Promise<ComparisonOutcome> {
  const outcome = await adoptKey(keys, pair, ports);
  return outcome === "changed" ? "changed-meanwhile" : outcome;
}

interface Pair {
  readonly sourceKey: string;
  readonly s3: CurrentObject;
  readonly oss: TargetObject;
  readonly claim: MirroredVersion | undefined;
}

type Checksums =
  | { readonly s3: string; readonly oss: string; readonly bytesRead: number; readonly unfinished?: never }
  | { readonly unfinished: Reading; readonly bytesRead: number };

async function checksumsOf(pair: Pair, options: CompareOptions, ports: CompareObjectPorts) {
  try {
    return await readChecksums(pair, options, ports);
  } catch (error) {
    if (isErrorNamed(error, "SourceChanged")) return "changed";
    throw error;
  }
}

/** CRC-64/XZ of either side: as it is known, or else read. */
async function readChecksums(pair: Pair, options: CompareOptions, ports: CompareObjectPorts): Promise<Checksums> {
  const { sourceKey, s3, oss, claim } = pair;
  const known = claim?.crc64 ?? (await readCopyProof(sourceKey, s3, ports))?.crc64 ?? null;
  const before = continues(options.reading, pair) ?? freshReading(pair);
  const { mayGoOn, signal, random, summing } = ports;
  let reading = before;
  if (known === null || options.readData) {
    const readRange = (range: ByteRange) => ports.sumS3(sourceKey, s3, range, signal);
    const sum = await sumObject(s3.sizeBytes, reading.s3, { readRange, ...summing.s3, mayGoOn, signal, random });
    reading = { ...reading, s3: sum };
  }
  const isS3Read = known === null || options.readData;
  if ((oss.checksum === null || options.readData) && (!isS3Read || reading.s3.bytes === s3.sizeBytes)) {
    const readRange = (range: ByteRange) => ports.sumOss(oss, range, signal);
    const sum = await sumObject(oss.sizeBytes, reading.oss, { readRange, ...summing.oss, mayGoOn, signal, random });
    reading = { ...reading, oss: sum };
  }
  const isOssRead = oss.checksum === null || options.readData;
  const bytesRead = reading.s3.bytes - before.s3.bytes + reading.oss.bytes - before.oss.bytes;
  const isShort = (isS3Read && reading.s3.bytes < s3.sizeBytes) || (isOssRead && reading.oss.bytes < oss.sizeBytes);
  if (isShort) return { unfinished: reading, bytesRead };
  if (isS3Read) checkS3(pair, known, reading.s3);
  return {
    s3: isS3Read ? reading.s3.crc64 : (known ?? ""),
    oss: isOssRead ? reading.oss.crc64 : (oss.checksum ?? ""),
    bytesRead,
  };
}

/** Before S3's bytes replace anything: are they still the ones that were mirrored, and the ones that S3 states? */
function checkS3({ sourceKey, s3 }: Pair, known: string | null, read: ByteSum): void {
  if (known !== null && known !== read.crc64) {
    throw new CausewayError(
      "ProofFailed",
      `${sourceKey} was read from S3 with CRC-64 ${read.crc64}, and had ${known} before: S3's object is damaged, OSS is left as it is.`,
    );
  }
  if (s3.crc64Nvme !== null && s3.crc64Nvme !== read.crc64Nvme) {
    throw new CausewayError(
      "ProofFailed",
      `${sourceKey} was read from S3 with checksum ${read.crc64Nvme}, S3 states ${s3.crc64Nvme}: its object is damaged, OSS is left as it is.`,
    );
  }
}

function freshReading({ sourceKey, s3, oss }: Pair): Reading {
  return { sourceKey, versionId: s3.versionId, s3Etag: s3.etag, ossEtag: oss.etag, s3: emptySum, oss: emptySum };
}

/** What an earlier round read, as long as both objects are the same. */
function continues(reading: Reading | null, { sourceKey, s3, oss }: Pair): Reading | undefined {
  if (reading === null || reading.sourceKey !== sourceKey) return undefined;
  const isSame = reading.versionId === s3.versionId && reading.s3Etag === s3.etag && reading.ossEtag === oss.etag;
  return isSame ? reading : undefined;
}
