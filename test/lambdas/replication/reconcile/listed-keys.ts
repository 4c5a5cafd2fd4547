// Lists of keys as S3 and OSS give them: sorted by their bytes, in pages, from behind any key.
import type { ListedObject, ReadPage } from "../../../../lambdas/replication/reconcile/join-lists.ts";

export function sortedByBytes(keys: Iterable<string>): string[] {
  return [...keys].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
}

export function pagesOf(keys: Iterable<string>, pageSize: number): ReadPage {
  const sorted = sortedByBytes(keys);
  const places = new Map(sorted.map((key, index) => [key, index]));
  const isBehind = (key: string, after: string) => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0;
  return async (after) => {
    const known = after === null ? -1 : places.get(after);
    const behind = known === undefined ? sorted.findIndex((key) => isBehind(key, after ?? "")) : known + 1;
    const from = behind < 0 ? sorted.length : behind;
    const objects = sorted.slice(from, from + pageSize).map((key) => listedKey(key));
    return { objects, isLast: from + pageSize >= sorted.length };
  };
}

export function listedKey(key: string, facts: Partial<ListedObject> = {}): ListedObject {
  return { key, etag: `"${key}"`, sizeBytes: 1, modifiedAt: 0, ...facts };
}
