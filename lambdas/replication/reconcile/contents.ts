// What a comparison sees of either side: lists of keys, folders, and of OSS the bytes.
import type { PartChecksums } from "../checksums/part-checksums.ts";
import type { ByteRange } from "../plan-parts.ts";
import type { ListPage } from "./join-lists.ts";

export interface SideLists {
  /** The first keys behind `after` that begin with `prefix`; at most `most`, a thousand by default. */
  page(prefix: string, after: string | null, most?: number): Promise<ListPage>;
  /** Folders right below the prefix, as whole prefixes; of many the first `mostPages` pages. */
  folders(prefix: string, mostPages: number): Promise<string[]>;
}

/** Errors as of a target. */
export interface OssContents extends SideLists {
  /** Throws `SourceChanged` when the object at the key is not the one with this ETag. */
  sumRange(key: string, etag: string, range: ByteRange, signal: AbortSignal): Promise<PartChecksums>;
}
