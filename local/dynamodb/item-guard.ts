// Simulates what a store on one machine never shows: items held by a transaction in flight, and items written too fast.
import type { Clock } from "../rig/clock.ts";
import type { TouchedItem } from "./touched-items.ts";

/** What of DynamoDB's limits on one item is simulated. Absent: not at all. */
export interface ItemSimulation {
  /**
   * A TransactWriteItems holds its items for so long before it is done, in real milliseconds: meanwhile ordinary writes of
   * them and other transactions with them are refused. At most 10,000.
   */
  readonly transactionHoldMilliseconds?: number;
  /** An item that is written faster, in write units of 1 KiB per second of cloud time, is throttled. DynamoDB's is 1,000. */
  readonly itemWriteUnitsPerSecond?: number;
}

export interface Refused {
  readonly refusal: "TransactionConflict" | "ThrottlingError";
  /** Indexes of the items that are refused. */
  readonly at: ReadonlySet<number>;
}

interface Bucket {
  units: number;
  filledAt: number;
}

const longestHoldMilliseconds = 10_000;
/** Buckets of items that have not been written for a second are full: they are dropped when so many are known. */
const mostBuckets = 10_000;

export class ItemGuard {
  readonly #clock: Clock;
  /** By table and key. */
  readonly #inTransaction = new Map<string, number>();
  readonly #inWrite = new Map<string, number>();
  readonly #buckets = new Map<string, Bucket>();
  /** Ends the time in flight of each transaction that holds its items. */
  readonly #holding = new Set<() => void>();
  #simulation: ItemSimulation = {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** In effect from the next call on; transactions in flight end their time. Throws RangeError. */
  simulate(simulation: ItemSimulation): void {
    const { transactionHoldMilliseconds: hold, itemWriteUnitsPerSecond: units } = simulation;
    if (hold !== undefined && !(hold >= 0 && hold <= longestHoldMilliseconds)) {
      throw new RangeError(`transactionHoldMilliseconds must be from 0 to ${longestHoldMilliseconds}`);
    }
    if (units !== undefined && !(units > 0)) throw new RangeError("itemWriteUnitsPerSecond must be above 0");
    this.#simulation = simulation;
    this.#buckets.clear();
    for (const end of this.#holding) end();
  }

  /** Whether the writes' capacity must be known. */
  get countsUnits(): boolean {
    return this.#simulation.itemWriteUnitsPerSecond !== undefined;
  }

  /** Why the call cannot be taken now. */
  refusal(operation: string, items: readonly TouchedItem[]): Refused | undefined {
    const isTransaction = operation.startsWith("Transact");
    const conflicting = this.#placesWhere(items, (item, name) => {
      if (item.access === "write") return this.#inTransaction.has(name);
      // A transaction that reads also meets ordinary writes; an ordinary read meets nobody.
      return isTransaction && (this.#inTransaction.has(name) || this.#inWrite.has(name));
    });
    if (conflicting.size > 0) return { refusal: "TransactionConflict", at: conflicting };
    const throttled = this.#placesWhere(items, (item, name) => item.access === "write" && this.#unitsLeft(name) <= 0);
    return throttled.size > 0 ? { refusal: "ThrottlingError", at: throttled } : undefined;
  }

  /** Takes hold of the items; resolves, for a transaction after its time in flight, to the function that lets go. */
  async enter(operation: string, items: readonly TouchedItem[]): Promise<() => void> {
    const { transactionHoldMilliseconds: hold } = this.#simulation;
    const names = items.filter(({ access }) => access === "write").map(nameOf);
    if (hold === undefined || names.length === 0) return () => undefined;
    const isTransaction = operation === "TransactWriteItems";
    const held = isTransaction ? this.#inTransaction : this.#inWrite;
    for (const name of names) held.set(name, (held.get(name) ?? 0) + 1);
    if (isTransaction) await this.#inFlight(hold);
    return () => {
      for (const name of names) {
        const left = (held.get(name) ?? 1) - 1;
        if (left === 0) held.delete(name);
        else held.set(name, left);
      }
    };
  }

  /** `units` is what the call cost in all; it is shared out among the items that it wrote. */
  charge(items: readonly TouchedItem[], units: number): void {
    const written = items.filter(({ access }) => access === "write");
    for (const item of written) {
      const name = nameOf(item);
      const left = this.#unitsLeft(name) - Math.max(1, units / written.length);
      this.#buckets.delete(name);
      this.#buckets.set(name, { units: left, filledAt: this.#clock.now() });
    }
    if (this.#buckets.size > mostBuckets) this.#dropFullBuckets();
  }

  #inFlight(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#holding.delete(end);
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      this.#holding.add(end);
    });
  }

  #placesWhere(items: readonly TouchedItem[], test: (item: TouchedItem, name: string) => boolean): Set<number> {
    const places = new Set<number>();
    for (const [index, item] of items.entries()) if (test(item, nameOf(item))) places.add(index);
    return places;
  }

  /** May be below 0: the call that empties a bucket is still done. */
  #unitsLeft(name: string): number {
    const rate = this.#simulation.itemWriteUnitsPerSecond ?? Number.POSITIVE_INFINITY;
    const bucket = this.#buckets.get(name);
    if (!bucket) return rate;
    return Math.min(rate, bucket.units + ((this.#clock.now() - bucket.filledAt) / 1000) * rate);
  }

  #dropFullBuckets(): void {
    const rate = this.#simulation.itemWriteUnitsPerSecond ?? 0;
    for (const name of this.#buckets.keys()) if (this.#unitsLeft(name) >= rate) this.#buckets.delete(name);
  }
}

function nameOf({ tableName, key }: TouchedItem): string {
  return `${tableName} ${key}`;
}
