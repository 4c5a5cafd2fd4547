// Find orphan: at which account a request runs whose end nobody saw, and its cost in that account's figures.
import type { StoredLease } from "../ledger/key-item.ts";
import type { FindOrphan, Orphan } from "../ledger/ledger-ports.ts";
import { mappedModel } from "../providers/provider.ts";
import type { Slot } from "./slot.ts";
import type { SlotStore, StaleSums } from "./slot-book.ts";
import type { Snapshot } from "./snapshot.ts";

export interface OrphanSlots extends Pick<SlotStore, "release"> {
  /** The slot that the request holds or held when its time was over; undefined: it was given back, or another took its place. */
  find(requestId: string): Promise<Slot | undefined>;
}

export interface OrphanPorts {
  snapshot(): Promise<Pick<Snapshot, "accounts">>;
  readonly slots: OrphanSlots;
  now(): number;
  onFailure(error: unknown, requestId: string): void;
}

const nothingStale: StaleSums = { minutes: [], days: [] };

/** The slot tells the account after a failover, too; where it is gone, what the lease says of it counts. */
export function orphanFinder(ports: OrphanPorts): FindOrphan {
  return async (lease) => {
    const attempt = <Answer>(work: Promise<Answer>): Promise<Answer | undefined> =>
      work.catch((error: unknown) => {
        ports.onFailure(error, lease.requestId);
        return undefined;
      });
    const slot = await attempt(ports.slots.find(lease.requestId));
    const accountId = slot?.accountId ?? lease.accountId;
    if (accountId === undefined) return { ...nobody, count: async () => undefined };
    const snapshot = await attempt(ports.snapshot());
    return {
      ...servedBy(accountId, snapshot, lease),
      count: async (realNanoUsd) => {
        if (slot === undefined) return;
        const figures = { failed: false, firstByteMilliseconds: undefined, realNanoUsd, isCostAlone: true };
        await attempt(ports.slots.release(slot, lease.requestId, figures, nothingStale, ports.now()));
      },
    };
  };
}

const nobody = { accountId: "", provider: "", modelServed: "" };

/** An account that was deleted since is still named. */
function servedBy(
  accountId: string,
  snapshot: Pick<Snapshot, "accounts"> | undefined,
  { call }: StoredLease,
): Omit<Orphan, "count"> {
  const account = snapshot?.accounts.find((view) => view.account.accountId === accountId)?.account;
  if (account === undefined) return { ...nobody, accountId };
  return { accountId, provider: account.provider, modelServed: mappedModel(account, call.model) };
}
