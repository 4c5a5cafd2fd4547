// Which attempt is adopted or made, when nothing is started, and that the place of an export is kept through deaths.
import { describe, expect, it } from "vitest";
import type { Claim } from "../../../../lambdas/replication/copy.ts";
import { cancelExport } from "../../../../lambdas/replication/exports/cancel-export.ts";
import type { ExportItem } from "../../../../lambdas/replication/exports/export-item.ts";
import type { ExportTask } from "../../../../lambdas/replication/exports/export-task.ts";
import { followExport, progressOf } from "../../../../lambdas/replication/exports/follow-export.ts";
import { exportableOf, exportIdOf, taskIdOf } from "../../../../lambdas/replication/exports/snapshot.ts";
import {
  type StartInput,
  startAndReport,
  waitSecondsAfter,
} from "../../../../lambdas/replication/exports/start-export.ts";
import { now, snapshot } from "./snapshot-facts.ts";

const me = "arn:aws:states:x:1:execution:me";
const somebody = "arn:aws:states:x:1:execution:somebody";
const found = snapshot();
const exportId = exportIdOf(found.arn);
const line = { exportId, snapshot: exportableOf(found), force: false };
const settings = { bucket: "backups", keyPrefix: "db/", mostConcurrentTasks: 3 };
const input: StartInput = { executionArn: me, line, waits: 0, waitUntil: new Date(now + 3_600_000).toISOString() };

function task(attempt: number, status: string, changes: Partial<ExportTask> = {}): ExportTask {
  return {
    taskId: taskIdOf(exportId, attempt),
    status,
    bucket: "backups",
    prefix: "db/mysql/rds-exports/orders",
    percent: 0,
    startedAt: "2026-11-20T11:00:00.000Z",
    endedAt: null,
    failureCause: null,
    warningMessage: null,
    extractedGigabytes: null,
    ...changes,
  };
}

interface World {
  item?: Partial<ExportItem>;
  tasks?: ExportTask[];
  underWay?: ExportTask[];
  answer?: "started" | "exists" | "no-place";
  /** Of the task that is there already. */
  bucket?: string;
  isClosed?: boolean;
  isCancelRequested?: boolean;
  isQuicker?: boolean;
}

function worldOf(world: World) {
  const done: unknown[][] = [];
  const note =
    (name: string) =>
    async (...words: unknown[]) => {
      done.push([name, ...words]);
    };
  const ports = {
    exports: {
      read: async () => (world.item === undefined ? undefined : ({ exportId, ...world.item } as ExportItem)),
      claim: async (_line: unknown, state: string, _claim: Claim, seen: Claim | undefined) => {
        done.push(["claim", state, seen?.executionArn ?? null]);
        return world.isQuicker !== true;
      },
      reserveAttempt: note("reserve"),
      noteRunning: note("running"),
      leaveWaiting: note("leave"),
      letGo: note("let go"),
    },
    tasks: {
      ofSnapshot: async () => world.tasks ?? [],
      underWay: async () => world.underWay ?? [],
      read: async (taskId: string) => task(1, "STARTING", { taskId, bucket: world.bucket ?? "backups" }),
      start: async (wish: { taskId: string; prefix: string }) => {
        done.push(["start", wish.taskId, wish.prefix]);
        return world.answer ?? ("started" as const);
      },
    },
    isExecutionClosed: async () => world.isClosed ?? false,
    isCancelRequested: async () => world.isCancelRequested ?? false,
    now: () => now,
  };
  const units: object[] = [];
  const start = (given: Partial<StartInput> = {}) =>
    startAndReport({ ...input, ...given }, settings, ports, async (changes) => void units.push(changes));
  return { start, done, units };
}

const startedOf = (done: readonly unknown[][]) => done.filter(([name]) => name === "start").map(([, id]) => id);
const others = (count: number): ExportTask[] =>
  Array.from({ length: count }, (_, index) => task(0, "IN_PROGRESS", { taskId: `other-${index}`, bucket: "theirs" }));
const own = (count: number): ExportTask[] =>
  Array.from({ length: count }, (_, index) => task(1, "STARTING", { taskId: taskIdOf(exportIdOf(`own-${index}`), 1) }));

describe("an attempt", () => {
  it("is the first one where there was none, under the engine's prefix, its number kept before it is asked for", async () => {
    const { start, done } = worldOf({});
    expect(await start()).toEqual({
      outcome: "follow",
      taskId: `${exportId}-a1`,
      prefix: "db/mysql/rds-exports/orders",
      waitSeconds: 30,
      isAdopted: false,
    });
    expect(done.map(([name]) => name)).toEqual(["claim", "reserve", "start", "running"]);
  });

  it.each(["STARTING", "IN_PROGRESS", "CANCELING", "COMPLETE"])("that RDS calls %s is adopted", async (status) => {
    const { start, done } = worldOf({ tasks: [task(1, "FAILED"), task(2, status)] });
    expect(await start()).toMatchObject({ outcome: "follow", taskId: `${exportId}-a2`, isAdopted: true });
    expect(startedOf(done)).toEqual([]);
  });

  it.each(["FAILED", "CANCELED"])("after one that RDS calls %s is the next one", async (status) => {
    const { start, done } = worldOf({ tasks: [task(2, status), task(1, "FAILED")] });
    await start();
    expect(startedOf(done)).toEqual([`${exportId}-a3`]);
  });

  it("is made anew after a complete one only when it is forced, and once in a run", async () => {
    const tasks = [task(1, "COMPLETE")];
    const forced = worldOf({ tasks });
    await forced.start({ line: { ...line, force: true } });
    expect(startedOf(forced.done)).toEqual([`${exportId}-a2`]);
    // The same execution again, after a death: its own attempt is adopted, whatever became of it.
    const again = worldOf({ tasks: [...tasks, task(2, "FAILED")], item: { attempt: 2, attemptBy: me } });
    expect(await again.start({ line: { ...line, force: true } })).toMatchObject({
      taskId: `${exportId}-a2`,
      isAdopted: true,
    });
    expect(startedOf(again.done)).toEqual([]);
  });

  it("whose number was kept and whose task never came to be uses that number", async () => {
    const { start, done } = worldOf({ tasks: [task(1, "FAILED")], item: { attempt: 2, attemptBy: somebody } });
    await start();
    expect(startedOf(done)).toEqual([`${exportId}-a2`]);
  });

  it("whose task RDS has forgotten is not made under the same id", async () => {
    const item = { attempt: 4, attemptBy: somebody, taskId: taskIdOf(exportId, 4) };
    const { start, done } = worldOf({ item });
    await start();
    expect(startedOf(done)).toEqual([`${exportId}-a5`]);
  });

  it("that another stage began in the same moment is waited for, not followed: it writes into another bucket", async () => {
    const { start, done } = worldOf({ answer: "exists", bucket: "other-stage" });
    expect(await start()).toMatchObject({ outcome: "wait", reason: expect.stringContaining("another stage") });
    expect(done.map(([name]) => name)).toEqual(["claim", "reserve", "start"]);
  });

  it("of another stage, with another bucket, is not ours: only its number is taken", async () => {
    const { start, done } = worldOf({ tasks: [task(1, "COMPLETE", { bucket: "other-stage" })] });
    await start();
    expect(startedOf(done)).toEqual([`${exportId}-a2`]);
  });

  it("that is there already, because an answer was lost, is followed", async () => {
    const { start } = worldOf({ answer: "exists" });
    expect(await start()).toMatchObject({ outcome: "follow", isAdopted: true });
  });
});

describe("a place", () => {
  it.each<[string, World, RegExp]>([
    [
      "five tasks run in the account, of whomever",
      { underWay: others(5) },
      /5 export tasks run in the account, 0 of them/,
    ],
    ["Causeway has its share", { underWay: own(3) }, /3 export tasks of Causeway's run/],
    [
      "another tool exports the same snapshot",
      { tasks: [task(0, "STARTING", { taskId: "theirs" })] },
      /another tool exports orders-1/,
    ],
    ["RDS says so", { answer: "no-place" }, /as many export tasks as it may/],
  ])("is waited for while %s", async (_what, world, reason) => {
    const { start, units } = worldOf(world);
    expect(await start({ waits: 2 })).toEqual({
      outcome: "wait",
      waitSeconds: 68,
      reason: expect.stringMatching(reason),
    });
    expect(units).toEqual([{ phase: expect.stringMatching(/^waiting for a free export task: /) }]);
  });

  it("is there while others leave one", async () => {
    const { start } = worldOf({ underWay: [...others(2), ...own(2)] });
    expect(await start()).toMatchObject({ outcome: "follow" });
  });

  it("is not waited for beyond the run's time: the export stays in the queue", async () => {
    const { start, done, units } = worldOf({ underWay: others(5) });
    const started = await start({ waitUntil: new Date(now + 20_000).toISOString() });
    expect(started).toMatchObject({ outcome: "waiting" });
    expect(done.at(-1)).toEqual(["leave", exportId, expect.objectContaining({ error: "ExportSlotsTaken" })]);
    expect(units).toEqual([
      expect.objectContaining({ outcome: "waiting", reason: expect.stringContaining("stays in the queue") }),
    ]);
  });

  it("is waited for longer each time, up to five minutes", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 60].map(waitSecondsAfter)).toEqual([30, 45, 68, 101, 152, 228, 300, 300]);
  });
});

describe("an export that another run has", () => {
  const claim = (seconds: number) => ({
    executionArn: somebody,
    expiresAt: new Date(now + seconds * 1000).toISOString(),
  });

  it.each<[string, World]>([
    ["its lease lasts", { item: { claim: claim(60) }, isClosed: true }],
    ["its execution runs", { item: { claim: claim(-60) }, isClosed: false }],
    ["it was quicker", { isQuicker: true }],
  ])("is left to it while %s", async (_what, world) => {
    const { start, units, done } = worldOf(world);
    await expect(start()).rejects.toMatchObject({ name: "ClaimedElsewhere" });
    expect(units).toEqual([expect.objectContaining({ outcome: "claimed-elsewhere" })]);
    expect(startedOf(done)).toEqual([]);
  });

  it("is taken over when its lease is over and it is closed", async () => {
    const { start, done } = worldOf({ item: { state: "running", claim: claim(-60) }, isClosed: true });
    expect(await start()).toMatchObject({ outcome: "follow" });
    expect(done[0]).toEqual(["claim", "running", somebody]);
  });

  it("is let go again when it has exported it meanwhile", async () => {
    const { start, done } = worldOf({ item: { state: "complete" } });
    expect(await start()).toEqual({ outcome: "already-exported" });
    expect(done.at(-1)).toEqual(["let go", exportId, me, "complete"]);
  });
});

describe("a wish to cancel", () => {
  it("keeps a task from being started, and lets a running one be followed to its cancellation", async () => {
    const fresh = worldOf({ isCancelRequested: true });
    expect(await fresh.start()).toEqual({ outcome: "cancelled" });
    expect(startedOf(fresh.done)).toEqual([]);
    const running = worldOf({ isCancelRequested: true, tasks: [task(1, "IN_PROGRESS")] });
    expect(await running.start()).toMatchObject({ outcome: "follow" });
  });
});

describe("a look at a task", () => {
  function look(found: ExportTask | undefined, isCancelRequested = false, item: Partial<ExportItem> = {}) {
    const cancelled: string[] = [];
    const reports: object[] = [];
    const followed = followExport(
      { executionArn: me, line, taskId: "t", looks: 4 },
      {
        exports: { read: async () => item as ExportItem, renewClaim: async () => undefined },
        tasks: { read: async () => found, cancel: async (id) => void cancelled.push(id) },
        isCancelRequested: async () => isCancelRequested,
        report: async (progress) => void reports.push(progress),
        now: () => now,
      },
    );
    return followed.then((answer) => ({ answer, cancelled, reports }));
  }

  it("tells how far it is, as a share of the snapshot's size", async () => {
    const { answer, reports } = await look(task(1, "IN_PROGRESS", { percent: 45 }));
    expect(answer).toEqual({ state: "running", waitSeconds: 152, percent: 45 });
    expect(reports).toEqual([{ phase: "exporting, 45 %", percent: 45 }]);
    expect(progressOf(line, { phase: "", percent: 45 }, now).bytesDone).toBe(Math.floor(20 * 1024 ** 3 * 0.45));
    expect((await look(task(1, "STARTING"))).reports).toEqual([{ phase: "RDS is restoring the snapshot", percent: 0 }]);
  });

  it("hands a wish to cancel on to RDS, once, and looks again soon", async () => {
    const { answer, cancelled } = await look(task(1, "IN_PROGRESS"), true);
    expect([answer, cancelled]).toEqual([{ state: "running", waitSeconds: 30, percent: 0 }, ["t"]]);
    expect((await look(task(1, "CANCELING"), true)).cancelled).toEqual([]);
  });

  it.each([
    [task(1, "COMPLETE"), { state: "complete" }],
    [task(1, "CANCELED"), { state: "cancelled" }],
    [task(1, "FAILED", { failureCause: "LOB" }), { state: "failed", failure: { Error: "ExportFailed", Cause: "LOB" } }],
    [task(1, "FAILED"), { state: "failed", failure: { Error: "ExportFailed", Cause: "RDS names no cause." } }],
    [
      undefined,
      { state: "failed", failure: { Error: "ExportFailed", Cause: expect.stringContaining("does not know") } },
    ],
  ])("sees its end", async (found, expected) => {
    expect((await look(found)).answer).toEqual(expected);
  });

  it("after a cancellation that was told already says just that", async () => {
    const { answer } = await look(task(1, "CANCELED"), true, { state: "cancelled", endedBy: me });
    expect(answer).toEqual({ state: "ended-cancelled" });
  });
});

describe("the end of a cancelled export", () => {
  it.each([1, 2, 3])("is told even if the call dies at its step %i: the claim goes last", async (diesAt) => {
    const told: string[] = [];
    let steps = 0;
    let isEnded = false;
    const step = async (name: string) => {
      steps += 1;
      if (steps === diesAt) throw new Error("died");
      told.push(name);
      if (name === "end") isEnded = true;
    };
    const ports = {
      updateUnit: () => step("unit"),
      events: { send: () => step("event") },
      exports: { end: () => step("end") },
      now: () => now,
    };
    const whole = () => cancelExport({ runId: "r", executionArn: me, line }, ports);
    await expect(whole()).rejects.toThrow("died");
    expect(isEnded).toBe(false);
    await whole();
    expect(new Set(told)).toEqual(new Set(["unit", "event", "end"]));
    expect(told.at(-1)).toBe("end");
  });
});
