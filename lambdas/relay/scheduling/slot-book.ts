// Slot book: takes and gives back an account's slots in the store, and tells the fleet, so that own assignments count at once.
import { dayOf, figureMinutes, minuteOf } from "./account-load.ts";
import type { Fleet } from "./fleet.ts";
import { firstShardOf, type Slot, type SlotFigures, shardCapacities } from "./slot.ts";
import type { AccountView } from "./snapshot.ts";

/** The store's side; both are safe to repeat. */
export interface SlotStore {
  /** False: this shard has no free place. */
  take(slot: Slot, capacity: number, requestId: string, until: number, now: number): Promise<boolean>;
  /** `stale`: sums that nobody needs any more. */
  release(
    slot: Slot,
    requestId: string,
    figures: SlotFigures | undefined,
    stale: StaleSums,
    now: number,
  ): Promise<void>;
}

export interface StaleSums {
  readonly minutes: readonly number[];
  readonly days: readonly string[];
}

/** Shards looked at before an account counts as full; each costs a write. */
const mostShardsTried = 4;

/** A release drops so many old sums at the most. */
const mostStale = 20;

export class SlotBook {
  readonly #store: SlotStore;
  readonly #fleet: Fleet;

  constructor(store: SlotStore, fleet: Fleet) {
    this.#store = store;
    this.#fleet = fleet;
  }

  /**
   * One write, more only where a shard is full. `until`: beyond what the invocation may live, for the lease frees itself then.
   * Undefined: the account has no free slot.
   */
  async take(view: AccountView, requestId: string, until: number, now: number): Promise<Slot | undefined> {
    const { accountId, concurrency } = view.account;
    this.#fleet.starts(accountId);
    let taken: Slot | undefined;
    try {
      const capacities = shardCapacities(concurrency);
      for (const shard of shardsToTry(view, capacities, requestId)) {
        const slot = { accountId, shard, shown: view.shards.find((each) => each.shard === shard) };
        if (await this.#store.take(slot, capacities[shard] ?? 0, requestId, until, now)) {
          taken = slot;
          break;
        }
      }
    } finally {
      this.#fleet.started(accountId, taken !== undefined);
    }
    return taken;
  }

  /** One write. Figures undefined: nothing was learned of the account (the client left before the first byte). */
  async release(slot: Slot, requestId: string, figures: SlotFigures | undefined, now: number): Promise<void> {
    await this.#store.release(slot, requestId, figures, staleSums(slot, now), now);
    this.#fleet.released(slot.accountId);
  }
}

/** First by the request's hash, then those that the snapshot shows the emptiest. */
function shardsToTry(view: AccountView, capacities: readonly number[], requestId: string): number[] {
  const first = firstShardOf(requestId, capacities.length);
  const taken = new Map(view.shards.map((shard) => [shard.shard, shard.taken]));
  const free = (shard: number) => (capacities[shard] ?? 0) - (taken.get(shard) ?? 0);
  const others = capacities.map((_, shard) => shard).filter((shard) => shard !== first);
  return [first, ...others.sort((left, right) => free(right) - free(left))].slice(0, mostShardsTried);
}

/** Sums that the snapshot shows and that are too old to count. Yesterday's cost stays a day longer, for whoever looks. */
function staleSums({ shown }: Slot, now: number): StaleSums {
  const oldestMinute = minuteOf(now) - figureMinutes;
  const oldestDay = dayOf(now - 24 * 60 * 60 * 1000);
  return {
    minutes: (shown?.figures ?? [])
      .map(({ minute }) => minute)
      .filter((minute) => minute < oldestMinute)
      .slice(0, mostStale),
    days: Object.keys(shown?.spentByDay ?? {})
      .filter((day) => day < oldestDay)
      .slice(0, mostStale),
  };
}
