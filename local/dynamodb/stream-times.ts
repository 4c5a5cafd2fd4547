// When the changes of a stream were made, in cloud time: the server behind knows only the machine's.
import type { DatabaseSync } from "node:sqlite";
import { DurableMap, openDurableState } from "../gateway/durable-state.ts";
import type { Clock } from "../rig/clock.ts";

/** Changes up to this place, and behind the mark before it, were made at this time. */
interface Mark {
  readonly place: number;
  /** Cloud milliseconds. */
  readonly at: number;
}

/** Streams tell the time in whole seconds. */
const markEveryMilliseconds = 1000;
/** A busy day would have 86,400: beyond this many, the older ones are thinned out, and tell the time less exactly. */
const mostMarks = 500;
/** Marks older than this all mean the same: trimmed. */
const keptMilliseconds = 90_000_000;

export class StreamTimes {
  readonly #clock: Clock;
  readonly #database: DatabaseSync;
  readonly #kept: DurableMap<readonly Mark[]>;
  /** By table: since when writes have been going on that no mark covers. */
  readonly #openSince = new Map<string, number>();

  constructor(clock: Clock, stateDirectory: string) {
    this.#clock = clock;
    this.#database = openDurableState(stateDirectory, "stream-times");
    this.#kept = new DurableMap<readonly Mark[]>(this.#database, "marks");
  }

  /** A table was written just now. */
  wrote(tableName: string): void {
    if (!this.#openSince.has(tableName)) this.#openSince.set(tableName, this.#clock.now());
  }

  /** When the writes since the last mark were made, if that is not the present second: they need a mark before the next. */
  due(tableName: string): number | undefined {
    const since = this.#openSince.get(tableName);
    return since !== undefined && this.#clock.now() - since >= markEveryMilliseconds ? since : undefined;
  }

  /** `place` is that of the newest change, `at` what `due` said before it was looked up. */
  mark(tableName: string, place: number, at: number): void {
    // Somebody else has marked them meanwhile.
    if (this.#openSince.get(tableName) !== at) return;
    this.#openSince.delete(tableName);
    const marks = this.#kept.get(tableName) ?? [];
    if ((marks.at(-1)?.place ?? 0) >= place) return;
    this.#kept.set(tableName, thinned([...marks, { place, at }], this.#clock.now() - keptMilliseconds));
  }

  /** Cloud milliseconds. What no mark covers was made since the last one. */
  timeOf(tableName: string, place: number): number {
    const marks = this.#kept.get(tableName) ?? [];
    let [low, high] = [0, marks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((marks[middle]?.place ?? 0) < place) low = middle + 1;
      else high = middle;
    }
    return marks[low]?.at ?? this.#openSince.get(tableName) ?? this.#clock.now();
  }

  close(): void {
    this.#database.close();
  }
}

function thinned(marks: readonly Mark[], oldest: number): readonly Mark[] {
  const firstYoung = marks.findIndex(({ at }) => at >= oldest);
  // One of the old ones stays: it tells of all before it that they are old.
  const young = firstYoung > 1 ? marks.slice(firstYoung - 1) : marks;
  if (young.length <= mostMarks) return young;
  return young.filter((_mark, index) => index % 2 === 1 || index >= mostMarks / 2);
}
