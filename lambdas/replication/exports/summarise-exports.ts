// Summarise exports: what became of every snapshot of a run, as counts and one sentence.
import type { JobState, JobUnit } from "../../shared/jobs.ts";
import { readableCause } from "../readable-cause.ts";
import type { RunFailure, RunSummary } from "../summarise-run.ts";

const outcomes = [
  "exported",
  "partial",
  "waiting",
  "already-exported",
  "claimed-elsewhere",
  "superseded",
  "set-aside",
  "refused",
  "cancelled",
  "failed",
] as const;

/** Outcomes that somebody should look at. */
const warnings = ["partial", "waiting", "refused"];
/** Payloads are limited; the job has all of them. */
const mostFailuresNamed = 20;

/** `failure` is set when the run itself broke: its list could not be made, or its map failed. */
export function summariseExports(runId: string, units: readonly JobUnit[], failure: RunFailure | null): RunSummary {
  const of = (outcome: string) => units.filter((unit) => outcomeOf(unit) === outcome);
  const counts = Object.fromEntries(outcomes.map((outcome) => [outcome, of(outcome).length]));
  const parts = outcomes
    .filter((outcome) => (counts[outcome] ?? 0) > 0)
    .map((outcome) => `${counts[outcome]} ${outcome}`);
  const exported = [...of("exported"), ...of("partial")];
  const failed = of("failed");
  return {
    runId,
    state: stateOf(units, counts, failure),
    sentence: failure
      ? `The run broke off: ${failure.Error ?? "unknown"}: ${readableCause(failure.Cause ?? "")}`.trim()
      : parts.length === 0
        ? "No snapshot was found."
        : `${parts.join(", ")}.`,
    counts,
    bytes: exported.reduce((total, unit) => total + unit.bytesTotal, 0),
    failed: failed
      .slice(0, mostFailuresNamed)
      .map((unit) => ({ title: unit.title, reason: unit.reason ?? "no reason was kept" })),
  };
}

function stateOf(units: readonly JobUnit[], counts: Readonly<Record<string, number>>, failure: unknown): JobState {
  if (failure !== null || (counts.failed ?? 0) > 0) return "failed";
  if ((counts.cancelled ?? 0) > 0) return "cancelled";
  // A schema that was not kept is a reason beside a good outcome.
  const isWarned = warnings.some((outcome) => (counts[outcome] ?? 0) > 0) || units.some(isExportedWithReason);
  return isWarned ? "succeeded-with-warnings" : "succeeded";
}

function isExportedWithReason({ outcome, reason }: JobUnit): boolean {
  return outcome === "exported" && reason !== undefined;
}

/** A unit without an outcome was cut off so hard that nobody could write one. */
function outcomeOf(unit: JobUnit): string {
  return unit.outcome ?? "failed";
}
