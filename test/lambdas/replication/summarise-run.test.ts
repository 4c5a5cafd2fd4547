// The summary of a run: every unit counted once, and a state and a sentence that say the worst of it.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { summariseRun } from "../../../lambdas/replication/summarise-run.ts";
import type { JobUnit } from "../../../lambdas/shared/jobs.ts";
import { at, runId } from "./copy-facts.ts";

const outcomes = ["verified", "copied-unverified", "already-copied", "claimed-elsewhere", "refused", "failed"] as const;

function unit(outcome: string | undefined, index = 0, more: Partial<JobUnit> = {}): JobUnit {
  return {
    unitId: `unit-${index}`,
    title: `rm-1 ${index}.xb`,
    phase: outcome ?? "copying",
    bytesTotal: 100,
    startedAt: at,
    ...(outcome === undefined ? {} : { outcome }),
    ...more,
  };
}

describe("the summary of a run", () => {
  it.each<[string, readonly string[], string]>([
    ["everything verified", ["verified", "already-copied", "claimed-elsewhere"], "succeeded"],
    ["nothing in the window", [], "succeeded"],
    ["one unverified", ["verified", "copied-unverified"], "succeeded-with-warnings"],
    ["one refused", ["verified", "refused"], "succeeded-with-warnings"],
    ["one failed", ["verified", "refused", "failed"], "failed"],
  ])("of %s", (_, given, state) => {
    const summary = summariseRun(
      runId,
      given.map((outcome, index) => unit(outcome, index)),
      null,
    );
    expect(summary.state).toBe(state);
    if (given.length === 0) expect(summary.sentence).toBe("No backup in the window.");
    for (const outcome of given) expect(summary.sentence).toContain(`1 ${outcome}`);
  });

  it("counts every unit once, one without an outcome as failed, and the bytes of what was copied", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...outcomes, undefined), { maxLength: 50 }), (given) => {
        const units = given.map((outcome, index) => unit(outcome, index));
        const { counts, bytes, failed, state } = summariseRun(runId, units, null);
        expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(given.length);
        const copied = given.filter((outcome) => outcome === "verified" || outcome === "copied-unverified");
        expect(bytes).toBe(copied.length * 100);
        const failures = given.filter((outcome) => outcome === "failed" || outcome === undefined).length;
        expect(counts.failed).toBe(failures);
        expect(failed).toHaveLength(Math.min(20, failures));
        expect(state === "failed").toBe(failures > 0);
      }),
    );
  });

  it("names what failed and why", () => {
    const units = [unit("failed", 1, { reason: "SourceChanged: another ETag" }), unit(undefined, 2)];
    expect(summariseRun(runId, units, null).failed).toEqual([
      { title: "rm-1 1.xb", reason: "SourceChanged: another ETag" },
      { title: "rm-1 2.xb", reason: "no reason was kept" },
    ]);
  });

  it("of a run that broke off says so in readable words, whatever its units say", () => {
    const cause = JSON.stringify({ errorType: "SecretMissing", errorMessage: "There is no secret." });
    const broken = summariseRun(runId, [unit("verified")], { Error: "SecretMissing", Cause: cause });
    expect(broken).toMatchObject({
      state: "failed",
      sentence: "The run broke off: SecretMissing: There is no secret.",
    });
    expect(summariseRun(runId, [], {}).sentence).toBe("The run broke off: unknown:");
  });
});
