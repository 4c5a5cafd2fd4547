// Account load: what an account is doing, from the snapshot's shards and what this environment did since.
import type { AccountView, SlotShard } from "./snapshot.ts";

export interface AccountLoad {
  /** Requests that hold a slot. */
  readonly open: number;
  readonly concurrency: number;
  /** Of the last five minutes. */
  readonly answers: number;
  readonly errors: number;
  /** 0 to 1: errors by answers, or by 25 where there were fewer answers. */
  readonly errorRate: number;
  /** Undefined: no answer in the last five minutes. */
  readonly meanFirstByteMilliseconds: number | undefined;
  readonly spentTodayNanoUsd: number;
  /** Milliseconds since 1970; 0: never. */
  readonly lastAssignedAt: number;
}

/** The last five minutes: this one and four before it. */
export const figureMinutes = 5;

/** Fewer answers than this do not make a rate: one error of three is no reason to leave an account. */
const fewestAnswersOfRate = 25;

const minuteMilliseconds = 60_000;
const dayMilliseconds = 24 * 60 * minuteMilliseconds;

export function minuteOf(now: number): number {
  return Math.floor(now / minuteMilliseconds);
}

/** `20261120`, UTC. */
export function dayOf(now: number): string {
  return new Date(now).toISOString().slice(0, 10).replaceAll("-", "");
}

/** The first moment of the next UTC day. */
export function nextDayAt(now: number): number {
  return (Math.floor(now / dayMilliseconds) + 1) * dayMilliseconds;
}

export function loadOf({ account, shards, own }: AccountView, now: number): AccountLoad {
  const { minute: _, taken, lastAssignedAt, ...shown } = sumsOf(shards, now);
  return {
    ...shown,
    open: Math.max(0, taken + own.open),
    concurrency: account.concurrency,
    lastAssignedAt: Math.max(lastAssignedAt, own.lastAssignedAt),
  };
}

interface Sums extends Omit<AccountLoad, "open" | "concurrency"> {
  readonly minute: number;
  readonly taken: number;
}

/** Of a snapshot's shards, which do not change: added up once for all requests of a minute that choose from it. */
const kept = new WeakMap<readonly SlotShard[], Sums>();

function sumsOf(shards: readonly SlotShard[], now: number): Sums {
  const known = kept.get(shards);
  const minute = minuteOf(now);
  if (known?.minute === minute) return known;
  const oldest = minute - figureMinutes + 1;
  const today = dayOf(now);
  let taken = 0;
  let answers = 0;
  let errors = 0;
  let firstByteMilliseconds = 0;
  let spentTodayNanoUsd = 0;
  let lastAssignedAt = 0;
  for (const shard of shards) {
    taken += shard.taken;
    lastAssignedAt = Math.max(lastAssignedAt, shard.lastAssignedAt);
    spentTodayNanoUsd += shard.spentByDay[today] ?? 0;
    for (const figures of shard.figures) {
      if (figures.minute < oldest) continue;
      answers += figures.answers;
      errors += figures.errors;
      firstByteMilliseconds += figures.firstByteMilliseconds;
    }
  }
  const good = answers - errors;
  const sums: Sums = {
    minute,
    taken,
    lastAssignedAt,
    answers,
    errors,
    errorRate: errors / Math.max(answers, fewestAnswersOfRate),
    meanFirstByteMilliseconds: good > 0 ? firstByteMilliseconds / good : undefined,
    spentTodayNanoUsd,
  };
  kept.set(shards, sums);
  return sums;
}
