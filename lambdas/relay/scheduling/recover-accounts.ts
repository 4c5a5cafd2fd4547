// Recover accounts: each minute, pauses that are over end, and what has changed since the last minute is told by events.
import type { EventDetail, EventName } from "../../shared/events.ts";
import type { Account, AccountCondition } from "./account.ts";
import { loadOf, nextDayAt } from "./account-load.ts";
import { afterPause } from "./next-condition.ts";
import type { AccountView, Snapshot } from "./snapshot.ts";

/** What is told of an account; shapes as in lambdas/shared/events.ts. */
type Named<Name extends EventName> = { readonly name: Name; readonly detail: EventDetail<Name> };
export type AccountEvent = Named<"RelayAccountLimited"> | Named<"RelayAccountBlocked"> | Named<"RelayAccountRecovered">;

export interface RecoverPorts {
  /** A consistent read. */
  readonly read: () => Promise<Snapshot>;
  /** False: it is another one by now, which the next minute looks at. */
  readonly replaceCondition: (
    accountId: string,
    family: string | undefined,
    seen: AccountCondition,
    next: AccountCondition,
  ) => Promise<boolean>;
  readonly dropFamily: (accountId: string, family: string, seen: AccountCondition) => Promise<boolean>;
  /** What the account's newest error said; empty: nothing is kept. */
  readonly lastSaid: (accountId: string) => Promise<string>;
  readonly announce: (event: AccountEvent) => Promise<void>;
  readonly keepTold: (accountId: string, told: Readonly<Record<string, string>>) => Promise<void>;
  readonly now: () => number;
}

export interface RecoverReport {
  readonly accounts: number;
  readonly recovered: number;
  readonly announced: number;
}

/** A failing account is told of when its pauses have grown to a minute: shorter ones are over before anybody reads of them. */
const failuresToTell = 3;

/** What one key alone says is told when it went on for some minutes, and nobody had a success there meanwhile. */
const accusalToTellMilliseconds = 5 * 60 * 1000;

/** So long a family that is well again is kept, so that an answer from before does not count. */
const familyKeptMilliseconds = 60 * 60 * 1000;
/** An accusal begins where it began, and has pauses of half an hour. */
const accusalKeptMilliseconds = 24 * 60 * 60 * 1000;

/** Our own limit, where the others are the upstream's. */
const dailyQuota = "daily-quota";

/** The account's own condition, among those of families, which have names. */
const wholeAccount = "";

/**
 * Announces before it notes that it did: at least once. Throws where the store or the bus fails, when all accounts were
 * looked after: of one account the others' pauses do not depend, nor any pause on the bus. The next minute goes on.
 */
export async function recoverAccounts(ports: RecoverPorts): Promise<RecoverReport> {
  const { accounts } = await ports.read();
  const failures: unknown[] = [];
  let recovered = 0;
  let announced = 0;
  for (const view of accounts) {
    try {
      const conditions = await endPauses(view.account, ports);
      recovered += conditions.ended;
      if (!conditions.isOvertaken) announced += await tell(view, conditions.present, ports);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return { accounts: accounts.length, recovered, announced };
}

type Conditions = ReadonlyMap<string, AccountCondition>;

interface PausesEnded {
  readonly present: Conditions;
  readonly ended: number;
  /** Somebody else changed a condition meanwhile: what it is now, the next minute sees. */
  readonly isOvertaken: boolean;
}

async function endPauses(account: Account, ports: RecoverPorts): Promise<PausesEnded> {
  const { accountId } = account;
  const now = ports.now();
  const present = new Map([[wholeAccount, account.condition], ...Object.entries(account.familyConditions)]);
  let ended = 0;
  let isOvertaken = false;
  for (const [part, condition] of present) {
    const family = part === wholeAccount ? undefined : part;
    const next = afterPause(condition, now);
    const isReplaced = next !== undefined && (await ports.replaceCondition(accountId, family, condition, next));
    if (isReplaced) {
      present.set(part, next);
      ended += 1;
    } else if (next !== undefined) {
      isOvertaken = true;
    }
    const keptMilliseconds = isAccused(condition) ? accusalKeptMilliseconds : familyKeptMilliseconds;
    const isForgotten = condition.state === "healthy" && condition.since + keptMilliseconds < now;
    if (family !== undefined && isForgotten) await ports.dropFamily(accountId, family, condition);
  }
  return { present, ended, isOvertaken };
}

async function tell(view: AccountView, present: Conditions, ports: RecoverPorts): Promise<number> {
  const { account } = view;
  const { accountId, name, provider, platform } = account;
  const facts = { accountId, name, provider, platform };
  const told = account.told ?? {};
  const next: Record<string, string> = {};
  const events: AccountEvent[] = [];
  for (const part of new Set([...present.keys(), ...Object.keys(told)])) {
    const family = part === wholeAccount ? null : part;
    const before = told[part];
    const { state, until, isQuiet } = standingOfPart(view, part, present, ports.now());
    if (state === "healthy") {
      if (before === undefined) continue;
      if (isUnproven(before, present.get(part))) {
        next[part] = before;
        continue;
      }
      events.push({ name: "RelayAccountRecovered", detail: { ...facts, family, was: before } });
      continue;
    }
    if (isQuiet) {
      if (before !== undefined) next[part] = before;
      continue;
    }
    next[part] = state;
    if (state === before) continue;
    const said = state === dailyQuota ? "Its daily quota is spent." : await ports.lastSaid(accountId);
    const isBlocked = state === "unauthorised" || state === "blocked";
    const end = until === null ? null : new Date(until).toISOString();
    events.push(
      isBlocked
        ? { name: "RelayAccountBlocked", detail: { ...facts, state, said } }
        : { name: "RelayAccountLimited", detail: { ...facts, state, family, until: end, said } },
    );
  }
  for (const event of events) await ports.announce(event);
  if (events.length > 0) await ports.keepTold(accountId, next);
  return events.length;
}

/** A list of models brought it back; whether messages pass, the first of them shows. Nobody is told of each turn of that. */
function isUnproven(told: string, condition: AccountCondition | undefined): boolean {
  const wasLockedOut = told === "unauthorised" || told === "blocked";
  return wasLockedOut && condition !== undefined && condition.failures > 0;
}

interface PartStanding {
  readonly state: string;
  readonly until: number | null;
  /** Not worth telling yet. */
  readonly isQuiet: boolean;
}

function standingOfPart(view: AccountView, part: string, present: Conditions, now: number): PartStanding {
  const condition = present.get(part);
  const accusal = condition !== undefined && isAccused(condition) ? condition : undefined;
  if (condition !== undefined && condition.state !== "healthy" && accusal === undefined) {
    const isOwnPause = condition.state === "failing" || condition.state === "overloaded";
    return { ...condition, isQuiet: isOwnPause && condition.failures < failuresToTell };
  }
  const { dailyQuotaNanoUsd } = view.account;
  const isSpent = dailyQuotaNanoUsd !== null && loadOf(view, now).spentTodayNanoUsd >= dailyQuotaNanoUsd;
  if (part === wholeAccount && isSpent) return { state: dailyQuota, until: nextDayAt(now), isQuiet: false };
  if (accusal !== undefined) {
    // It stands until a success, also between its pauses.
    const { state, since, until } = accusal;
    if (until === null) return { state: "failing", until, isQuiet: true };
    return { state, until, isQuiet: until - since < accusalToTellMilliseconds };
  }
  return { state: "healthy", until: null, isQuiet: false };
}

function isAccused({ accusedBy, failures }: AccountCondition): boolean {
  return accusedBy !== undefined && failures > 0;
}
