// One call of the worker: under the claim, with the link of now, and with the reason of a failure kept for a person.
import { describe, expect, it } from "vitest";
import type { Claim, Copy, CopyFailure } from "../../../lambdas/replication/copy.ts";
import type { LedgerPart } from "../../../lambdas/replication/part-ledger.store.ts";
import { runBatch } from "../../../lambdas/replication/run-batch.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import type { WorkerProgress } from "../../../lambdas/shared/jobs.ts";
import { at, copyId, copyOf, key, mark, me, planFor, someBytes } from "./copy-facts.ts";
import { MemorySource } from "./memory-source.ts";
import { MemoryTarget } from "./memory-target.ts";

const content = someBytes(10_000);

async function stage() {
  const source = new MemorySource(content);
  const target = new MemoryTarget();
  const ref = await target.begin(key, copyId, mark);
  const plan = planFor(content, 3000, { ...ref, sourceFacts: source.facts });
  const here = {
    source,
    target,
    copy: copyOf({ plan, link: { address: "https://now", expiresAt: at, version: 5 } }) as Copy | undefined,
    claims: [] as Claim[],
    noted: [] as CopyFailure[],
    progress: [] as WorkerProgress[],
    rows: new Map<number, LedgerPart>(),
    ledgerMarks: new Set<string>(),
    claimLost: false,
  };
  const run = (idleRounds = 0) =>
    runBatch(
      { copyId, executionArn: me, idleRounds, batch: { number: 2, firstPart: 1, lastPart: 4 } },
      {
        source,
        target,
        copies: {
          renewClaim: async (_id, claim) => {
            if (here.claimLost) throw new CausewayError("ClaimLost", "another holds it");
            here.claims.push(claim);
          },
          read: async () => here.copy,
          noteError: async (_id, failure) => void here.noted.push(failure),
        },
        ledger: {
          put: async (uploadMark, part) => {
            here.ledgerMarks.add(uploadMark);
            here.rows.set(part.partNumber, part);
          },
          read: async () => [...here.rows.values()],
        },
        putProgress: async (item) => void here.progress.push(item),
        onLost: () => undefined,
        remainingMilliseconds: () => 900_000,
        now: () => Date.now(),
        random: () => 0,
        concurrency: { limit: () => 2, observe: () => undefined, throttled: () => undefined },
      },
    );
  return Object.assign(here, { run });
}

describe("a worker's call", () => {
  it("renews the claim for longer than it can live, copies, and tells which link it used", async () => {
    const here = await stage();
    expect(await here.run()).toEqual({ state: "done", copiedParts: 4, remainingParts: 0, linkVersion: 5 });
    expect(here.claims).toMatchObject([{ executionArn: me }]);
    expect(Date.parse(here.claims[0]?.expiresAt ?? "") - Date.now()).toBeGreaterThan(900_000);
    expect(here.source.opened.every(({ address }) => address === "https://now")).toBe(true);
    expect([...here.ledgerMarks]).toEqual([mark]);
    expect(here.progress.at(-1)).toMatchObject({ unitId: copyId, worker: "2", bytesDone: 10_000, partsDone: 4 });
    expect(here.noted).toEqual([]);
  });

  it("begins nothing without the claim, the plan or the link", async () => {
    const here = await stage();
    here.claimLost = true;
    await expect(here.run()).rejects.toMatchObject({ name: "ClaimLost" });
    here.claimLost = false;
    const { plan: _plan, ...withoutPlan } = here.copy ?? copyOf();
    const { link: _link, ...withoutLink } = here.copy ?? copyOf();
    for (const copy of [withoutPlan, withoutLink, undefined]) {
      here.copy = copy;
      await expect(here.run()).rejects.toMatchObject({ name: "ClaimLost" });
    }
    expect(here.source.opened).toEqual([]);
  });

  it("keeps why it failed, and its last numbers", async () => {
    const here = await stage();
    here.source.beforeOpen = (range) => {
      if (range.first === 6000) throw new CausewayError("SourceChanged", "another ETag");
    };
    await expect(here.run()).rejects.toMatchObject({ name: "SourceChanged" });
    expect(here.noted).toMatchObject([{ executionArn: me, error: "SourceChanged", cause: "another ETag" }]);
    expect(here.progress.at(-1)).toMatchObject({ bytesPerSecond: 0, partsDone: here.rows.size });
  });

  it("gives up after two calls in a row that copied nothing", async () => {
    const here = await stage();
    expect(await here.run(1)).toMatchObject({ state: "done" });
    await expect(here.run(2)).rejects.toMatchObject({ name: "NoProgress", retryable: false });
    expect(here.noted).toMatchObject([{ error: "NoProgress" }]);
  });
});
