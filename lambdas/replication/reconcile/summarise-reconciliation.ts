// Summarise reconciliation: what every shard counted, as counts, one sentence, and the first differences by name.
import type { JobState, JobUnit } from "../../shared/jobs.ts";
import { readableCause } from "../readable-cause.ts";
import type { RunFailure } from "../summarise-run.ts";
import { addCounts, comparisonOutcomes, type ReconciliationCounts } from "./counts.ts";

export interface ReconciliationSummary {
  readonly runId: string;
  readonly state: JobState;
  readonly sentence: string;
  readonly counts: ReconciliationCounts;
  /** The first of the differences; all of them are in the reports. */
  readonly differences: readonly string[];
  /** In the work bucket: JSONL files, one line a difference. Empty where there is none. */
  readonly reportPrefix: string;
}

/** Payloads are limited; the reports have all of them. */
const mostDifferencesNamed = 20;
/** Somebody should ask why: OSS lost or changed what was there, holds what nobody knows, or does not take a name. */
const warnings = ["restored", "only-in-oss", "refused"];

export function reportPrefixOf(runId: string): string {
  return `runs/${runId}/differences/`;
}

/** `failure` is set when the run itself broke: its list could not be made, or its map failed. */
export function summariseReconciliation(
  runId: string,
  units: readonly JobUnit[],
  failure: RunFailure | null,
): ReconciliationSummary {
  const broken = units.filter(({ outcome }) => outcome === undefined);
  const counted = addCounts(...units.map((unit) => unit.counts ?? {}));
  const counts: ReconciliationCounts = {
    compared: 0,
    ...Object.fromEntries(comparisonOutcomes.map((outcome) => [outcome, 0])),
    ...counted,
    "broken-shards": broken.length,
  };
  const differences = [
    ...broken.map(({ title, reason }) => `${title} was not compared to its end: ${reason ?? "no reason was kept"}`),
    ...units.flatMap(({ outcome, reason }) =>
      outcome === undefined || reason === undefined ? [] : reason.split("\n"),
    ),
  ];
  return {
    runId,
    state: stateOf(counts, failure),
    sentence: failure ? brokenOff(failure) : sentenceOf(counts),
    counts,
    differences: differences.slice(0, mostDifferencesNamed),
    reportPrefix: reportPrefixOf(runId),
  };
}

function stateOf(counts: ReconciliationCounts, failure: RunFailure | null): JobState {
  if (failure !== null || (counts.failed ?? 0) > 0 || (counts["broken-shards"] ?? 0) > 0) return "failed";
  return warnings.some((name) => (counts[name] ?? 0) > 0) ? "succeeded-with-warnings" : "succeeded";
}

function sentenceOf(counts: ReconciliationCounts): string {
  const parts = comparisonOutcomes
    .filter((outcome) => (counts[outcome] ?? 0) > 0)
    .map((outcome) => `${counts[outcome]} ${outcome}`);
  const broken = counts["broken-shards"] ?? 0;
  if (broken > 0) parts.push(`${broken} ranges not compared to their end`);
  if (parts.length === 0) return "There was nothing to compare.";
  return `${counts.compared} objects compared: ${parts.join(", ")}.`;
}

function brokenOff({ Error: name, Cause }: RunFailure): string {
  return `The comparison broke off: ${name ?? "unknown"}: ${readableCause(Cause ?? "")}`.trim();
}
