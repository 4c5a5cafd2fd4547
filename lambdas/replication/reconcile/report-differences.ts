// Report differences: what a person may want to look at, as lines of a file and as a few sentences.
import type { ComparisonOutcome } from "./counts.ts";
import type { JoinedKey, ListedObject } from "./join-lists.ts";

/** One line of a report, JSON. Sizes, ETags and times are those of the lists. */
export interface ReportLine {
  readonly outcome: ComparisonOutcome;
  readonly sourceKey: string;
  readonly targetKey: string;
  readonly s3?: ListedFacts;
  readonly oss?: ListedFacts;
  readonly reason?: string;
}

interface ListedFacts {
  readonly bytes: number;
  readonly etag: string;
  readonly modifiedAt: string;
}

/** All others are as they should be, or are told by events of their own. */
const reported: ReadonlySet<ComparisonOutcome> = new Set([
  "restored",
  "kept-only-in-oss",
  "only-in-oss",
  "refused",
  "failed",
]);
/** Of these there may be many, and they are as they are meant to be. */
const unremarkable: ReadonlySet<ComparisonOutcome> = new Set(["kept-only-in-oss"]);

const sentences: Readonly<Partial<Record<ComparisonOutcome, string>>> = {
  restored: "had been lost or changed in OSS, and is there again",
  "only-in-oss": "is only in OSS",
  refused: "has a name that OSS does not take",
  failed: "could not be compared or mirrored",
};

const longestSentence = 300;

export function differenceOf(
  key: JoinedKey,
  outcome: ComparisonOutcome,
  targetKey: string,
  reason: string | undefined,
): ReportLine | undefined {
  if (!reported.has(outcome)) return undefined;
  const { sourceKey, s3, oss } = key;
  return {
    outcome,
    sourceKey,
    targetKey,
    ...(s3 !== null && { s3: factsOf(s3) }),
    ...(oss !== null && { oss: factsOf(oss) }),
    ...(reason !== undefined && { reason }),
  };
}

/** Undefined for what nobody needs to be told of in a summary. */
export function sampleOf({ outcome, sourceKey, targetKey, reason }: ReportLine): string | undefined {
  if (unremarkable.has(outcome)) return undefined;
  const name = outcome === "only-in-oss" ? targetKey : sourceKey;
  const sentence = `${name} ${sentences[outcome] ?? outcome}${reason === undefined ? "" : `: ${reason}`}`;
  return sentence.slice(0, longestSentence);
}

function factsOf({ sizeBytes, etag, modifiedAt }: ListedObject): ListedFacts {
  return { bytes: sizeBytes, etag, modifiedAt: new Date(modifiedAt).toISOString() };
}
