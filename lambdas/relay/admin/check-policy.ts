// Check policy: what the schema cannot see. A key that is bound to nothing, or limits a family that nobody has, helps nobody.
import { type FieldProblem, wrongInput } from "../../shared/wrong-input.ts";
import { priceTable } from "../counting/price-table.ts";
import type { KeyPolicy } from "../ledger/key-policy.ts";
import type { Snapshot } from "../scheduling/snapshot.ts";
import { listGroups } from "./list-accounts.ts";

/** What a policy may name. Asked only where the policy names something. */
export interface PolicySurroundings {
  accountIds(): Promise<readonly string[]>;
  /** Groups that are set up, and those that accounts are in. */
  groups(): Promise<readonly string[]>;
  /** Families of the price table and of overrides. */
  families(): Promise<readonly string[]>;
}

/** As the accounts, groups and prices of the moment are. */
export function surroundingsIn(snapshot: () => Promise<Snapshot>): PolicySurroundings {
  return {
    accountIds: async () => (await snapshot()).accounts.map(({ account }) => account.accountId),
    groups: async () => listGroups(await snapshot()).map(({ group }) => group),
    families: async () => {
      const prices = [...priceTable, ...(await snapshot()).priceOverrides];
      return [...new Set(prices.map(({ family }) => family))].filter((family) => family !== "").sort();
    },
  };
}

/** Throws `InputInvalid` naming every field that is wrong. */
export async function checkPolicy(policy: KeyPolicy, surroundings: PolicySurroundings): Promise<void> {
  const problems = [...(await boundToProblems(policy, surroundings)), ...(await familyProblems(policy, surroundings))];
  if (problems.length > 0) throw wrongInput(problems);
}

async function boundToProblems({ boundTo }: KeyPolicy, surroundings: PolicySurroundings): Promise<FieldProblem[]> {
  if (boundTo === null) return [];
  if (boundTo.kind === "account") {
    if ((await surroundings.accountIds()).includes(boundTo.accountId)) return [];
    const problem = "There is no such account; GET /api/relay/accounts lists them.";
    return [{ field: "body.policy.boundTo.accountId", problem }];
  }
  const groups = await surroundings.groups();
  if (groups.includes(boundTo.group)) return [];
  return [{ field: "body.policy.boundTo.group", problem: `There is no such group; ${listed(groups)}.` }];
}

async function familyProblems({ familySpend }: KeyPolicy, surroundings: PolicySurroundings): Promise<FieldProblem[]> {
  const named = Object.keys(familySpend);
  if (named.length === 0) return [];
  const families = await surroundings.families();
  return named
    .filter((family) => !families.includes(family))
    .map((family) => ({
      field: `body.policy.familySpend.${family}`,
      problem: `No price is of this family; ${listed(families)}.`,
    }));
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? "there are none" : `there are ${names.join(", ")}`;
}
