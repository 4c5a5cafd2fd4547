// Mirror delete: what S3 has lost, OSS loses too; only while S3 still has nothing there, and under the same lease as all writes.
import { CausewayError } from "../../shared/errors.ts";
import type { MirrorStore } from "../mirror.store.ts";
import type { ObjectRemover } from "../targets/target.ts";
import { type Mapping, targetKeyOf } from "./mappings.ts";
import { type CurrentObject, isMirrored, type MirrorItem, mirrorFailureOf } from "./mirror-item.ts";
import { leaseMarginMilliseconds } from "./mirror-key.ts";

export interface MirrorDeletePorts {
  readonly mappings: readonly Mapping[];
  readonly mirror: Pick<MirrorStore, "take" | "settle" | "giveBack">;
  readonly remover: ObjectRemover;
  current(sourceKey: string): Promise<CurrentObject | null>;
  /** Into the mirror's own queue: there is something to be mirrored. */
  enqueue(sourceKey: string): Promise<void>;
  newHolder(): string;
  /** Until when this invocation can at most write, in milliseconds since 1970. */
  lastWriteAt(): number;
  now(): number;
}

export type DeleteOutcome = "deleted" | "there-again" | "not-mapped";

const mostRounds = 4;

/**
 * Throws `MirrorLeaseHeld` while somebody else works on the key: unlike a version, a deletion is not theirs to see to.
 * Else what the target throws.
 */
export async function mirrorDelete(sourceKey: string, ports: MirrorDeletePorts): Promise<DeleteOutcome> {
  const targetKey = targetKeyOf(sourceKey, ports.mappings);
  if (targetKey === undefined) return "not-mapped";
  const now = new Date(ports.now()).toISOString();
  const held = await ports.mirror.take({
    sourceKey,
    targetKey,
    holder: ports.newHolder(),
    since: now,
    now,
    expiresAt: new Date(ports.lastWriteAt() + leaseMarginMilliseconds).toISOString(),
  });
  if (held === undefined) throw new CausewayError("MirrorLeaseHeld", `Somebody else works on ${sourceKey} now.`);
  try {
    return await removeUnderLease(held, ports);
  } catch (error) {
    const lastError = error instanceof Error ? mirrorFailureOf(error, ports.now(), false) : undefined;
    await ports.mirror.giveBack(held, { lastError }).catch(() => undefined);
    throw error;
  }
}

async function removeUnderLease(held: MirrorItem, ports: MirrorDeletePorts): Promise<DeleteOutcome> {
  const { sourceKey, targetKey } = held;
  let item = held;
  for (let round = 0; round < mostRounds; round += 1) {
    const current = await ports.current(sourceKey);
    if (current !== null && !isMirrored(item.mirrored, current)) break;
    if (current === null) await ports.remover.delete(targetKey);
    const newer = await ports.mirror.settle(
      held,
      current === null
        ? { wanted: item.wanted, deletedAt: new Date(ports.now()).toISOString(), isRemoved: true }
        : { wanted: item.wanted, mirrored: item.mirrored },
    );
    if (newer === undefined) return current === null ? "deleted" : "there-again";
    // What was deleted is not there any more, whatever the item says until somebody settles it.
    const { mirrored: _, ...rest } = newer;
    item = current === null ? rest : newer;
  }
  await ports.mirror.giveBack(held, { isRemoved: item.mirrored === undefined });
  await ports.enqueue(sourceKey);
  return "there-again";
}
