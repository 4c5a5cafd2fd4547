// A batch on a stage in memory: its plan, its source and target, its ledger, and the knobs that a test turns.
import { expect } from "vitest";
import type { CopyPlan } from "../../../lambdas/replication/copy.ts";
import { type BatchPorts, type BatchResult, copyBatch } from "../../../lambdas/replication/copy-batch.ts";
import type { LedgerPart } from "../../../lambdas/replication/part-ledger.store.ts";
import { copyId, crc64Of, key, mark, nvmeOf, planFor, someBytes } from "./copy-facts.ts";
import { MemorySource } from "./memory-source.ts";
import { MemoryTarget } from "./memory-target.ts";

export const address = "https://source/a.xb?Signature=s";
export const partBytes = 4000;
export const content = someBytes(41_234);
export const partCount = 11;
export const whole = { number: 1, firstPart: 1, lastPart: partCount };

export interface BatchStage {
  readonly plan: CopyPlan;
  readonly source: MemorySource;
  readonly target: MemoryTarget;
  readonly ledger: Map<number, LedgerPart>;
  readonly progress: { bytes: number; parts: number }[];
  readonly ports: BatchPorts;
  throttled: number;
  limit: number;
  remainingMilliseconds: () => number;
  run(batch?: typeof whole): Promise<BatchResult>;
}

export async function batchStage(): Promise<BatchStage> {
  const source = new MemorySource(content);
  const target = new MemoryTarget();
  const { uploadId } = await target.begin(key, copyId, mark);
  const plan = planFor(content, partBytes, { uploadId, sourceFacts: source.facts });
  const ledger = new Map<number, LedgerPart>();
  const progress: BatchStage["progress"] = [];
  const here: BatchStage = {
    plan,
    source,
    target,
    ledger,
    progress,
    throttled: 0,
    limit: 4,
    remainingMilliseconds: () => 900_000,
    ports: {
      source,
      target,
      keepPart: async (part) => void ledger.set(part.partNumber, part),
      readLedger: async (first, last) =>
        [...ledger.values()].filter(({ partNumber }) => partNumber >= first && partNumber <= last),
      onProgress: (done) => void progress.push(done),
      remainingMilliseconds: () => here.remainingMilliseconds(),
      now: () => performance.now(),
      random: () => 0,
      concurrency: {
        limit: () => here.limit,
        observe: () => undefined,
        throttled: () => {
          here.throttled += 1;
        },
      },
    },
    run: (batch = whole) => copyBatch(plan, address, batch, here.ports),
  };
  return here;
}

/** Every part that the ledger calls done is in the target, byte for byte, and every byte of it was summed rightly. */
export function expectHonest({ plan, target, ledger }: BatchStage): void {
  const upload = target.uploads.get(plan.uploadId);
  for (const row of ledger.values()) {
    const bytes = content.subarray(row.offset, row.offset + row.bytes);
    expect(row.offset).toBe((row.partNumber - 1) * partBytes);
    expect(upload?.parts.get(row.partNumber)?.bytes.equals(bytes), `part ${row.partNumber}`).toBe(true);
    expect(row).toMatchObject({ crc64: crc64Of(bytes), checksum: nvmeOf(bytes) });
  }
}
