// Adopt key: OSS has the very bytes already. Under the key's lease this is looked at once more and written down; nothing is copied.

import {
  type CurrentObject,
  isMirrored,
  type MirroredVersion,
  type MirrorItem,
  mirrorFailureOf,
} from "../mirror/mirror-item.ts";
import { leaseMarginMilliseconds } from "../mirror/mirror-key.ts";
import {
  type MirrorPlaces,
  type MirrorReceiptPorts,
  readCopyProof,
  recordMirrorReceipt,
} from "../mirror/record-mirror-receipt.ts";
import type { MirrorStore } from "../mirror.store.ts";
import type { TargetObject, WholeObjectTarget } from "../targets/target.ts";

export interface AdoptPorts extends MirrorReceiptPorts {
  readonly places: MirrorPlaces;
  readonly mirror: Pick<MirrorStore, "take" | "settle" | "giveBack">;
  readonly target: Pick<WholeObjectTarget, "describe" | "abort">;
  current(sourceKey: string): Promise<CurrentObject | null>;
  newHolder(): string;
  /** Until when this invocation can at most write, in milliseconds since 1970. */
  lastWriteAt(): number;
  now(): number;
}

/** What was shown to be equal: this version in S3, and this object in OSS. */
export interface EqualPair {
  readonly s3: CurrentObject;
  readonly oss: TargetObject;
  /** CRC-64/XZ of both, decimal text. */
  readonly crc64: string;
}

export type AdoptOutcome =
  | "adopted"
  | "left-to-holder"
  /** Either side is no longer what was compared. */
  | "changed";

const mostRounds = 4;

/** Throws `MirrorLeaseLost`, `ProofFailed` and `ReceiptConflict` of the receipt, and what the target throws. */
export async function adoptKey(
  keys: { readonly sourceKey: string; readonly targetKey: string },
  pair: EqualPair,
  ports: AdoptPorts,
): Promise<AdoptOutcome> {
  const now = new Date(ports.now()).toISOString();
  const held = await ports.mirror.take({
    ...keys,
    holder: ports.newHolder(),
    since: now,
    now,
    expiresAt: new Date(ports.lastWriteAt() + leaseMarginMilliseconds).toISOString(),
  });
  if (held === undefined) return "left-to-holder";
  try {
    return await adoptUnderLease(held, pair, ports);
  } catch (error) {
    const lastError = error instanceof Error ? mirrorFailureOf(error, ports.now(), false) : undefined;
    // It ends by itself; what went wrong matters more.
    await ports.mirror.giveBack(held, { lastError }).catch(() => undefined);
    throw error;
  }
}

async function adoptUnderLease(held: MirrorItem, pair: EqualPair, ports: AdoptPorts): Promise<AdoptOutcome> {
  const { sourceKey, targetKey } = held;
  const { s3, oss, crc64 } = pair;
  let { wanted, mirrored: known } = held;
  // An upload that its worker left: what it was to bring is there.
  if (held.upload !== undefined) await ports.target.abort(held.upload);
  for (let round = 0; round < mostRounds; round += 1) {
    const [current, present] = await Promise.all([ports.current(sourceKey), ports.target.describe(targetKey)]);
    if (current?.versionId !== s3.versionId || current.etag !== s3.etag || !isSame(present, oss)) break;
    const mirrored: MirroredVersion = {
      versionId: s3.versionId,
      s3Etag: s3.etag,
      bytes: s3.sizeBytes,
      ossEtag: oss.etag,
      crc64,
      at: new Date(ports.now()).toISOString(),
      receiptKey: isMirrored(known, s3) ? (known?.receiptKey ?? null) : null,
    };
    known = { ...mirrored, receiptKey: mirrored.receiptKey ?? (await recordReceipt(held, s3, mirrored, ports)) };
    const newer = await ports.mirror.settle(held, { wanted, mirrored: known });
    if (newer === undefined) return "adopted";
    wanted = newer.wanted;
  }
  await ports.mirror.giveBack(held, {});
  return "changed";
}

function isSame(present: TargetObject | null, oss: TargetObject): boolean {
  if (present === null || present.etag !== oss.etag || present.sizeBytes !== oss.sizeBytes) return false;
  return present.checksum === oss.checksum;
}

async function recordReceipt(
  item: MirrorItem,
  s3: CurrentObject,
  mirrored: MirroredVersion,
  ports: AdoptPorts,
): Promise<string | null> {
  const copy = await readCopyProof(item.sourceKey, s3, ports);
  return copy === null ? null : recordMirrorReceipt(item, s3, mirrored, copy, ports.places, ports);
}
