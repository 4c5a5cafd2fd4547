// Tiers: the five ranks of the design document, each with its predicate in numbers.
//
// | Tier | Name in the design      | Predicate                                                                              |
// |------|-------------------------|----------------------------------------------------------------------------------------|
// | 1    | healthy, lightly loaded | well, open < 50 % of its concurrency, errors < 5 % of the last 5 minutes' answers       |
// | 2    | healthy, has the model  | well, and names the model: by its list of models or its mapping, not by serving all     |
// | 3    | healthy                 | well                                                                                    |
// | 4    | recoverable             | its pause is over, or its own pause (failing, overloaded) ends within 10 s, or errors ≥ 20 % |
// | 5    | standby                 | marked as standby: used where no other can serve                                        |
//
// Well: no condition against it (for the model's family either), its daily quota not spent, errors < 20 %. In no tier: paused
// for longer, or all of its slots taken. Errors count against at least 25 answers.
import type { Account } from "./account.ts";
import type { AccountLoad } from "./account-load.ts";
import { servesModel } from "./serves-model.ts";
import type { Standing } from "./standing.ts";

export type Tier = 1 | 2 | 3 | 4 | 5;

const lightLoad = 0.5;
const lightErrorRate = 0.05;

/** Undefined: it cannot be used now. */
export function tierOf(account: Account, standing: Standing, load: AccountLoad, model: string): Tier | undefined {
  if (standing.kind === "paused" || load.open >= account.concurrency) return undefined;
  if (account.standby) return 5;
  if (standing.kind === "recoverable") return 4;
  if (load.open < account.concurrency * lightLoad && load.errorRate < lightErrorRate) return 1;
  return servesModel(account, model) === "named" ? 2 : 3;
}
