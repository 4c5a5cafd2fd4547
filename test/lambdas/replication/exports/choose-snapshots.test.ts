// Of each database the newest usable snapshot is exported; all others have a reason, and only real problems are told.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Choice,
  type ChoiceRules,
  chooseRequested,
  chooseSnapshots,
} from "../../../../lambdas/replication/exports/choose-snapshots.ts";
import type { ExportItem } from "../../../../lambdas/replication/exports/export-item.ts";
import { exportIdOf, type Snapshot, taskIdOf } from "../../../../lambdas/replication/exports/snapshot.ts";
import { hoursAgo, rules, snapshot } from "./snapshot-facts.ts";

type Known = Partial<Pick<ExportItem, "state" | "requested" | "attempt">>;

function choose(list: readonly (Snapshot & { known?: Known })[], changes: Partial<ChoiceRules> = {}) {
  const known = new Map(
    list.flatMap((one) => (one.known ? [[exportIdOf(one.arn), { state: "waiting", ...one.known } as ExportItem]] : [])),
  );
  return chooseSnapshots(list, known, { ...rules, ...changes });
}

const verdicts = (choices: readonly Choice[]) =>
  Object.fromEntries(choices.map((one) => [one.snapshot.snapshotId, one.verdict]));
const reported = (choices: readonly Choice[]) =>
  choices.filter(({ isReported }) => isReported).map((one) => one.snapshot.snapshotId);

const at = (snapshotId: string, hours: number, changes: Partial<Snapshot> & { known?: Known } = {}) => ({
  ...snapshot({ snapshotId, takenAt: hoursAgo(hours), ...changes }),
  ...(changes.known && { known: changes.known }),
});

describe("of each database", () => {
  it("the newest usable snapshot is exported, older ones are superseded, and nobody is told of them", () => {
    const choices = choose([
      at("old", 50),
      at("new", 1),
      at("middle", 20),
      at("ledger", 3, { databaseId: "ledger", isCluster: true }),
    ]);
    expect(verdicts(choices)).toEqual({ new: "export", middle: "superseded", old: "superseded", ledger: "export" });
    expect(reported(choices)).toEqual([]);
  });

  it("an unusable newest one is told, and the usable one before it is exported", () => {
    const choices = choose([
      at("broken", 1, { status: "failed" }),
      at("good", 20),
      at("broken-too", 30, { status: "failed" }),
    ]);
    expect(verdicts(choices)).toEqual({ broken: "refused", good: "export", "broken-too": "set-aside" });
    expect(reported(choices)).toEqual(["broken"]);
  });

  it("that cannot be exported at all, one snapshot alone is told", () => {
    const choices = choose([1, 2, 3].map((hours) => at(`oracle-${hours}`, hours, { engine: "oracle-ee" })));
    expect(reported(choices)).toEqual(["oracle-1"]);
  });

  it("one that is not made yet does not stand in the way", () => {
    expect(verdicts(choose([at("coming", 0, { status: "creating" }), at("there", 20)]))).toEqual({
      coming: "set-aside",
      there: "export",
    });
  });

  it("a newest one that is too old is refused and told; of a database that is gone, only set aside", () => {
    const live = choose([at("old", 30)]);
    expect([verdicts(live), reported(live)]).toEqual([{ old: "refused" }, ["old"]]);
    const gone = choose([at("old", 30)], { liveDatabases: new Set() });
    expect([verdicts(gone), reported(gone)]).toEqual([{ old: "set-aside" }, []]);
    expect(verdicts(choose([at("last", 3)], { liveDatabases: new Set() }))).toEqual({ last: "export" });
  });
});

describe("what was done before", () => {
  it.each(["complete", "partial"] as const)("is not done again when it is %s, unless it is forced", (state) => {
    expect(verdicts(choose([at("done", 1, { known: { state } })]))).toEqual({ done: "already-exported" });
    expect(verdicts(choose([at("done", 1, { known: { state } })], { force: true }))).toEqual({ done: "export" });
  });

  it("is told of when nothing newer has come in time", () => {
    const choices = choose([at("done", 30, { known: { state: "complete" } })]);
    expect([verdicts(choices), reported(choices)]).toEqual([{ done: "already-exported" }, ["done"]]);
  });

  it.each<[string, Known]>([
    ["runs", { state: "running" }],
    ["waits because somebody asked for it", { state: "waiting", requested: true }],
  ])("keeps its place beside a newer one when it %s", (_what, known) => {
    expect(verdicts(choose([at("old", 20, { known }), at("new", 1)]))).toEqual({ new: "export", old: "export" });
  });

  it("gives way to a newer one when it only waited", () => {
    expect(verdicts(choose([at("old", 20, { known: { state: "waiting" } }), at("new", 1)])).old).toBe("superseded");
  });

  it("is adopted when it runs, even if the snapshot could not be exported any more", () => {
    expect(verdicts(choose([at("going", 1, { status: "deleting", known: { state: "running" } })]))).toEqual({
      going: "export",
    });
  });

  it("is tried again after a failure, but not for ever", () => {
    expect(verdicts(choose([at("s", 1, { known: { state: "failed", attempt: 4 } })]))).toEqual({ s: "export" });
    const given = choose([at("s", 1, { known: { state: "failed", attempt: 5 } })]);
    expect([verdicts(given), reported(given)]).toEqual([{ s: "refused" }, ["s"]]);
    expect(verdicts(choose([at("s", 1, { known: { state: "failed", attempt: 5 } })], { force: true }))).toEqual({
      s: "export",
    });
  });
});

describe("what somebody asks for by its ARN", () => {
  it("is exported whatever its age, refused where RDS cannot, and not done twice", () => {
    const list = [at("ancient", 9_000), at("theirs", 1, { type: "shared" }), at("done", 1)];
    const known = new Map([[exportIdOf(list[2]?.arn ?? ""), { state: "complete" } as ExportItem]]);
    const choices = chooseRequested(list, known, rules);
    expect(verdicts(choices)).toEqual({ ancient: "export", theirs: "refused", done: "already-exported" });
    expect(reported(choices)).toEqual(["theirs"]);
  });
});

describe("always", () => {
  const anySnapshot = fc.record({
    databaseId: fc.constantFrom("orders", "gone"),
    status: fc.constantFrom("available", "failed", "creating"),
    engine: fc.constantFrom("mysql", "oracle-ee"),
    hours: fc.nat(60),
    state: fc.constantFrom(undefined, "waiting", "complete", "failed"),
  });

  it("each snapshot has one verdict, each refusal a reason, and no database more than one new export", () => {
    fc.assert(
      fc.property(fc.array(anySnapshot, { maxLength: 30 }), (list) => {
        const snapshots = list.map(({ hours, state, ...rest }, index) =>
          at(`s${index}`, hours, { ...rest, ...(state && { known: { state } as Known }) }),
        );
        const choices = choose(snapshots);
        expect(choices).toHaveLength(snapshots.length);
        for (const one of choices) expect(one.reason === null).toBe(one.verdict === "export");
        for (const databaseId of ["orders", "gone"]) {
          const own = choices.filter((one) => one.snapshot.databaseId === databaseId);
          expect(own.filter(({ verdict }) => verdict === "export").length).toBeLessThanOrEqual(1);
          expect(own.filter(({ isReported }) => isReported).length).toBeLessThanOrEqual(2);
        }
      }),
    );
  });

  it("task ids are what RDS takes: a letter first, at most 60 letters, digits and single hyphens", () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 999 }), (arn, attempt) => {
        expect(taskIdOf(exportIdOf(arn), attempt)).toMatch(/^(?=.{1,60}$)[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
      }),
    );
  });
});
