// Failures that the request itself may have caused: what one key alone says of an account, and when it is more than its word.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { accountViewOf } from "../../../../lambdas/relay/admin/view-account.ts";
import type { AccountChange } from "../../../../lambdas/relay/providers/provider.ts";
import { type AccountCondition, accountConditionSchema } from "../../../../lambdas/relay/scheduling/account.ts";
import { loadOf } from "../../../../lambdas/relay/scheduling/account-load.ts";
import { chooseAccount } from "../../../../lambdas/relay/scheduling/choose-account.ts";
import {
  afterFailure,
  afterPause,
  afterSuccess,
  healthy,
  isHearsay,
} from "../../../../lambdas/relay/scheduling/next-condition.ts";
import { standingOf } from "../../../../lambdas/relay/scheduling/standing.ts";
import { accountOf, askedOf, snapshotOf, start, viewOf } from "./sample-accounts.ts";

const second = 1000;
const minute = 60 * second;
const doubtful: AccountChange = { state: "failing", isDoubtful: true, said: "500" };
const certain: AccountChange = { state: "failing", said: "connect" };

/** What a failure of this key's makes of the account; the same condition where nothing changes. */
const fail = (present: AccountCondition, key: string, now: number, change = doubtful) =>
  afterFailure(present, change, now, now, key) ?? present;

function standing(condition: AccountCondition, keyId: string | undefined, now: number) {
  const account = accountOf("a", { condition });
  return standingOf(account, undefined, loadOf(viewOf(account), now), now, keyId);
}

describe("one key's doubtful failures", () => {
  it("never pause the account, not for the key itself, however often and for however long they come", () => {
    const steps = fc.array(fc.record({ after: fc.integer({ min: 0, max: 20 * minute }), ends: fc.boolean() }));
    fc.assert(
      fc.property(steps, (all) => {
        let condition: AccountCondition = healthy(start - 1);
        let now = start;
        for (const { after, ends } of all) {
          condition = fail(condition, "mine", now);
          expect(condition).toMatchObject({ state: "failing", failures: 1, accusedBy: "mine" });
          expect(standing(condition, "mine", now)).toMatchObject({ kind: "recoverable", why: "failing" });
          expect(standing(condition, "other", now)).toEqual({ kind: "well" });
          now += after;
          // The schedule of a minute comes at any time, or not at all.
          if (ends) condition = afterPause(condition, now) ?? condition;
        }
      }),
    );
  });

  it("make it that key's last choice for ten seconds, and for as long again as they go on, up to half an hour", () => {
    let condition: AccountCondition = healthy(start - 1);
    let now = start;
    const lasted: number[] = [];
    for (let failure = 0; failure < 12; failure += 1) {
      condition = fail(condition, "mine", now);
      if (condition.until === null) throw new Error("no end");
      lasted.push((condition.until - now) / second);
      // While it lasts, more of them change nothing: no write for each.
      expect(afterFailure(condition, doubtful, now + second, now + second, "mine")).toBeUndefined();
      now = condition.until;
      condition = afterPause(condition, now) ?? condition;
    }
    expect(lasted).toEqual([10, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800, 1800]);
  });

  it("are ended by any success since the first of them, and then say no more than before", () => {
    const accused = fail(fail(healthy(start - 1), "mine", start), "mine", start + 15 * second);
    expect(afterSuccess(accused, start - 1, start + 20 * second)).toBeUndefined();
    const well = afterSuccess(accused, start + 5 * second, start + 20 * second);
    expect(well).toEqual({ ...healthy(start + 20 * second), accusedBy: "mine" });
    if (well === undefined) throw new Error("not well");
    expect(standing(well, "mine", start + 21 * second)).toEqual({ kind: "well" });
    expect(isHearsay(well, doubtful, "mine")).toBe(true);
    expect(isHearsay(well, doubtful, "other")).toBe(false);
    expect(isHearsay(well, certain, "mine")).toBe(false);
    expect(fail(well, "other", start + minute)).toMatchObject({ failures: 1, accusedBy: "other" });
  });

  it("do not shorten a pause that rests on more, and what comes after it is again that key's word alone", () => {
    const paused = fail(fail(healthy(start - 1), "mine", start), "other", start + 1);
    expect(afterFailure(paused, doubtful, start + 2, start + 2, "mine")).toBeUndefined();
    const limited: AccountCondition = { state: "rate-limited", since: start, until: start + minute, failures: 1 };
    expect(afterFailure(limited, doubtful, start + 2, start + 2, "mine")).toBeUndefined();
    const again = fail(paused, "mine", start + minute);
    expect(again).toMatchObject({ failures: 2, accusedBy: "mine", until: start + minute + 10 * second });
    expect(standing(again, "mine", start + minute)).toMatchObject({ kind: "recoverable", isPauseOver: false });
    // The others had trouble there themselves, and no success has proved it since.
    expect(standing(again, "other", start + minute)).toMatchObject({ kind: "recoverable", isPauseOver: true });
  });
});

describe("an account is at fault", () => {
  it("when another key's request fails, too: then it is paused for all, and for longer each time", () => {
    let condition: AccountCondition = healthy(start - 1);
    let now = start;
    const lasted: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      condition = fail(fail(condition, "mine", now), "other", now + 1);
      expect(condition.accusedBy).toBeUndefined();
      expect(standing(condition, "third", now + 1)).toMatchObject({ kind: "paused" });
      if (condition.until === null) throw new Error("no end");
      lasted.push((condition.until - now - 1) / second);
      now = condition.until;
      condition = afterPause(condition, now) ?? condition;
    }
    expect(lasted).toEqual([30, 60, 120, 300]);
  });

  it("at once where the failure is certain, or the relay's own test met it", () => {
    const accused = fail(healthy(start - 1), "mine", start);
    expect(fail(accused, "mine", start + 1, certain)).toEqual({
      ...{ state: "failing", since: start + 1, until: start + 1 + 30 * second, failures: 2 },
    });
    expect(afterFailure(healthy(start - 1), doubtful, start, start)).toEqual({
      ...{ state: "failing", since: start, until: start + 10 * second, failures: 1 },
    });
  });
});

it("an accusal outlives the schedule, and a condition of before this was known reads well", () => {
  const accused = fail(healthy(start - 1), "mine", start);
  const over = afterPause(accused, start + minute);
  expect(over).toEqual({ ...accused, state: "healthy", until: null });
  expect(over && fail(over, "other", start + 2 * minute)).toMatchObject({ failures: 2, until: start + 150 * second });
  const old = { state: "failing", since: start, until: start + 1, failures: 2 };
  expect(accountConditionSchema.parse(old)).toEqual(old);
});

it("an account that one key accuses is that key's last choice, and keeps the sessions of all others", () => {
  const accused = fail(healthy(start - minute), "mine", start - second);
  const views = [viewOf(accountOf("a", { condition: accused })), viewOf(accountOf("b", { priority: 200 }))];
  const chosen = (keyId: string) => {
    const choice = chooseAccount(askedOf(snapshotOf(views), { keyId, session: "a" }));
    return choice.kind === "none" ? [] : [choice.accounts.map(({ view }) => view.account.accountId), choice.left];
  };
  expect(chosen("other")).toEqual([["a", "b"], undefined]);
  expect(chosen("mine")).toEqual([["b", "a"], { accountId: "a", why: "failing" }]);
});

it("people see who accuses an account, that it serves on, and no accusal that is over", () => {
  const accused = fail(healthy(start - minute), "mine", start - second);
  const shown = (condition: AccountCondition) => accountViewOf(viewOf(accountOf("a", { condition })), start);
  expect(shown(accused)).toMatchObject({
    condition: { state: "failing", accusedBy: "mine" },
    serving: { now: true, reason: "failing" },
  });
  const well = afterSuccess(accused, start, start) ?? accused;
  expect(shown(well)).toMatchObject({ condition: { state: "healthy", accusedBy: null }, serving: { reason: null } });
});
