// Abandon mirror: after a failed execution nothing half-done stays in OSS, the reason is kept, and the key goes on waiting.
import type { StateMachineFailure } from "../abandon-copy.ts";
import type { MirrorStore } from "../mirror.store.ts";
import { readableCause } from "../readable-cause.ts";
import type { MultipartTarget } from "../targets/target.ts";
import type { MirrorFailure, MirrorItem } from "./mirror-item.ts";
import type { MirrorEvents } from "./mirror-key.ts";

export interface AbandonMirrorPorts {
  readonly target: Pick<MultipartTarget, "abort" | "unfinishedUploads">;
  readonly mirror: Pick<MirrorStore, "read" | "giveBack">;
  readonly events: Pick<MirrorEvents, "failed">;
  now(): number;
}

export interface AbandonedMirror {
  readonly error: string;
  readonly cause: string;
  /** It came so far that there was an upload. */
  readonly isPlanned: boolean;
}

/** What the map above a failed batch says instead of the batch's own reason. */
const mapErrors = new Set(["States.ExceedToleratedFailureThreshold", "States.ItemReaderFailed", "States.TaskFailed"]);

export async function abandonMirror(
  input: { sourceKey: string; executionArn: string; failure: StateMachineFailure },
  ports: AbandonMirrorPorts,
): Promise<AbandonedMirror> {
  const { sourceKey, executionArn } = input;
  const item = await ports.mirror.read(sourceKey);
  const failure = failureOf(input, item, ports.now());
  // Without the lease, key and upload belong to whoever holds it now.
  if (item?.lease?.holder === executionArn) {
    if (item.upload !== undefined) await ports.target.abort(item.upload);
    // A plan that died between beginning the upload and keeping it left one that no item names.
    for (const upload of await ports.target.unfinishedUploads(item.targetKey)) await ports.target.abort(upload);
    await ports.mirror.giveBack(item, { lastError: failure });
  }
  const { error, cause } = failure;
  if (item !== undefined) {
    const versionId = item.upload?.versionId ?? null;
    await ports.events.failed({ sourceKey, versionId, targetKey: item.targetKey, error, cause });
  }
  return { error, cause, isPlanned: item?.upload !== undefined };
}

function failureOf(
  { executionArn, failure }: { executionArn: string; failure: StateMachineFailure },
  item: MirrorItem | undefined,
  now: number,
): MirrorFailure {
  const error = failure.Error ?? "States.Unknown";
  const noted = item?.lastError;
  // A map tells only that a child failed; the child kept its own reason. Without the lease, a call before this one did.
  if (noted?.holder === executionArn && (mapErrors.has(error) || item?.lease === undefined)) {
    return { ...noted, announced: true };
  }
  const cause = readableCause(failure.Cause ?? "");
  return { error, cause, at: new Date(now).toISOString(), announced: true, holder: executionArn };
}
