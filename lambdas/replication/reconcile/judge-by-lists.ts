// Judge by lists: of most keys the two lists and the Mirror table say together what is to be said, and nobody is asked.
import type { MirrorItem } from "../mirror/mirror-item.ts";
import type { ComparisonOutcome } from "./counts.ts";
import type { JoinedKey } from "./join-lists.ts";

/** A list is as old as its page, and clocks differ: what is newer may have come to both sides since. */
const freshMilliseconds = 15 * 60_000;

/** Undefined: both sides are to be asked. `item` may be some moments old. */
export function judgeByLists(
  { s3, oss }: JoinedKey,
  item: MirrorItem | undefined,
  nowMilliseconds: number,
): ComparisonOutcome | undefined {
  const { mirrored } = item ?? {};
  if (s3 === null) {
    if (oss === null || oss.modifiedAt > nowMilliseconds - freshMilliseconds) return undefined;
    return mirrored === undefined ? "only-in-oss" : "kept-only-in-oss";
  }
  if (oss === null || mirrored === undefined) return undefined;
  // An ETag names the content within its own cloud only; the table knows which two belong together.
  const isSame = mirrored.s3Etag === s3.etag && mirrored.ossEtag === oss.etag;
  return isSame && mirrored.bytes === s3.sizeBytes && mirrored.bytes === oss.sizeBytes ? "equal" : undefined;
}
