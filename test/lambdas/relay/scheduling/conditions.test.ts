// Conditions: what answers make of accounts, growing pauses, old answers, recovery, and what is told of it.
import { describe, expect, it } from "vitest";
import type { AccountChange } from "../../../../lambdas/relay/providers/provider.ts";
import type { Account, AccountCondition } from "../../../../lambdas/relay/scheduling/account.ts";
import { AccountConditions, type ErrorNote } from "../../../../lambdas/relay/scheduling/conditions.ts";
import {
  afterFailure,
  afterList,
  afterPause,
  afterSuccess,
  growingPausesMilliseconds,
  healthy,
} from "../../../../lambdas/relay/scheduling/next-condition.ts";
import { type AccountEvent, recoverAccounts } from "../../../../lambdas/relay/scheduling/recover-accounts.ts";
import { accountOf, type Doing, snapshotOf, start, viewOf } from "./sample-accounts.ts";

const minute = 60_000;
const hour = 60 * minute;
const failing: AccountChange = { state: "failing", said: "500" };

describe("an account that fails", () => {
  it("is paused for longer each time, up to half an hour, until it succeeds", () => {
    let condition: AccountCondition = healthy(start);
    let now = start;
    const pauses: number[] = [];
    for (let failure = 0; failure < 9; failure += 1) {
      const next = afterFailure(condition, failing, now, now);
      if (next?.until === undefined || next.until === null) throw new Error("no pause");
      pauses.push(next.until - now);
      now = next.until;
      // The schedule lets it try again, and does not forget.
      condition = afterPause(next, now) ?? next;
      expect(condition.state).toBe("healthy");
    }
    expect(pauses).toEqual([...growingPausesMilliseconds, 30 * minute, 30 * minute]);
    expect(afterSuccess(condition, now, now)).toEqual(healthy(now));
  });

  it("counts once for all requests that were under way", () => {
    const first = afterFailure(healthy(start), failing, start + 10, start + 100);
    expect(first?.failures).toBe(1);
    expect(afterFailure(first, failing, start + 50, start + 110)).toBeUndefined();
    expect(afterFailure(first, failing, start + 100, start + 200)?.failures).toBe(2);
  });
});

describe("an account whose lists of models are answered while its messages are refused", () => {
  const refused: AccountChange = { state: "blocked", said: "403" };

  it("is brought back by a list after a longer time for each message that locked it out again", () => {
    let condition: AccountCondition = healthy(start);
    let now = start;
    const hours: number[] = [];
    for (let turn = 0; turn < 8; turn += 1) {
      const lockedOutAt = now;
      condition = afterFailure(condition, refused, now, now, "key") ?? condition;
      expect([condition.state, condition.until]).toEqual(["blocked", null]);
      let back: AccountCondition | undefined;
      for (let test = 0; back === undefined && test < 100; test += 1) {
        back = afterList(condition, now, now);
        if (back === undefined) now += hour;
      }
      hours.push((now - lockedOutAt) / hour);
      condition = back ?? condition;
      expect(condition.state).toBe("healthy");
    }
    expect(hours).toEqual([0, 1, 2, 4, 8, 24, 24, 24]);
    expect(afterSuccess(condition, now, now), "and a message that succeeds forgets it all").toEqual(healthy(now));
  });

  it("does not wait for longer because tests, or requests that were on their way, say the same again", () => {
    const first = afterFailure(healthy(start), refused, start, start, "key");
    if (first === undefined) throw new Error("it is not locked out");
    expect(afterFailure(first, refused, start + minute, start + minute)).toBeUndefined();
    expect(afterFailure(first, refused, start + 1, start + 2, "another key")).toBeUndefined();
    expect(afterFailure(first, { state: "unauthorised", said: "401" }, start + 1, start + 2)?.state).toBe(
      "unauthorised",
    );
    expect(afterList(first, start + 5 * hour, start + 5 * hour)).toEqual(healthy(start + 5 * hour, 1));
    expect(afterList(first, start - 1, start + 5 * hour), "a test from before it").toBeUndefined();
  });

  it("that only fails is brought back at once, and its pauses go on growing; one key's word ends with any success", () => {
    const third = { ...healthy(start, 3), state: "failing", until: start + minute } as const;
    expect(afterList(third, start, start + 1)).toEqual(healthy(start + 1, 3));
    expect(afterList({ ...third, accusedBy: "key" }, start, start + 1)).toMatchObject({
      state: "healthy",
      failures: 0,
    });
    expect(afterList(healthy(start), start, start + 1)).toBeUndefined();
  });
});

describe("a pause", () => {
  const untilOf = (change: AccountChange, failures = 0) =>
    afterFailure({ ...healthy(start), failures }, change, start, start)?.until;

  it("lasts as long as the answer states, within bounds", () => {
    expect(untilOf({ state: "rate-limited", until: start + 5 * hour, said: "" })).toBe(start + 5 * hour);
    expect(untilOf({ state: "rate-limited", until: start - 5, said: "" })).toBe(start + 1000);
    expect(untilOf({ state: "overloaded", until: Number.POSITIVE_INFINITY, said: "" })).toBe(start + 10_000);
    expect(untilOf({ state: "overloaded", until: start + 24 * hour, said: "" })).toBe(start + 30 * minute);
    expect(untilOf({ state: "quota-spent", until: start + 400 * 24 * hour, said: "" })).toBe(start + 35 * 24 * hour);
  });

  it("has a length of its own where the answer states none", () => {
    expect(untilOf({ state: "rate-limited", said: "" })).toBe(start + minute);
    expect(untilOf({ state: "rate-limited", said: "" }, 4)).toBe(start + 5 * minute);
    expect(untilOf({ state: "overloaded", said: "" }, 8)).toBe(start + 2 * minute);
    expect(untilOf({ state: "quota-spent", said: "" })).toBe(start + hour);
  });

  it("has no end where only a person can help, and a passing error does not give it one", () => {
    expect(untilOf({ state: "blocked", until: start + 5, said: "" })).toBeNull();
    const dead = afterFailure(healthy(start), { state: "unauthorised", said: "" }, start, start);
    expect(afterFailure(dead, failing, start + minute, start + minute)).toBeUndefined();
    expect(dead && afterPause(dead, start + 400 * 24 * hour)).toBeUndefined();
    expect(dead && afterSuccess(dead, start + minute, start + minute)?.state).toBe("healthy");
  });
});

it("a success that was sent before the account fell ill does not heal it", () => {
  const ill = afterFailure(healthy(start), failing, start, start + 100);
  expect(ill && afterSuccess(ill, start + 99, start + 5000)).toBeUndefined();
  expect(ill && afterSuccess(ill, start + 100, start + 5000)).toEqual(healthy(start + 5000));
  expect(afterSuccess(healthy(start), start + 1, start + 2)).toBeUndefined();
});

/** One account in memory, changed by others behind the caller's back. */
function conditionStage(account: Account) {
  const stage = {
    kept: account as Account | undefined,
    notes: [] as ErrorNote[],
    learned: [] as (string | undefined)[],
    changes: [] as string[],
    failures: [] as unknown[],
    writes: 0,
    now: start + 1000,
  };
  const conditionOf = (family: string | undefined) =>
    family === undefined ? stage.kept?.condition : stage.kept?.familyConditions[family];
  const conditions = new AccountConditions({
    store: {
      account: async () => stage.kept,
      replaceCondition: async (_accountId, family, seen, next) => {
        stage.writes += 1;
        if (stage.kept === undefined || conditionOf(family)?.since !== seen?.since) return false;
        stage.kept =
          family === undefined
            ? { ...stage.kept, condition: next }
            : { ...stage.kept, familyConditions: { ...stage.kept.familyConditions, [family]: next } };
        return true;
      },
    },
    history: {
      noteError: async (note) => {
        stage.notes.push(note);
      },
    },
    fleet: { learn: (_accountId, family, { state }) => stage.learned.push(`${family ?? "all"} ${state}`) },
    now: () => stage.now,
    onChange: (_accountId, family, { state }) => stage.changes.push(`${family ?? "all"} ${state}`),
    onFailure: (error) => stage.failures.push(error),
  });
  return { stage, conditions };
}

describe("what an answer says of an account", () => {
  it("is written, learned at once, and noted in the history", async () => {
    const account = accountOf("a");
    const { stage, conditions } = conditionStage(account);
    const change: AccountChange = { state: "rate-limited", until: start + hour, family: "opus", said: "429 slow down" };
    await conditions.changed(account, change, start);
    expect(stage.kept?.familyConditions.opus).toMatchObject({ state: "rate-limited", until: start + hour });
    expect(stage.kept?.condition.state).toBe("healthy");
    expect(stage.notes).toEqual([
      {
        accountId: "a",
        at: stage.now,
        state: "rate-limited",
        family: "opus",
        until: start + hour,
        said: "429 slow down",
      },
    ]);
    expect(stage).toMatchObject({ learned: ["opus rate-limited"], changes: ["opus rate-limited"], failures: [] });
  });

  it("gives way to what somebody wrote since the request was sent, and learns that", async () => {
    const account = accountOf("a");
    const { stage, conditions } = conditionStage(account);
    stage.kept = { ...account, condition: { state: "blocked", since: start + 500, until: null, failures: 1 } };
    await conditions.changed(account, failing, start + 400);
    expect(stage.kept.condition.state).toBe("blocked");
    expect(stage).toMatchObject({ learned: ["all blocked"], changes: [], writes: 1 });
    expect(stage.notes).toHaveLength(1);
  });

  it("to a credential that was replaced meanwhile does not lock out the new one, and heals nothing", async () => {
    const account = accountOf("a");
    const { stage, conditions } = conditionStage(account);
    // A Lambda whose snapshot is a little old sends the old credential on.
    const replaced = { ...account, credentialVersion: 2, condition: healthy(start + 500) };
    stage.kept = replaced;
    await conditions.changed(account, { state: "unauthorised", said: "401" }, start + 600);
    expect(stage.kept).toEqual(replaced);
    const wrong: AccountCondition = { state: "unauthorised", since: start + 550, until: null, failures: 1 };
    const ill = accountOf("a", { condition: { ...wrong, since: start - 10 } });
    stage.kept = { ...replaced, condition: wrong };
    await conditions.works(ill, undefined, start + 600);
    expect(stage.kept.condition).toEqual(wrong);
    expect(stage.learned).toEqual([]);
  });

  it("of an account that was deleted meanwhile changes nothing", async () => {
    const account = accountOf("a");
    const { stage, conditions } = conditionStage(account);
    stage.kept = undefined;
    await conditions.changed(account, failing, start);
    expect(stage).toMatchObject({ learned: [], failures: [] });
  });

  it("is no reason to fail a request where it cannot be written", async () => {
    const { stage, conditions } = conditionStage(accountOf("a"));
    const broken = new AccountConditions({
      store: {
        account: async () => undefined,
        replaceCondition: async () => {
          throw new Error("no DynamoDB");
        },
      },
      history: { noteError: () => Promise.reject(new Error("no history")) },
      fleet: undefined,
      now: () => start,
      onChange: () => undefined,
      onFailure: (error) => stage.failures.push(error),
    });
    await broken.changed(accountOf("a"), failing, start);
    expect(stage.failures).toHaveLength(2);
    await conditions.works(accountOf("a"), undefined, start);
    expect(stage.writes).toBe(0);
  });

  it("is undone by a success, for the account and the family of the model, and costs nothing where all is well", async () => {
    const ill: AccountCondition = { state: "failing", since: start - 10, until: start, failures: 3 };
    const account = accountOf("a", { condition: ill, familyConditions: { opus: ill, sonnet: ill } });
    const { stage, conditions } = conditionStage(account);
    await conditions.works(account, "opus", start);
    expect(stage.kept?.condition).toEqual(healthy(stage.now));
    expect(stage.kept?.familyConditions.opus).toEqual(healthy(stage.now));
    expect(stage.kept?.familyConditions.sonnet).toEqual(ill);
    const { writes } = stage;
    if (stage.kept !== undefined) await conditions.works(stage.kept, "opus", stage.now);
    expect(stage.writes).toBe(writes);
  });
});

describe("each minute", () => {
  const paused = (state: AccountCondition["state"], until: number | null, failures = 1): AccountCondition => ({
    state,
    since: start - hour,
    until,
    failures,
  });

  async function recover(account: Account, doing: Doing = {}, isQuicker = true) {
    const events: AccountEvent[] = [];
    const told: Readonly<Record<string, string>>[] = [];
    const written: string[] = [];
    const dropped: string[] = [];
    const report = await recoverAccounts({
      read: async () => snapshotOf([viewOf(account, doing)]),
      replaceCondition: async (_accountId, family, _seen, next) => {
        written.push(`${family ?? "all"} ${next.state} ${next.failures}`);
        return isQuicker;
      },
      dropFamily: async (_accountId, family) => {
        dropped.push(family);
        return true;
      },
      lastSaid: async () => "429 slow down",
      announce: async (event) => {
        events.push(event);
      },
      keepTold: async (_accountId, next) => {
        told.push(next);
      },
      now: () => start,
    });
    return { events, told, written, dropped, report };
  }

  it("pauses that are over end, of the account and of families, and those that are not stay", async () => {
    const { written, dropped, report } = await recover(
      accountOf("a", {
        condition: paused("failing", start - 1, 2),
        familyConditions: {
          opus: paused("rate-limited", start),
          sonnet: paused("rate-limited", start + 1),
          haiku: { ...healthy(start - 2 * hour) },
          fable: { ...healthy(start - 23 * hour, 1), accusedBy: "key" },
          mythos: { ...healthy(start - 25 * hour, 1), accusedBy: "key" },
        },
      }),
    );
    expect(written).toEqual(["all healthy 2", "opus healthy 0"]);
    expect(dropped).toEqual(["haiku", "mythos"]);
    expect(report).toMatchObject({ accounts: 1, recovered: 2 });
  });

  it("a limit is told once, and its end", async () => {
    const limited = accountOf("a", { condition: paused("rate-limited", start + hour) });
    const first = await recover(limited);
    expect(first.events).toEqual([
      {
        name: "RelayAccountLimited",
        detail: {
          accountId: "a",
          name: "Account a",
          provider: "anthropic",
          platform: "anthropic",
          state: "rate-limited",
          family: null,
          until: new Date(start + hour).toISOString(),
          said: "429 slow down",
        },
      },
    ]);
    expect(first.told).toEqual([{ "": "rate-limited" }]);
    const told = { "": "rate-limited" };
    expect((await recover({ ...limited, told })).events).toEqual([]);
    const over = await recover(accountOf("a", { condition: paused("rate-limited", start), told }));
    expect(over.events).toMatchObject([{ name: "RelayAccountRecovered", detail: { was: "rate-limited" } }]);
    expect(over.told).toEqual([{}]);
  });

  it("an account that cannot be looked after keeps no other one back, and is told of at the end", async () => {
    const over = paused("failing", start - 1);
    const told = { "": "failing" };
    const views = ["a", "b", "c"].map((id) => viewOf(accountOf(id, { condition: over, told })));
    const [ended, announced]: [string[], string[]] = [[], []];
    const run = recoverAccounts({
      read: async () => snapshotOf(views),
      replaceCondition: async (accountId) => {
        if (accountId === "b") throw new Error("a broken item");
        ended.push(accountId);
        return true;
      },
      dropFamily: async () => true,
      lastSaid: async () => "",
      announce: async ({ detail }) => {
        if (detail.accountId === "a") throw new Error("no bus");
        announced.push(detail.accountId);
      },
      keepTold: async () => undefined,
      now: () => start,
    });
    await expect(run).rejects.toThrow("no bus");
    expect([ended, announced]).toEqual([["a", "c"], ["c"]]);
  });

  it("one key's word alone is told when it went on for minutes without a success, once, and its end", async () => {
    const accusal = { ...paused("failing", start + minute, 5), accusedBy: "key" };
    const told = { "": "failing" };
    expect((await recover(accountOf("a", { condition: { ...accusal, since: start - minute } }))).events).toEqual([]);
    const spent = accountOf("a", { condition: { ...accusal, since: start - minute }, dailyQuotaNanoUsd: 7 });
    expect((await recover(spent, { spentByDay: { "20261120": 7 } })).told).toEqual([{ "": "daily-quota" }]);
    const long = { ...accusal, since: start - 4 * minute };
    expect((await recover(accountOf("a", { condition: long }))).told).toEqual([told]);
    // Between its pauses it is neither over nor told again.
    const between = { ...long, until: start };
    const { events, written } = await recover(accountOf("a", { condition: between, told }));
    expect([events, written]).toEqual([[], ["all healthy 5"]]);
    const well = { ...healthy(start), accusedBy: "key" };
    expect((await recover(accountOf("a", { condition: well, told }))).events).toMatchObject([
      { name: "RelayAccountRecovered", detail: { was: "failing" } },
    ]);
  });

  it("nothing is told of an account that somebody else changed at the same moment", async () => {
    const over = accountOf("a", { condition: paused("rate-limited", start), told: { "": "rate-limited" } });
    const { events, told, report } = await recover(over, {}, false);
    expect([events, told, report.recovered]).toEqual([[], [], 0]);
  });

  it("an account that the upstream refuses is told as blocked, also after it was told as limited", async () => {
    const blocked = accountOf("a", { condition: paused("unauthorised", null), told: { "": "rate-limited" } });
    expect((await recover(blocked)).events).toMatchObject([
      { name: "RelayAccountBlocked", detail: { state: "unauthorised" } },
    ]);
  });

  it("an account that a list of models brought back is told as recovered when a message has succeeded, and no turn before", async () => {
    const told = { "": "blocked" };
    const back = accountOf("a", { condition: healthy(start, 1), told });
    expect(await recover(back)).toMatchObject({ events: [], told: [] });
    expect((await recover(accountOf("a", { condition: paused("blocked", null, 2), told }))).events).toEqual([]);
    expect((await recover(accountOf("a", { condition: healthy(start), told }))).events).toMatchObject([
      { name: "RelayAccountRecovered", detail: { was: "blocked" } },
    ]);
  });

  it("short pauses of a failing account are not told of, until there were three", async () => {
    const failed = (failures: number) => accountOf("a", { condition: paused("failing", start + minute, failures) });
    expect((await recover(failed(2))).events).toEqual([]);
    expect((await recover(failed(3))).events).toMatchObject([{ name: "RelayAccountLimited" }]);
    expect((await recover({ ...failed(2), told: { "": "failing" } })).events).toEqual([]);
  });

  it("a spent daily quota is told, and a family that is gone from the account has recovered", async () => {
    const spent = { spentByDay: { "20261120": 7 } };
    const quota = await recover(accountOf("a", { dailyQuotaNanoUsd: 7, told: { opus: "rate-limited" } }), spent);
    expect(quota.events).toMatchObject([
      { name: "RelayAccountLimited", detail: { state: "daily-quota", until: "2026-11-21T00:00:00.000Z" } },
      { name: "RelayAccountRecovered", detail: { family: "opus", was: "rate-limited" } },
    ]);
    expect(quota.told).toEqual([{ "": "daily-quota" }]);
  });
});
