// Check policy: what the schema cannot see. A key that is bound to nothing, or limits a family that nobody has, helps nobody.
import { type FieldProblem, wrongInput } from "../../shared/wrong-input.ts";
import type { KeyPolicy } from "../ledger/key-policy.ts";

/** What a policy may name. Each is asked only where the policy names one. */
export interface PolicySurroundings {
  account(accountId: string): Promise<unknown>;
  /** Groups that are set up, and those that accounts are in. */
  groups(): Promise<readonly string[]>;
  /** Families of the price table and of overrides. */
  families(): Promise<readonly string[]>;
}

/** Throws `InputInvalid` naming every field that is wrong. */
export async function checkPolicy(policy: KeyPolicy, surroundings: PolicySurroundings): Promise<void> {
  const problems = [
    ...timeZoneProblems(policy),
    ...(await boundToProblems(policy, surroundings)),
    ...(await familyProblems(policy, surroundings)),
  ];
  if (problems.length > 0) throw wrongInput(problems);
}

function timeZoneProblems({ timeZone }: KeyPolicy): FieldProblem[] {
  // Offsets such as +08:00 are taken by Intl, too; but they know no summer, and are no zone.
  if (!/^[+-]/.test(timeZone) && isTimeZone(timeZone)) return [];
  return [{ field: "body.policy.timeZone", problem: 'Give an IANA time zone, such as "Asia/Shanghai".' }];
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

async function boundToProblems({ boundTo }: KeyPolicy, surroundings: PolicySurroundings): Promise<FieldProblem[]> {
  if (boundTo === null) return [];
  if (boundTo.kind === "account") {
    if ((await surroundings.account(boundTo.accountId)) !== undefined) return [];
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
