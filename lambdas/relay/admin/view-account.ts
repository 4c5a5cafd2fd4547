// An account as the API shows it: settings, condition, load, and whether it is given requests now.
import type { Account, AccountCondition } from "../scheduling/account.ts";
import { loadOf } from "../scheduling/account-load.ts";
import { servingState } from "../scheduling/serving-state.ts";
import type { AccountView as AccountInFleet } from "../scheduling/snapshot.ts";
import type { AccountView } from "./account-answers.ts";

export function accountViewOf(inFleet: AccountInFleet, now: number): AccountView {
  const { account } = inFleet;
  const { accountId, platform, version, createdAt, changedAt, condition, familyConditions } = account;
  const load = loadOf(inFleet, now);
  return {
    ...settingsOf(account),
    accountId,
    platform,
    version,
    hasCredential: account.credentialVersion > 0,
    createdAt,
    changedAt,
    serving: servingState(inFleet, now),
    condition: shownCondition(condition),
    familyConditions: Object.fromEntries(
      Object.entries(familyConditions).map(([family, each]) => [family, shownCondition(each)]),
    ),
    load: {
      streams: load.open,
      answers: load.answers,
      errors: load.errors,
      meanFirstByteMilliseconds: load.meanFirstByteMilliseconds ?? null,
      spentTodayNanoUsd: load.spentTodayNanoUsd,
      lastAssignedAt: load.lastAssignedAt === 0 ? null : timeOf(load.lastAssignedAt),
    },
    lastTest: account.lastProbe ?? null,
  };
}

function settingsOf(account: Account) {
  const { name, provider, settings, groups, priority, weight, schedulable, standby, expiresAt } = account;
  const { concurrency, dailyQuotaNanoUsd, models, modelMapping, proxy } = account;
  return {
    ...{ name, provider, settings, groups, priority, weight, schedulable, standby, expiresAt },
    ...{ concurrency, dailyQuotaNanoUsd, models, modelMapping, proxy },
  };
}

function shownCondition(condition: AccountCondition): AccountView["condition"] {
  const { state, since, until, failures, accusedBy = null } = condition;
  return {
    ...{ state, failures },
    since: since > 0 ? timeOf(since) : null,
    until: until === null ? null : timeOf(until),
    accusedBy: failures > 0 ? accusedBy : null,
  };
}

function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
