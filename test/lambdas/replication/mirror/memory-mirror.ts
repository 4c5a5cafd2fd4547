// The Mirror table in memory, for interleavings that a real one's waits would hide. The store's own tests hold both to the same.
import {
  type HeldKey,
  type MirrorFailure,
  type MirrorItem,
  type MirrorUpload,
  waitingList,
} from "../../../../lambdas/replication/mirror/mirror-item.ts";
import type { MirrorStore, Settlement, Unfinished, Wish } from "../../../../lambdas/replication/mirror.store.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";

type Store = Pick<
  MirrorStore,
  "read" | "take" | "renew" | "keepUpload" | "noteError" | "settle" | "giveBack" | "waiting" | "readMany"
>;
type Changeable = { -readonly [Name in keyof MirrorItem]: MirrorItem[Name] };

export class MemoryMirror implements Store {
  readonly #items = new Map<string, Changeable>();

  async read(sourceKey: string): Promise<MirrorItem | undefined> {
    return structuredClone(this.#items.get(sourceKey));
  }

  async readMany(sourceKeys: readonly string[]): Promise<Map<string, MirrorItem>> {
    return new Map(sourceKeys.flatMap((key) => this.#items.get(key) ?? []).map((item) => [item.sourceKey, item]));
  }

  async waiting({ before, most }: { before: string; most: number }): Promise<MirrorItem[]> {
    const since = ({ waitingSince }: MirrorItem) => waitingSince ?? "9";
    return [...this.#items.values()]
      .filter((item) => since(item) < before)
      .sort((left, right) => (since(left) < since(right) ? -1 : 1))
      .slice(0, most);
  }

  async take(wish: Wish): Promise<MirrorItem | undefined> {
    const { sourceKey, targetKey, holder, since, now, expiresAt } = wish;
    const item = this.#items.get(sourceKey) ?? { sourceKey, targetKey, wanted: 0, fence: 0 };
    this.#items.set(sourceKey, item);
    item.wanted += 1;
    item.waitingSince ??= since;
    item.listing = waitingList;
    const held = item.lease !== undefined && item.lease.expiresAt >= now && item.lease.holder !== holder;
    if (held) return undefined;
    item.fence += 1;
    item.lease = { holder, expiresAt };
    return structuredClone(item);
  }

  async renew(held: HeldKey, expiresAt: string): Promise<MirrorItem> {
    const item = this.#held(held);
    if (item?.lease === undefined) throw lost(held);
    item.lease = { ...item.lease, expiresAt };
    return structuredClone(item);
  }

  async keepUpload(held: HeldKey, upload: MirrorUpload): Promise<void> {
    const item = this.#held(held);
    if (item === undefined) throw lost(held);
    item.upload = upload;
  }

  async noteError(held: HeldKey, lastError: MirrorFailure): Promise<void> {
    const item = this.#held(held);
    if (item !== undefined) item.lastError = lastError;
  }

  async settle(held: HeldKey, settlement: Settlement): Promise<MirrorItem | undefined> {
    const item = this.#held(held);
    if (this.#items.get(held.sourceKey)?.settledFence === held.fence) return undefined;
    if (item === undefined) throw lost(held);
    if (item.wanted !== settlement.wanted) return structuredClone(item);
    const { mirrored, deletedAt, lastError, isRemoved } = settlement;
    for (const name of ["lease", "waitingSince", "listing", "upload", "run", "deletedAt", "lastError"] as const) {
      delete item[name];
    }
    if (isRemoved) delete item.mirrored;
    const kept = { mirrored, deletedAt, lastError, settledFence: held.fence };
    Object.assign(item, Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined)));
    return undefined;
  }

  async giveBack(held: HeldKey, { isRemoved, ...left }: Unfinished): Promise<void> {
    const item = this.#held(held);
    if (item === undefined) return;
    delete item.lease;
    if (isRemoved) delete item.mirrored;
    Object.assign(item, Object.fromEntries(Object.entries(left).filter(([, value]) => value !== undefined)));
  }

  #held({ sourceKey, fence }: HeldKey): Changeable | undefined {
    const item = this.#items.get(sourceKey);
    return item?.fence === fence && item.lease !== undefined ? item : undefined;
  }
}

function lost({ sourceKey }: HeldKey): CausewayError {
  return new CausewayError("MirrorLeaseLost", `Somebody else holds the lease of ${sourceKey} now.`);
}
