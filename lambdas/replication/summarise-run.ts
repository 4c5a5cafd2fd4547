// Summarise run: what became of every backup of a run, as counts and one sentence.
import type { JobState, JobUnit } from "../shared/jobs.ts";
import { readableCause } from "./readable-cause.ts";

export interface RunSummary {
  readonly runId: string;
  readonly state: JobState;
  readonly sentence: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly bytes: number;
  readonly failed: readonly { readonly title: string; readonly reason: string }[];
}

export interface RunFailure {
  readonly Error?: string | undefined;
  readonly Cause?: string | undefined;
}

/** Payloads are limited; the job has all of them. */
const mostFailuresNamed = 20;

/** `failure` is set when the run itself broke: its list could not be made, or its map failed. */
export function summariseRun(runId: string, units: readonly JobUnit[], failure: RunFailure | null): RunSummary {
  const outcomes = [
    "verified",
    "copied-unverified",
    "already-copied",
    "claimed-elsewhere",
    "refused",
    "failed",
  ] as const;
  const of = (outcome: string) => units.filter((unit) => outcomeOf(unit) === outcome);
  const counts = Object.fromEntries(outcomes.map((outcome) => [outcome, of(outcome).length]));
  const failed = of("failed");
  const copied = [...of("verified"), ...of("copied-unverified")];
  const state: JobState =
    failure !== null || failed.length > 0
      ? "failed"
      : of("copied-unverified").length > 0 || of("refused").length > 0
        ? "succeeded-with-warnings"
        : "succeeded";
  const parts = outcomes
    .filter((outcome) => (counts[outcome] ?? 0) > 0)
    .map((outcome) => `${counts[outcome]} ${outcome}`);
  const sentence = failure
    ? `The run broke off: ${failure.Error ?? "unknown"}: ${readableCause(failure.Cause ?? "")}`.trim()
    : parts.length === 0
      ? "No backup in the window."
      : `${parts.join(", ")}.`;
  return {
    runId,
    state,
    sentence,
    counts,
    bytes: copied.reduce((total, unit) => total + unit.bytesTotal, 0),
    failed: failed
      .slice(0, mostFailuresNamed)
      .map((unit) => ({ title: unit.title, reason: unit.reason ?? "no reason was kept" })),
  };
}

/** A unit without an outcome was cut off so hard that nobody could write one. */
function outcomeOf(unit: JobUnit): string {
  return unit.outcome ?? "failed";
}
