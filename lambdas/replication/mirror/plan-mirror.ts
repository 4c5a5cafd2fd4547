// Plan mirror: an execution takes the key's lease, pins the current version, and begins its upload in parts, or goes on with it.
import { CausewayError, isErrorNamed } from "../../shared/errors.ts";
import type { MirrorStore } from "../mirror.store.ts";
import { planBatches, planParts } from "../plan-parts.ts";
import { anyEtag, type MultipartTarget, type WholeObjectTarget } from "../targets/target.ts";
import { type Mapping, targetKeyOf } from "./mappings.ts";
import { type CurrentObject, isMirrored, type MirrorItem, type MirrorUpload } from "./mirror-item.ts";

export interface PlanMirrorPorts {
  readonly target: Pick<
    WholeObjectTarget,
    "limits" | "checkKey" | "begin" | "abort" | "unfinishedUploads" | "listParts"
  >;
  readonly mirror: Pick<MirrorStore, "take" | "keepUpload">;
  current(sourceKey: string): Promise<CurrentObject | null>;
  putLines(key: string, lines: readonly object[]): Promise<void>;
  newUploadMark(): string;
  now(): number;
}

export interface PlanMirrorSettings {
  readonly mappings: readonly Mapping[];
  readonly largeObjectBytes: number;
  readonly concurrentBatches: number;
}

export interface PlannedMirror {
  readonly sourceKey: string;
  readonly targetKey: string;
  readonly fence: number;
  /** `settle`: nothing large is to be mirrored any more; what is there is looked at once more, and the lease let go. */
  readonly outcome: "copy" | "settle";
  readonly batchesKey?: string;
  readonly resultPrefix?: string;
  readonly concurrentBatches?: number;
  readonly sizeBytes?: number;
  readonly partCount?: number;
}

/** Longer than two Lambdas of the workflow can live one after the other: each renews it at its start. */
const workflowLeaseMilliseconds = 40 * 60_000;

export function workflowLeaseUntil(nowMilliseconds: number): string {
  return new Date(nowMilliseconds + workflowLeaseMilliseconds).toISOString();
}

/**
 * Throws `MirrorLeaseHeld` while somebody else holds the lease (they will see that this one wanted it), `InputInvalid`
 * for a key that is not mirrored or that OSS does not take, `BackupTooLarge`, and what the target throws.
 */
export async function planMirror(
  input: { sourceKey: string; runId: string; executionArn: string; again: boolean },
  settings: PlanMirrorSettings,
  ports: PlanMirrorPorts,
): Promise<PlannedMirror> {
  const { sourceKey } = input;
  const targetKey = targetKeyOf(sourceKey, settings.mappings);
  if (targetKey === undefined) throw new CausewayError("InputInvalid", `${sourceKey} lies below no mapping.`);
  const now = new Date(ports.now()).toISOString();
  const held = await ports.mirror.take({
    sourceKey,
    targetKey,
    holder: input.executionArn,
    since: now,
    now,
    expiresAt: workflowLeaseUntil(ports.now()),
  });
  if (held === undefined) throw new CausewayError("MirrorLeaseHeld", `Somebody else mirrors ${sourceKey} now.`);
  ports.target.checkKey(targetKey);
  const { fence } = held;
  const current = await ports.current(sourceKey);
  const isWanted = current !== null && (input.again || !isMirrored(held.mirrored, current));
  if (!isWanted || current.sizeBytes < settings.largeObjectBytes) {
    if (held.upload !== undefined) await ports.target.abort(held.upload);
    return { sourceKey, targetKey, fence, outcome: "settle" };
  }
  const upload = (await resume(held, current, ports.target)) ?? (await begin(held, current, ports));
  const { sizeBytes, partCount } = upload;
  const prefix = `runs/${input.runId}`;
  await ports.putLines(`${prefix}/batches.jsonl`, planBatches(partCount, settings.concurrentBatches));
  return {
    sourceKey,
    targetKey,
    fence,
    outcome: "copy",
    batchesKey: `${prefix}/batches.jsonl`,
    resultPrefix: `${prefix}/results`,
    concurrentBatches: settings.concurrentBatches,
    sizeBytes,
    partCount,
  };
}

/** The upload of an earlier attempt, where it is one of the same version and OSS still knows it. */
async function resume(
  held: MirrorItem,
  current: CurrentObject,
  target: Pick<MultipartTarget, "listParts">,
): Promise<MirrorUpload | undefined> {
  const { upload } = held;
  if (upload === undefined || upload.key !== held.targetKey || upload.versionId !== current.versionId) return undefined;
  if (upload.sourceFacts.etag !== current.etag) return undefined;
  try {
    await target.listParts(upload, 1, 1);
    return upload;
  } catch (error) {
    if (isErrorNamed(error, "UploadLost")) return undefined;
    throw error;
  }
}

async function begin(held: MirrorItem, current: CurrentObject, ports: PlanMirrorPorts): Promise<MirrorUpload> {
  const { target, mirror } = ports;
  const { targetKey: key } = held;
  const { sizeBytes, etag, versionId, crc64Nvme } = current;
  const parts = planParts(sizeBytes, target.limits);
  if (held.upload !== undefined) await target.abort(held.upload);
  const uploadMark = ports.newUploadMark();
  const ref = await target.begin(key, versionId ?? etag, uploadMark);
  // Whoever holds the lease owns the key. After beginning: a lost answer may have begun an upload that nobody knows.
  for (const other of await target.unfinishedUploads(key)) {
    if (other.uploadId !== ref.uploadId) await target.abort(other);
  }
  const upload: MirrorUpload = {
    ...parts,
    // S3 is as fast as the line: one connection a part.
    rangesPerPart: 1,
    key,
    uploadId: ref.uploadId,
    uploadMark,
    sourceFacts: { sizeBytes, etag, crc64: null },
    replacesEtag: anyEtag,
    plannedAt: new Date(ports.now()).toISOString(),
    versionId,
    crc64Nvme,
  };
  try {
    await mirror.keepUpload(held, upload);
  } catch (error) {
    // An unclear answer may hide a kept upload; the retry would find it gone and begin once more.
    await target.abort(ref);
    throw error;
  }
  return upload;
}
