// An account as the API shows it: settings, condition, load, and whether it is given requests now.
import type { Account, AccountCondition } from "../scheduling/account.ts";
import { loadOf } from "../scheduling/account-load.ts";
import type { AccountView as AccountInFleet } from "../scheduling/snapshot.ts";
import { standingOf } from "../scheduling/standing.ts";
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
    serving: servingOf(inFleet, now),
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

/** The first reason that keeps requests from it; limits of single families are not asked. */
function servingOf(inFleet: AccountInFleet, now: number): AccountView["serving"] {
  const { account } = inFleet;
  const load = loadOf(inFleet, now);
  const no = (reason: string) => ({ now: false, reason });
  if (!account.schedulable) return no("switched off");
  if (account.credentialVersion === 0) return no("it has no credential");
  if (account.expiresAt !== null && Date.parse(account.expiresAt) <= now) return no("expired");
  const standing = standingOf(account, undefined, load, now);
  if (standing.kind === "paused") return no(standing.why);
  if (load.open >= account.concurrency) return no("all its slots are taken");
  return { now: true, reason: null };
}

function settingsOf(account: Account) {
  const { name, provider, settings, groups, priority, weight, schedulable, standby, expiresAt } = account;
  const { concurrency, dailyQuotaNanoUsd, models, modelMapping, proxy } = account;
  return {
    ...{ name, provider, settings, groups, priority, weight, schedulable, standby, expiresAt },
    ...{ concurrency, dailyQuotaNanoUsd, models, modelMapping, proxy },
  };
}

function shownCondition({ state, since, until, failures }: AccountCondition): AccountView["condition"] {
  return { state, failures, since: since > 0 ? timeOf(since) : null, until: until === null ? null : timeOf(until) };
}

function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
