// Join lists: walks the sorted lists of both sides together, page by page, and says of each key what either side has there.
import { CausewayError } from "../../shared/errors.ts";
import { compareKeys } from "./key-order.ts";

/** What a list says of one object. */
export interface ListedObject {
  /** In S3's terms on either side. */
  readonly key: string;
  readonly etag: string;
  readonly sizeBytes: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}

export interface ListPage {
  /** In the order of `compareKeys`. */
  readonly objects: readonly ListedObject[];
  readonly isLast: boolean;
}

/** The page that begins behind `after`; null: the first. */
export type ReadPage = (after: string | null) => Promise<ListPage>;

/** One key that at least one side has. */
export interface JoinedKey {
  readonly sourceKey: string;
  readonly s3: ListedObject | null;
  readonly oss: ListedObject | null;
}

/** The keys behind `after`, up to and with `upTo`; null: from the first, to the last. */
export interface KeyRange {
  readonly after: string | null;
  readonly upTo: string | null;
}

/**
 * Every key of the range once, in order, at most `mostKeys` at a time. No more than two pages of each side are held.
 * Throws `UnexpectedFailure` when a list is not in order: joined all the same, it would make objects look lost.
 */
export async function* joinLists(
  range: KeyRange,
  readS3: ReadPage,
  readOss: ReadPage,
  mostKeys: number,
): AsyncGenerator<JoinedKey[]> {
  const s3 = new ListCursor("S3", readS3, range);
  const oss = new ListCursor("OSS", readOss, range);
  let keys: JoinedKey[] = [];
  for (;;) {
    if (s3.needsPage || oss.needsPage) await Promise.all([s3.fill(), oss.fill()]);
    const joined = takeFirst(s3, oss);
    if (joined !== undefined) keys.push(joined);
    if (keys.length > 0 && (keys.length >= mostKeys || joined === undefined)) {
      yield keys;
      keys = [];
    }
    if (joined === undefined) return;
  }
}

function takeFirst(s3: ListCursor, oss: ListCursor): JoinedKey | undefined {
  const [left, right] = [s3.first, oss.first];
  if (left === undefined && right === undefined) return undefined;
  const order = left === undefined ? 1 : right === undefined ? -1 : compareKeys(left.key, right.key);
  const [inS3, inOss] = [order <= 0 ? left : undefined, order >= 0 ? right : undefined];
  if (inS3 !== undefined) s3.advance();
  if (inOss !== undefined) oss.advance();
  return { sourceKey: (inS3 ?? inOss)?.key ?? "", s3: inS3 ?? null, oss: inOss ?? null };
}

/** The place in one side's list. */
class ListCursor {
  readonly #side: string;
  readonly #read: ReadPage;
  readonly #upTo: string | null;
  #objects: readonly ListedObject[] = [];
  #at = 0;
  #last: string | null;
  #next: Promise<ListPage> | undefined;

  constructor(side: string, read: ReadPage, { after, upTo }: KeyRange) {
    this.#side = side;
    this.#read = read;
    this.#upTo = upTo;
    this.#last = after;
    this.#ask(after);
  }

  get needsPage(): boolean {
    return this.#at >= this.#objects.length && this.#next !== undefined;
  }

  /** Of what `fill` has brought; undefined: the range has no more. */
  get first(): ListedObject | undefined {
    return this.#objects[this.#at];
  }

  advance(): void {
    this.#at += 1;
  }

  async fill(): Promise<void> {
    while (this.needsPage) {
      const { objects, isLast } = (await this.#next) ?? { objects: [], isLast: true };
      this.#checkOrder(objects);
      const end = this.#upTo === null ? -1 : objects.findIndex(({ key }) => compareKeys(key, this.#upTo ?? "") > 0);
      this.#objects = end < 0 ? objects : objects.slice(0, end);
      this.#at = 0;
      this.#next = undefined;
      const last = objects.at(-1)?.key;
      // A page without a key would be asked for again and again.
      if (!isLast && end < 0 && last !== undefined) this.#ask(last);
    }
  }

  /** The next page is on its way while this one is compared. */
  #ask(after: string | null): void {
    this.#next = this.#read(after);
    // Whoever stops early never waits for it.
    this.#next.catch(() => undefined);
  }

  #checkOrder(objects: readonly ListedObject[]): void {
    for (const { key } of objects) {
      if (this.#last !== null && compareKeys(key, this.#last) <= 0) {
        throw new CausewayError("UnexpectedFailure", `${this.#side} lists ${key} behind ${this.#last}.`);
      }
      this.#last = key;
    }
  }
}
