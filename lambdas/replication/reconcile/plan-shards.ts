// Plan shards: cuts what is to be compared into ranges of keys, at folders that either side has, for many to work on at once.
// Together the ranges cover every key there can be, whatever comes into being while they are worked off.
import { CausewayError } from "../../shared/errors.ts";
import type { Mapping } from "../mirror/mappings.ts";
import type { SideLists } from "./contents.ts";
import type { KeyRange } from "./join-lists.ts";
import { compareKeys } from "./key-order.ts";

/** Where a comparison looks on either side: what follows the prefix is the same in both. */
export interface ReconcileScope {
  readonly s3Prefix: string;
  readonly ossPrefix: string;
}

/** One line of the list that the workflow's map reads. */
export interface Shard extends ReconcileScope, KeyRange {
  readonly number: number;
}

export interface PlanShardsPorts {
  /** Whether either side has more below it than fits into one page. */
  isLarge(scope: ReconcileScope): Promise<boolean>;
  /** The folders right below it on either side, as prefixes of S3; the first some thousands where there are more. */
  folders(scope: ReconcileScope): Promise<string[]>;
}

/** Of more folders than fit into these pages the rest is one range. */
const mostFolderPages = 5;

export function bothSides(s3: SideLists, oss: SideLists): PlanShardsPorts {
  return {
    async isLarge({ s3Prefix, ossPrefix }) {
      const pages = await Promise.all([s3.page(s3Prefix, null), oss.page(ossPrefix, null)]);
      return pages.some(({ isLast }) => !isLast);
    },
    async folders({ s3Prefix, ossPrefix }) {
      const [inS3, inOss] = await Promise.all([
        s3.folders(s3Prefix, mostFolderPages),
        oss.folders(ossPrefix, mostFolderPages),
      ]);
      return [...new Set([...inS3, ...inOss.map((folder) => s3Prefix + folder.slice(ossPrefix.length))])];
    },
  };
}

/** Enough for the ones working at once to end at about the same time. */
const wantedShards = 64;
const mostShards = 1000;
/** Prefixes looked into: with two lists each and a few more for folders, a minute at most. */
const mostLooks = 200;

/** Throws `InputInvalid` when nothing below the prefix is mirrored. */
export function scopesOf(mappings: readonly Mapping[], prefix: string | undefined): ReconcileScope[] {
  const scopes = mappings.flatMap(({ from, to }) => {
    if (prefix === undefined || from.startsWith(prefix)) return [{ s3Prefix: from, ossPrefix: to }];
    return prefix.startsWith(from) ? [{ s3Prefix: prefix, ossPrefix: to + prefix.slice(from.length) }] : [];
  });
  if (scopes.length > 0) return scopes;
  const mirrored = mappings.map(({ from }) => from).join(", ");
  throw new CausewayError("InputInvalid", `prefix: nothing below "${prefix}" is mirrored; mirrored are ${mirrored}.`);
}

export async function planShards(scopes: readonly ReconcileScope[], ports: PlanShardsPorts): Promise<Shard[]> {
  const shards: Shard[] = [];
  for (const scope of scopes) {
    const cuts = thinOut(await findCuts(scope, ports), Math.floor(mostShards / scopes.length) - 1);
    const ends = [null, ...cuts, null];
    for (let index = 0; index + 1 < ends.length; index += 1) {
      shards.push({ number: shards.length, ...scope, after: ends[index] ?? null, upTo: ends[index + 1] ?? null });
    }
  }
  return shards;
}

/** Folders at which a new range begins, sorted. Large ones are looked into, until there are enough. */
async function findCuts(scope: ReconcileScope, ports: PlanShardsPorts): Promise<string[]> {
  const cuts = new Set<string>();
  const queue = [scope.s3Prefix];
  for (let looks = 0; looks < mostLooks && cuts.size < wantedShards; looks += 1) {
    const s3Prefix = queue.shift();
    if (s3Prefix === undefined) break;
    const inside = { s3Prefix, ossPrefix: scope.ossPrefix + s3Prefix.slice(scope.s3Prefix.length) };
    if (!(await ports.isLarge(inside))) continue;
    const folders = await ports.folders(inside);
    if (folders.length === 0) continue;
    // What lies beside its folders goes to the range before the first of them.
    cuts.delete(s3Prefix);
    for (const folder of folders) cuts.add(folder);
    queue.push(...folders);
  }
  return [...cuts].sort(compareKeys);
}

/** Every n-th, so that no more than `most` are left. */
function thinOut(cuts: readonly string[], most: number): string[] {
  const step = Math.ceil(cuts.length / Math.max(1, most));
  return cuts.filter((_, index) => index % Math.max(1, step) === 0);
}
