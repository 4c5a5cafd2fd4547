// Run shard: a round of one shard with what an operator sees of it: counts now and then, an outcome at its end, a reason if
// it broke.
import { CausewayError } from "../../shared/errors.ts";
import type { JobUnit } from "../../shared/jobs.ts";
import type { Shard } from "./plan-shards.ts";
import {
  type ReconcileShardPorts,
  reconcileShard,
  type ShardProgress,
  type ShardRound,
  startOfShard,
} from "./reconcile-shard.ts";

export interface RunShardPorts extends Omit<ReconcileShardPorts, "tell"> {
  updateUnit(changes: Partial<Omit<JobUnit, "unitId">>): Promise<void>;
  /** A report was lost; the comparison goes on. */
  onLost(error: unknown): void;
}

export interface ShardInput {
  readonly shard: Shard;
  readonly readData: boolean;
  /** Null: from its beginning. */
  readonly progress: ShardProgress | null;
  /** Rounds before this one, in a row, that came no further and had nothing to wait for. */
  readonly idleRounds: number;
}

const mostIdleRounds = 2;
const shortestIntervalMilliseconds = 2_000;

/** Throws `NoProgress` after two rounds without any; else what `reconcileShard` throws. */
export async function runShard(input: ShardInput, ports: RunShardPorts): Promise<ShardRound> {
  let writing: Promise<void> = Promise.resolve();
  let toldAt = 0;
  // One after the other: an older number never lands on a newer one.
  const write = (changes: Partial<Omit<JobUnit, "unitId">>) => {
    writing = writing.then(() => ports.updateUnit(changes)).catch(ports.onLost);
  };
  const tell = (progress: ShardProgress) => {
    if (ports.now() - toldAt < shortestIntervalMilliseconds) return;
    toldAt = ports.now();
    write(unitOf(progress));
  };
  try {
    if (input.idleRounds >= mostIdleRounds) {
      throw new CausewayError("NoProgress", `Shard ${input.shard.number} came no further in ${mostIdleRounds} rounds.`);
    }
    const options = { readData: input.readData, progress: input.progress ?? startOfShard };
    const round = await reconcileShard(input.shard, options, { ...ports, tell });
    const finishedAt = new Date(ports.now()).toISOString();
    const ended = round.state === "done" ? { outcome: "compared", phase: "finished", finishedAt } : {};
    await writing;
    // Not merely told: the summary is made from it.
    await ports.updateUnit({ ...unitOf(round.progress), ...ended });
    return round;
  } catch (error) {
    const { name, message } = ports.nameError(error);
    write({ reason: `${name}: ${message}` });
    await writing;
    throw error;
  }
}

function unitOf({ after, counts, samples }: ShardProgress): Partial<Omit<JobUnit, "unitId">> {
  return {
    phase: after === null ? "comparing" : `comparing, behind ${after}`,
    counts,
    ...(samples.length > 0 && { reason: samples.join("\n") }),
  };
}
