// Lists of keys as S3 and OSS give them: sorted by their bytes, in pages, from behind any key.
import type { ListedObject, ReadPage } from "../../../../lambdas/replication/reconcile/join-lists.ts";

export function sortedByBytes(keys: Iterable<string>): string[] {
  return [...keys].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
}

export function pagesOf(keys: Iterable<string>, pageSize: number): ReadPage {
  const sorted = sortedByBytes(keys);
  return async (after) => {
    const isBehind = (key: string) => after === null || Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0;
    const behind = sorted.filter(isBehind);
    return { objects: behind.slice(0, pageSize).map((key) => listedKey(key)), isLast: behind.length <= pageSize };
  };
}

export function listedKey(key: string, facts: Partial<ListedObject> = {}): ListedObject {
  return { key, etag: `"${key}"`, sizeBytes: 1, modifiedAt: 0, ...facts };
}
