// Algorithms: in which order the accounts of one tier and priority are tried. Chance is handed in.
import type { AccountLoad } from "./account-load.ts";

export interface Contender {
  readonly weight: number;
  readonly load: AccountLoad;
}

/** 0 to below 1. */
export type Random = () => number;

export type Algorithm = "round-robin" | "weighted-random" | "least-connections" | "response-time";

/** All of the contenders, the first to be tried first. */
export function order<C extends Contender>(contenders: readonly C[], algorithm: Algorithm, random: Random): C[] {
  switch (algorithm) {
    case "round-robin":
      // Least recently assigned; chance decides among equals, such as those that never were.
      return shuffle(contenders, random).sort((left, right) => left.load.lastAssignedAt - right.load.lastAssignedAt);
    case "weighted-random":
      return byWeight(contenders, random);
    case "least-connections":
      return betterOfTwo(contenders, random, ({ load }) => load.open);
    case "response-time":
      return betterOfTwo(contenders, random, ({ load }) => load.meanFirstByteMilliseconds ?? unknownResponseTime(load));
  }
}

/** One that has not answered in the last minutes is not known to be slow: it is tried, but by one request at a time. */
function unknownResponseTime({ open }: AccountLoad): number {
  return open === 0 ? 0 : Number.POSITIVE_INFINITY;
}

/** Draws without putting back, each with its weight's share (Efraimidis and Spirakis: the largest u^(1/w) first). */
function byWeight<C extends Contender>(contenders: readonly C[], random: Random): C[] {
  return contenders
    .map((contender) => ({ contender, key: Math.log(1 - random()) / contender.weight }))
    .sort((left, right) => right.key - left.key)
    .map(({ contender }) => contender);
}

/**
 * The better of two random ones, until none is left. Always the best of all would send every Lambda with the same snapshot
 * to the same account at once (Mitzenmacher, The Power of Two Choices).
 */
function betterOfTwo<C extends Contender>(
  contenders: readonly C[],
  random: Random,
  cost: (contender: C) => number,
): C[] {
  const left = shuffle(contenders, random);
  const chosen: C[] = [];
  while (left.length > 0) {
    const [first, second] = left;
    const isSecondBetter = first !== undefined && second !== undefined && cost(second) < cost(first);
    chosen.push(...left.splice(isSecondBetter ? 1 : 0, 1));
  }
  return chosen;
}

/** Fisher and Yates. */
function shuffle<Member>(members: readonly Member[], random: Random): Member[] {
  const shuffled = [...members];
  for (let at = shuffled.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [shuffled[at], shuffled[other]] = [shuffled[other] as Member, shuffled[at] as Member];
  }
  return shuffled;
}
