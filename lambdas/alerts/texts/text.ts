// What a language has to say: a text for every event, so that a missing one does not compile, and the words around them.
import type { EventDetail, EventName } from "../../shared/events.ts";
import type { Severity } from "../event-facts.ts";

/** Writes values the way the stage's people read them. */
export interface Writer {
  /** In the stage's time zone; null: the language's "never". */
  time(at: string | null): string;
  bytes(count: number): string;
  /** Of nano-USD: dollars and cents, more decimals for what is less than a cent. */
  usd(nanoUsd: number): string;
}

export interface EventText<Name extends EventName> {
  /** A headline without a full stop; the subject follows it. */
  readonly title: string;
  readonly happened: (detail: EventDetail<Name>, write: Writer) => string;
  readonly means: string;
  readonly toDo: string;
}

export interface Words {
  readonly severities: Readonly<Record<Severity, string>>;
  readonly recovered: string;
  readonly stillGoing: string;
  readonly happened: string;
  readonly since: string;
  readonly means: string;
  readonly toDo: string;
  readonly job: string;
  readonly record: string;
  readonly runbook: string;
  readonly never: string;
  /** Between a headline and its subject, between subjects of a list. */
  readonly colon: string;
  readonly comma: string;
  times(count: number): string;
  /** Of a digest. `from` and `to` are the times of its first and last alert. */
  digestTitle(count: number): string;
  digestIntroduction(counts: Readonly<Record<Severity | "recovered", number>>, from: string, to: string): string;
  more(count: number): string;
  readonly all: string;
  readonly cut: string;
  readonly testTitle: string;
  testText(channel: string, by: string): string;
  readonly recoveredMeans: string;
  readonly recoveredToDo: string;
}

export interface Language {
  readonly words: Words;
  readonly events: { readonly [Name in EventName]: EventText<Name> };
}
