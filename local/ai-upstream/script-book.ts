// The script: rules that say which calls are answered how. The first rule that means a call and is not used up decides.
import type { Behaviour, Match, Operation, Platform } from "./behaviour.ts";

export interface ScriptedCall {
  readonly platform: Platform;
  readonly operation: Operation;
  readonly model: string;
  readonly key: string | undefined;
  readonly path: string;
  readonly stream: boolean;
}

export interface ScriptRule {
  /** Calls that it decided so far. */
  readonly hits: number;
  remove(): void;
}

interface Entry {
  readonly match: Match;
  readonly behaviour: Behaviour;
  /** Calls that it means, whether or not it was their turn. */
  seen: number;
  hits: number;
}

export class ScriptBook {
  readonly #byDefault: Behaviour;
  #entries: Entry[] = [];

  constructor(byDefault: Behaviour) {
    this.#byDefault = byDefault;
  }

  add(match: Match, behaviour: Behaviour): ScriptRule {
    const entry: Entry = { match, behaviour: { ...this.#byDefault, ...behaviour }, seen: 0, hits: 0 };
    this.#entries.push(entry);
    return {
      get hits() {
        return entry.hits;
      },
      remove: () => {
        this.#entries = this.#entries.filter((other) => other !== entry);
      },
    };
  }

  clear(): void {
    this.#entries = [];
  }

  /** Counts the call against every rule that means it, as far as it is counted there. */
  next(call: ScriptedCall): Behaviour {
    let chosen: Behaviour | undefined;
    for (const entry of this.#entries) {
      if (!means(entry.match, call)) continue;
      entry.seen += 1;
      if (chosen !== undefined || !isItsTurn(entry)) continue;
      entry.hits += 1;
      chosen = entry.behaviour;
    }
    return chosen ?? this.#byDefault;
  }
}

function isItsTurn({ match: { nth, times }, seen, hits }: Entry): boolean {
  if (times !== undefined && hits >= times) return false;
  if (nth === undefined) return true;
  return typeof nth === "number" ? seen === nth : nth.includes(seen);
}

function means(match: Match, call: ScriptedCall): boolean {
  return (
    (match.platform === undefined || match.platform === call.platform) &&
    (match.operation === undefined || match.operation === call.operation) &&
    (match.key === undefined || match.key === call.key) &&
    (match.stream === undefined || match.stream === call.stream) &&
    (match.model === undefined ||
      (typeof match.model === "string" ? match.model === call.model : match.model.test(call.model))) &&
    (match.path === undefined ||
      (typeof match.path === "string" ? call.path.includes(match.path) : match.path.test(call.path)))
  );
}
