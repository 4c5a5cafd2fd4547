// Silence as a rule: from when on it counts, that it is told once and again a day later, and what is not silence.
import { describe, expect, it } from "vitest";
import {
  checkDatabase,
  checkQueue,
  checkSchedule,
  databasesToCheck,
  type ScheduleFacts,
  type Watched,
} from "../../../../lambdas/alerts/silence/check-silence.ts";
import { lookForSilence, type SilencePorts } from "../../../../lambdas/alerts/silence/look-for-silence.ts";

const now = Date.parse("2026-11-20T10:00:00.000Z");
const hoursAgo = (hours: number) => new Date(now - hours * 3_600_000).toISOString();

describe("a database", () => {
  const check = (known: Partial<Watched> | undefined) => {
    const { name, ...finding } = checkDatabase("rm-1", known && { item: "database#rm-1", ...known }, 30, now);
    return [name, "reportedAt" in finding];
  };

  it.each([
    ["was never seen and is watched from now on", undefined, null],
    ["was never seen, for less than the limit", { since: hoursAgo(29) }, null],
    ["was never seen, for longer", { since: hoursAgo(31) }, "NothingNew"],
    ["has a recovery point", { since: hoursAgo(500), lastAt: hoursAgo(29) }, null],
    ["has an old one", { since: hoursAgo(500), lastAt: hoursAgo(31) }, "NothingNew"],
    ["was reported today", { since: hoursAgo(500), lastAt: hoursAgo(40), reportedAt: hoursAgo(9) }, null],
    ["was reported yesterday", { since: hoursAgo(500), lastAt: hoursAgo(60), reportedAt: hoursAgo(24) }, "NothingNew"],
  ] as const)("that %s", (_why, known, expected) => {
    expect(check(known)).toEqual([expected, expected !== null]);
  });

  it("says when its last recovery point came, and that there never was one", () => {
    const finding = checkDatabase(
      "rm-1",
      { item: "database#rm-1", lastAt: hoursAgo(31), since: hoursAgo(99) },
      30,
      now,
    );
    expect(finding).toMatchObject({ detail: { databaseId: "rm-1", lastAt: hoursAgo(31), hours: 30 } });
    expect(checkDatabase("rm-1", { item: "database#rm-1", since: hoursAgo(31) }, 30, now)).toMatchObject({
      detail: { lastAt: null },
    });
  });

  it("is looked at when it is expected, or was seen within ninety days", () => {
    const watched = [
      { item: "database#seen", lastAt: hoursAgo(48) },
      { item: "database#gone", lastAt: hoursAgo(91 * 24) },
      { item: "database#never", since: hoursAgo(48) },
      { item: "schedule#s", lastAt: hoursAgo(1) },
    ];
    expect(databasesToCheck(["expected", "seen"], watched, now)).toEqual(["expected", "seen"]);
  });
});

describe("a schedule", () => {
  const daily: ScheduleFacts = {
    name: "s",
    exists: true,
    enabled: true,
    // Due at 03:30 UTC: six and a half hours ago.
    expression: "cron(30 3 * * ? *)",
    timeZone: "UTC",
    changedAt: hoursAgo(24 * 30),
  };
  const check = (facts: Partial<ScheduleFacts>, known: Partial<Watched> = {}) =>
    checkSchedule({ ...daily, ...facts }, { item: "schedule#s", since: hoursAgo(24 * 30), ...known }, now).name;

  it.each([
    ["started when it was due", {}, { lastAt: hoursAgo(6.5) }, null],
    ["started yesterday only", {}, { lastAt: hoursAgo(30.5) }, "ScheduleMissed"],
    ["never started", {}, {}, "ScheduleMissed"],
    ["was due within the last hour", { expression: "cron(30 9 * * ? *)" }, { lastAt: hoursAgo(24.5) }, null],
    ["was made after it was due", { changedAt: hoursAgo(2) }, {}, null],
    ["is switched off", { enabled: false }, {}, null],
    ["is gone", { exists: false }, {}, "ScheduleMissed"],
    ["was reported already", {}, { reportedAt: hoursAgo(3) }, null],
    ["runs by a rate, and did", { expression: "rate(6 hours)" }, { lastAt: hoursAgo(6.5) }, null],
    ["runs by a rate, and did not", { expression: "rate(6 hours)" }, { lastAt: hoursAgo(7.5) }, "ScheduleMissed"],
    [
      "runs by a rate that was changed lately",
      { expression: "rate(6 hours)", changedAt: hoursAgo(5) },
      { lastAt: hoursAgo(50) },
      null,
    ],
  ] as const)("that %s", (_why, facts, known, expected) => {
    expect(check(facts, known)).toBe(expected);
  });

  it("that is switched off is no longer reported", () => {
    const known = { item: "schedule#s", since: hoursAgo(99), reportedAt: hoursAgo(30) };
    expect(checkSchedule({ ...daily, enabled: false }, known, now)).toMatchObject({ name: null, reportedAt: null });
  });
});

describe("a queue of dead letters", () => {
  const check = (messages: number, reportedAt?: string) =>
    checkQueue(
      { name: "q", holds: "calls", messages },
      reportedAt === undefined ? undefined : { item: "queue#q", reportedAt },
      now,
    ).name;

  it("is told when it fills, once a day while it is full, and when it is empty again", () => {
    expect(check(0)).toBeNull();
    expect(check(2)).toBe("DeadLettersWaiting");
    expect(check(5, hoursAgo(3))).toBeNull();
    expect(check(5, hoursAgo(25))).toBe("DeadLettersWaiting");
    expect(check(0, hoursAgo(3))).toBe("DeadLettersCleared");
  });
});

describe("a look for silence", () => {
  it("tells before it keeps, and what cannot be asked keeps nothing else from being asked", async () => {
    const done: string[] = [];
    const ports: SilencePorts = {
      expectedDatabaseIds: ["rm-1"],
      nothingNewHours: 30,
      schedules: ["broken", "gone"],
      queues: [{ url: "https://sqs/1/full", holds: "calls" }],
      readWatched: async () => [{ item: "database#rm-1", since: hoursAgo(31) }],
      readSchedule: async (name) => {
        if (name === "broken") throw new Error("not now");
        return { name, exists: false, enabled: false, expression: "", timeZone: "UTC", changedAt: null };
      },
      countMessages: async () => 3,
      send: async ({ name }) => void done.push(`sent ${name}`),
      keep: async ({ item }) => void done.push(`kept ${item}`),
      now,
    };
    await expect(lookForSilence(ports)).rejects.toThrow("not now");
    expect(done).toEqual([
      "sent NothingNew",
      "kept database#rm-1",
      "sent ScheduleMissed",
      "kept schedule#gone",
      "sent DeadLettersWaiting",
      "kept queue#full",
    ]);
  });
});
