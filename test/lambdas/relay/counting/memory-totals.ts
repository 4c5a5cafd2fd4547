// RelayTotals and RelayUsage in memory, with the conditions of the real ones, and workers that can be killed at any call.
import { areSame, type Row } from "../../../../lambdas/relay/counting/figures.ts";
import type { Claim, LaneRecord, StoredRow } from "../../../../lambdas/relay/counting/roll-up.ts";
import type { RollUpUsagePorts } from "../../../../lambdas/relay/counting/roll-up-usage.ts";
import { levels, partitionOf, type Unit, unitOf } from "../../../../lambdas/relay/counting/units.ts";
import { partitionOf as recordPartitionOf } from "../../../../lambdas/relay/counting/usage-partition.ts";
import type { UsageRecord } from "../../../../lambdas/relay/counting/usage-record.ts";

interface Mark {
  marks: number;
  claimedBy: string;
  claimedUntil: number;
}

export interface Worker {
  /** Called before and after each call's work; throws where the worker is to die. */
  readonly step: (call: string) => Promise<void>;
}

const unhurried: Worker = { step: async () => undefined };

export class MemoryTotals {
  now: number;
  readonly records = new Map<string, LaneRecord>();
  readonly rows = new Map<string, Map<string, StoredRow>>();
  readonly recordsUntil = new Map<string, number>();
  readonly marks = new Map<string, Mark>();
  readonly notes = new Map<string, string>();
  readonly counts: Record<string, number> = {};
  readonly failures: unknown[] = [];
  rollUpSeconds = 0;
  #claims = 0;

  constructor(now: number) {
    this.now = now;
  }

  put(record: UsageRecord, expiresAt = this.now / 1000 + 90 * 86_400): void {
    this.records.set(record.requestId, { ...record, expiresAt });
  }

  /** What the stream would tell of these records. */
  batch(records: readonly Pick<UsageRecord, "requestId">[], eventName = "INSERT") {
    return {
      Records: records.map(({ requestId }) => ({
        eventName,
        dynamodb: { Keys: { partition: { S: recordPartitionOf(requestId) } } },
      })),
    };
  }

  /** Rows with figures, by their items. */
  rowsOf(unit: Unit): Map<string, Row["figures"]> {
    const rows = [...(this.rows.get(partitionOf(unit))?.values() ?? [])];
    return new Map(rows.filter(({ figures }) => figures.requests > 0).map(({ item, figures }) => [item, figures]));
  }

  ports(worker: Worker = unhurried): RollUpUsagePorts {
    const doing = async <Result>(call: string, work: () => Result): Promise<Result> => {
      await worker.step(`${call} before`);
      const result = work();
      await worker.step(`${call} after`);
      return result;
    };
    return {
      now: () => this.now,
      hasTime: () => true,
      settings: async () => ({ rollUpSeconds: this.rollUpSeconds }),
      count: (counts) => {
        for (const [name, count] of Object.entries(counts)) this.counts[name] = (this.counts[name] ?? 0) + count;
      },
      failed: (error) => void this.failures.push(error),
      told: () => undefined,
      hasRecords: async (lane) =>
        [...this.records.keys()].some((requestId) => recordPartitionOf(requestId) === `r#${lane.name}`),
      note: (name) => doing("note", () => this.notes.get(name)),
      putNote: (name, note) => doing("putNote", () => void this.notes.set(name, note)),
      mark: (unit) => doing("mark", () => this.#mark(unit)),
      marked: (most) => doing("marked", () => this.#marked(most)),
      claim: (unit, now, until) => doing("claim", () => this.#claim(unit, now, until)),
      finish: (claim) => doing("finish", () => this.#finish(claim)),
      rows: (unit) => doing("rows", () => this.#stored(unit)),
      writeRow: (unit, row) => doing("writeRow", () => this.#writeRow(unit, row)),
      writeRecordsUntil: (lane, until) =>
        doing("writeRecordsUntil", () => void this.recordsUntil.set(partitionOf(lane), until)),
      records: (lane) => this.#pages(lane, worker),
    };
  }

  #mark(unit: Unit): void {
    const before = this.marks.get(partitionOf(unit));
    this.marks.set(partitionOf(unit), { claimedBy: "", claimedUntil: 0, ...before, marks: (before?.marks ?? 0) + 1 });
  }

  #marked(most: number): Unit[] {
    return [...this.marks]
      .filter(([, { claimedUntil }]) => claimedUntil < this.now)
      .flatMap(([partition]) => unitOf(partition) ?? [])
      .sort((one, other) => levels.indexOf(one.level) - levels.indexOf(other.level))
      .slice(0, most);
  }

  #claim(unit: Unit, now: number, until: number): Claim | undefined {
    const mark = this.marks.get(partitionOf(unit));
    if (mark === undefined || mark.claimedUntil >= now) return undefined;
    this.#claims += 1;
    mark.claimedBy = String(this.#claims);
    mark.claimedUntil = until;
    return { unit, marks: mark.marks, token: mark.claimedBy } as Claim;
  }

  #finish(claim: Claim): void {
    const { unit, marks, token } = claim as Claim & { token: string };
    const mark = this.marks.get(partitionOf(unit));
    if (mark?.claimedBy !== token) return;
    if (mark.marks === marks) this.marks.delete(partitionOf(unit));
    else Object.assign(mark, { claimedBy: "", claimedUntil: 0 });
  }

  #stored(unit: Unit) {
    const rows = [...(this.rows.get(partitionOf(unit))?.values() ?? [])];
    return { rows, recordsUntil: this.recordsUntil.get(partitionOf(unit)) };
  }

  #writeRow(unit: Unit, row: StoredRow): boolean {
    const rows = this.rows.get(partitionOf(unit)) ?? new Map<string, StoredRow>();
    this.rows.set(partitionOf(unit), rows);
    const before = rows.get(row.item);
    if (before !== undefined && before.generation >= row.generation) {
      return before.generation === row.generation && areSame(before.figures, row.figures);
    }
    rows.set(row.item, row);
    return true;
  }

  async *#pages(lane: Unit, worker: Worker): AsyncGenerator<LaneRecord[]> {
    const ofLane = () =>
      [...this.records.values()]
        .filter(({ requestId }) => recordPartitionOf(requestId) === `r#${lane.name}`)
        .sort((one, other) => (one.requestId < other.requestId ? -1 : 1));
    // Small pages, so that records may come between two of them.
    let after = "";
    for (;;) {
      await worker.step("records");
      const page = ofLane()
        .filter(({ requestId }) => requestId > after)
        .slice(0, 3);
      if (page.length === 0) return;
      yield page;
      after = page.at(-1)?.requestId ?? after;
    }
  }
}
