// Choosing an account: who may serve at all, tiers, priority, algorithms, stickiness, and why there is none.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Account } from "../../../../lambdas/relay/scheduling/account.ts";
import {
  type Asked,
  type Choice,
  chooseAccount,
  ownerOf,
} from "../../../../lambdas/relay/scheduling/choose-account.ts";
import { groupSchema } from "../../../../lambdas/relay/scheduling/group.ts";
import { servingState } from "../../../../lambdas/relay/scheduling/serving-state.ts";
import type { AccountView } from "../../../../lambdas/relay/scheduling/snapshot.ts";
import { relaySettingsSchema } from "../../../../lambdas/relay/settings.ts";
import { accountOf, askedOf, type Doing, randomFrom, snapshotOf, start, viewOf } from "./sample-accounts.ts";

const second = 1000;

function choose(views: readonly AccountView[], facts: Partial<Asked> = {}): Choice {
  return chooseAccount(askedOf(snapshotOf(views), facts));
}

function idsOf(choice: Choice): string[] {
  return choice.kind === "accounts" ? choice.accounts.map(({ view }) => view.account.accountId) : [];
}

function tierOf(facts: Partial<Account>, doing: Doing = {}, asked: Partial<Asked> = {}): number | undefined {
  const choice = choose([viewOf(accountOf("a", facts), doing)], asked);
  return choice.kind === "accounts" ? choice.accounts[0]?.tier : undefined;
}

const pausedUntil = (until: number | null, state: Account["condition"]["state"] = "rate-limited") =>
  ({ state, since: start - second, until, failures: 1 }) as const;

describe("an account may serve only", () => {
  const cases: [string, Partial<Account>, Partial<Asked>][] = [
    ["requests of its platform", { platform: "openai" }, {}],
    ["while it is schedulable", { schedulable: false }, {}],
    ["with a credential", { credentialVersion: 0 }, {}],
    ["until it expires", { expiresAt: new Date(start).toISOString() }, {}],
    ["models on its list", { models: ["claude-haiku-*"] }, {}],
    ["keys that are not bound to another account", {}, { boundTo: { kind: "account", accountId: "b" } }],
    ["keys that are not bound to another group", { groups: ["blue"] }, { boundTo: { kind: "group", group: "red" } }],
    ["once", {}, { tried: new Set(["a"]) }],
    ["things that live in it", {}, { owner: "b" }],
  ];
  it.each(cases)("%s", (_, facts, asked) => {
    expect(choose([viewOf(accountOf("a", facts))], asked).kind).toBe("none");
    expect(idsOf(choose([viewOf(accountOf("a"))]))).toEqual(["a"]);
  });

  it("models that its list or its mapping names, with wildcards, and without a list all", () => {
    const served = (facts: Partial<Account>, model: string) =>
      idsOf(choose([viewOf(accountOf("a", facts))], { model }));
    expect(served({ models: ["claude-*"] }, "claude-opus-5-5")).toEqual(["a"]);
    expect(served({ models: ["other"], modelMapping: { "gpt-*": "x" } }, "gpt-7")).toEqual(["a"]);
    expect(served({}, "whatever")).toEqual(["a"]);
    expect(served({ models: ["claude-*"] }, "")).toEqual(["a"]);
  });
});

describe("tiers are", () => {
  it("1: well and lightly loaded, at any model", () => {
    expect(tierOf({ concurrency: 10 }, { taken: 4 })).toBe(1);
    expect(tierOf({}, { answers: 1000, errors: 49 })).toBe(1);
    expect(tierOf({}, { answers: 3, errors: 1 })).toBe(1);
  });

  it("2: well and naming the model, when loaded or with some errors", () => {
    expect(tierOf({ concurrency: 10, models: ["claude-opus-*"] }, { taken: 5 })).toBe(2);
    expect(tierOf({ models: ["claude-opus-5-5"] }, { answers: 1000, errors: 50 })).toBe(2);
  });

  it("3: well", () => {
    expect(tierOf({ concurrency: 10 }, { taken: 5 })).toBe(3);
    expect(tierOf({}, { answers: 100, errors: 19 })).toBe(3);
  });

  it("4: its pause over or nearly over, or too many errors", () => {
    expect(tierOf({ condition: pausedUntil(start) })).toBe(4);
    expect(tierOf({ condition: pausedUntil(start + 10 * second, "failing") })).toBe(4);
    expect(tierOf({ condition: pausedUntil(start + 10 * second, "overloaded") })).toBe(4);
    expect(tierOf({}, { answers: 100, errors: 20 })).toBe(4);
  });

  it("5: standby, also when it is well", () => {
    expect(tierOf({ standby: true })).toBe(5);
  });

  it("none: paused, limited for the family, full, or its daily quota spent", () => {
    expect(tierOf({ condition: pausedUntil(start + 10 * second) })).toBeUndefined();
    expect(tierOf({ condition: pausedUntil(start + 11 * second, "failing") })).toBeUndefined();
    expect(tierOf({ condition: pausedUntil(null, "blocked") })).toBeUndefined();
    expect(tierOf({ familyConditions: { opus: pausedUntil(start + second) } })).toBeUndefined();
    expect(tierOf({ familyConditions: { sonnet: pausedUntil(start + second) } })).toBe(1);
    expect(tierOf({ concurrency: 2 }, { taken: 2 })).toBeUndefined();
    const spent = { spentByDay: { "20261120": 500 } };
    expect(tierOf({ dailyQuotaNanoUsd: 500 }, spent)).toBeUndefined();
    expect(tierOf({ dailyQuotaNanoUsd: 501 }, spent)).toBe(1);
    expect(tierOf({ dailyQuotaNanoUsd: 500 }, { spentByDay: { "20261119": 500 } })).toBe(1);
  });

  it("tried in their order, and within one by priority", () => {
    const views = [
      viewOf(accountOf("standby", { standby: true, priority: 1 })),
      viewOf(accountOf("recoverable", { condition: pausedUntil(start) })),
      viewOf(accountOf("loaded", { concurrency: 10, priority: 1 }), { taken: 6 }),
      viewOf(accountOf("named", { concurrency: 10, models: ["claude-*"] }), { taken: 6 }),
      viewOf(accountOf("light", { priority: 200 })),
      viewOf(accountOf("first", { priority: 7 })),
    ];
    expect(idsOf(choose(views))).toEqual(["first", "light", "named", "loaded", "recoverable", "standby"]);
  });
});

it("what this environment assigned since the snapshot counts, and what it gave back", () => {
  const own = (view: AccountView, open: number): AccountView => ({ ...view, own: { open, lastAssignedAt: start } });
  const full = viewOf(accountOf("a", { concurrency: 2 }), { taken: 1 });
  expect(idsOf(choose([own(full, 1)]))).toEqual([]);
  expect(idsOf(choose([own(viewOf(accountOf("a", { concurrency: 2 }), { taken: 2 }), -1)]))).toEqual(["a"]);
  const rested = viewOf(accountOf("b"), { lastAssignedAt: start - second });
  expect(idsOf(choose([own(viewOf(accountOf("a")), 1), rested]))).toEqual(["b", "a"]);
});

it("a group's own algorithm counts for keys that are bound to it, else that of the settings", () => {
  const views = [
    viewOf(accountOf("late", { groups: ["blue"], weight: 1000 }), { lastAssignedAt: start - 1 }),
    viewOf(accountOf("early", { groups: ["blue"], weight: 1 }), { lastAssignedAt: start - 2 }),
  ];
  const groups = [groupSchema.parse({ group: "blue", algorithm: "weighted-random" })];
  const settings = relaySettingsSchema.parse({});
  const snapshot = snapshotOf(views, { groups, settings });
  expect(idsOf(chooseAccount(askedOf(snapshot)))).toEqual(["early", "late"]);
  const boundTo = { kind: "group", group: "blue" } as const;
  expect(idsOf(chooseAccount(askedOf(snapshot, { boundTo })))).toEqual(["late", "early"]);
});

describe("a session", () => {
  const other = viewOf(accountOf("b", { priority: 1 }));
  const chosen = (view: AccountView, asked: Partial<Asked> = {}) => {
    const choice = choose([other, view], { session: "a", ...asked });
    return choice.kind === "accounts" ? [idsOf(choice)[0], choice.left?.why] : [];
  };

  it("stays with its account, whatever its priority and load", () => {
    expect(chosen(viewOf(accountOf("a")))).toEqual(["a", undefined]);
    expect(chosen(viewOf(accountOf("a", { concurrency: 10 }), { taken: 9 }))).toEqual(["a", undefined]);
    expect(chosen(viewOf(accountOf("a", { condition: pausedUntil(start) })))).toEqual(["a", undefined]);
  });

  const leaving: [string, AccountView, string][] = [
    ["limited", viewOf(accountOf("a", { condition: pausedUntil(start + second) })), "rate-limited"],
    ["failing", viewOf(accountOf("a", { condition: pausedUntil(start + second, "failing") })), "failing"],
    ["blocked", viewOf(accountOf("a", { condition: pausedUntil(null, "blocked") })), "blocked"],
    ["switched off", viewOf(accountOf("a", { schedulable: false })), "unschedulable"],
    ["expired", viewOf(accountOf("a", { expiresAt: new Date(start).toISOString() })), "expired"],
    ["full", viewOf(accountOf("a", { concurrency: 1 }), { taken: 1 }), "full"],
    ["standby", viewOf(accountOf("a", { standby: true })), "standby"],
    ["another model's", viewOf(accountOf("a", { models: ["x"] })), "model"],
  ];
  it.each(leaving)("leaves an account that is %s, and says why", (_, view, why) => {
    expect(chosen(view)).toEqual(["b", why]);
  });

  it("leaves an account that failed it, or is gone", () => {
    expect(chosen(viewOf(accountOf("a")), { tried: new Set(["a"]) })).toEqual(["b", "failed"]);
    expect(chosen(viewOf(accountOf("c", { priority: 900 })))).toEqual(["b", "gone"]);
  });

  it("stays with a shaky account where no healthy one is there", () => {
    const shaky = viewOf(accountOf("a", { condition: pausedUntil(start + second, "failing") }));
    const choice = choose([viewOf(accountOf("b", { condition: pausedUntil(start) })), shaky], { session: "a" });
    expect(idsOf(choice)).toEqual(["a", "b"]);
  });
});

describe("without an account", () => {
  const refusal = (views: readonly AccountView[], facts: Partial<Asked> = {}) => {
    const choice = choose(views, facts);
    return choice.kind === "none" ? choice.refusal : undefined;
  };

  it("the earliest end of the limits is told", () => {
    const views = [
      viewOf(accountOf("a", { condition: pausedUntil(start + 90 * second) })),
      viewOf(accountOf("b", { condition: pausedUntil(start + 60 * second) })),
      viewOf(accountOf("c", { condition: pausedUntil(null, "blocked") })),
      viewOf(accountOf("d", { platform: "openai" })),
    ];
    expect(refusal(views)).toMatchObject({ name: "AccountsLimited", facts: { resetAt: start + 60 * second } });
  });

  it("of two limits of one account the later counts, and a spent quota ends at midnight", () => {
    const both = accountOf("a", {
      condition: pausedUntil(start + 60 * second),
      familyConditions: { opus: pausedUntil(start + 90 * second) },
    });
    expect(refusal([viewOf(both)])?.facts.resetAt).toBe(start + 90 * second);
    const spent = viewOf(accountOf("a", { dailyQuotaNanoUsd: 1 }), { spentByDay: { "20261120": 1 } });
    expect(refusal([spent])?.facts.resetAt).toBe(Date.parse("2026-11-21T00:00:00.000Z"));
  });

  it("that is only full, a moment is told", () => {
    const full = viewOf(accountOf("a", { concurrency: 1 }), { taken: 1 });
    expect(refusal([full])).toMatchObject({ name: "AccountsLimited", facts: { resetAt: start + second } });
  });

  it("that waiting would bring back, no time is told, and no account is named", () => {
    const dead = viewOf(accountOf("a", { condition: pausedUntil(null, "unauthorised") }));
    const refused = refusal([dead]);
    expect(refused).toMatchObject({ name: "NoAccount", facts: {} });
    expect(refused?.message).not.toMatch(/Account a/);
    expect(refusal([])?.name).toBe("NoAccount");
  });

  it("for a thing whose account is gone, the thing is not there", () => {
    expect(refusal([viewOf(accountOf("a"))], { owner: "gone" })?.name).toBe("ThingNotFound");
    const limited = viewOf(accountOf("a", { condition: pausedUntil(start + second) }));
    expect(refusal([limited, viewOf(accountOf("b"))], { owner: "a" })?.name).toBe("AccountsLimited");
  });
});

it("things belong to the one account that made them, or are not there", () => {
  const owners = new Map([
    ["one", "a"],
    ["two", "a"],
    ["three", "b"],
  ]);
  expect(ownerOf(owners, [])).toBeUndefined();
  expect(ownerOf(owners, ["one", "two"])).toBe("a");
  expect(() => ownerOf(owners, ["one", "three"])).toThrow("does not exist");
  expect(() => ownerOf(owners, ["one", "unknown"])).toThrow("does not exist");
});

it("whatever the fleet, each account is chosen at most once, none that cannot serve, and none is forgotten", () => {
  const state = fc.constantFrom("healthy", "rate-limited", "failing", "blocked") as fc.Arbitrary<
    Account["condition"]["state"]
  >;
  const facts = fc.record({
    priority: fc.integer({ min: 0, max: 3 }),
    weight: fc.integer({ min: 1, max: 1000 }),
    standby: fc.boolean(),
    schedulable: fc.boolean(),
    concurrency: fc.integer({ min: 1, max: 4 }),
    taken: fc.integer({ min: 0, max: 4 }),
    state,
    until: fc.option(fc.integer({ min: start - 20_000, max: start + 20_000 })),
  });
  const algorithm = fc.constantFrom(
    "round-robin",
    "weighted-random",
    "least-connections",
    "response-time",
  ) as fc.Arbitrary<"round-robin" | "weighted-random" | "least-connections" | "response-time">;
  fc.assert(
    fc.property(fc.array(facts, { maxLength: 9 }), algorithm, fc.integer(), (many, chosenAlgorithm, seed) => {
      const views = many.map(({ taken, state: present, until, ...rest }, at) => {
        const condition = {
          state: present,
          since: start - 30_000,
          until: present === "blocked" ? null : until,
          failures: 1,
        };
        return viewOf(accountOf(`a${at}`, { ...rest, condition }), { taken });
      });
      const settings = relaySettingsSchema.parse({ algorithm: chosenAlgorithm });
      const choice = chooseAccount(askedOf(snapshotOf(views, { settings }), { random: randomFrom(seed) }));
      const usable = views.filter((view) => servingState(view, start).now).map(({ account }) => account.accountId);
      expect(idsOf(choice).toSorted()).toEqual(usable.toSorted());
    }),
  );
});
