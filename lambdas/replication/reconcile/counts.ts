// What may become of a key that is compared, and the counting of it.

export const comparisonOutcomes = [
  /** Both sides have it, and the same. */
  "equal",
  /** Both sides had the same bytes, and Causeway did not know yet; nothing was copied. */
  "adopted",
  /** It was not in OSS, or an older or another object was; now it is. */
  "mirrored",
  /** It had been mirrored, and OSS had lost or changed it; now it is there again. */
  "restored",
  /** Too large to be done on the spot: its workflow was started. */
  "started",
  /** Somebody mirrors it right now. */
  "left-to-holder",
  /** Either side changed between the list and the look: the mirror has heard of it, and sees to it. */
  "changed-meanwhile",
  /** Mirrored once, and deleted in S3 since: OSS keeps it, as it is meant to. */
  "kept-only-in-oss",
  /** Causeway knows nothing of it. */
  "only-in-oss",
  /** OSS cannot hold a key like this. */
  "refused",
  "failed",
] as const;

export type ComparisonOutcome = (typeof comparisonOutcomes)[number];

/** By outcome; `compared` is the number of keys, `bytes-read` what was read to sum it. */
export type ReconciliationCounts = Readonly<Record<string, number>>;

export function countsOf(outcomes: readonly ComparisonOutcome[], bytesRead: number): ReconciliationCounts {
  const counts: Record<string, number> = {};
  const count = (name: string, by: number) => {
    if (by > 0) counts[name] = (counts[name] ?? 0) + by;
  };
  count("compared", outcomes.length);
  count("bytes-read", bytesRead);
  for (const outcome of outcomes) count(outcome, 1);
  return counts;
}

export function addCounts(...all: readonly ReconciliationCounts[]): ReconciliationCounts {
  const sum: Record<string, number> = {};
  for (const counts of all) {
    for (const [name, count] of Object.entries(counts)) sum[name] = (sum[name] ?? 0) + count;
  }
  return sum;
}
