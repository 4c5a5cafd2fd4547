// A job as a person sees it, summed from the workers' absolute numbers.
// The sum of a job's workers, as a person sees it.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Job, type JobUnit, viewJob, type WorkerProgress } from "../../../lambdas/shared/jobs.ts";

const at = "2026-11-20T12:00:00.000Z";
const now = Date.parse(at);
const job: Job = {
  jobId: "run",
  kind: "replication-run",
  state: "running",
  phase: "copying",
  startedAt: at,
  heartbeatAt: at,
};
const unit = (unitId: string, bytesTotal: number): JobUnit => ({
  unitId,
  title: unitId,
  phase: "copying",
  bytesTotal,
  startedAt: at,
});
const progress = (unitId: string, worker: string, bytesDone: number): WorkerProgress => ({
  unitId,
  worker,
  bytesDone,
  partsDone: 1,
  at,
  bytesPerSecond: 100,
});

describe("the view of a job", () => {
  it("sums the workers' absolute numbers and tells rate and time left", () => {
    const view = viewJob(job, [unit("a", 1000)], [progress("a", "1", 200), progress("a", "2", 300)], now);
    expect(view).toMatchObject({ bytesDone: 500, bytesTotal: 1000, percent: 50, bytesPerSecond: 200, secondsLeft: 3 });
  });

  it("forgets the rate of a worker that fell silent, not its bytes", () => {
    const view = viewJob(job, [unit("a", 1000)], [progress("a", "1", 200)], now + 60_000);
    expect(view).toMatchObject({ bytesDone: 200, bytesPerSecond: 0, secondsLeft: undefined });
  });

  it("looks at each item of progress so often, whatever the number of units", () => {
    let looks = 0;
    const units = Array.from({ length: 500 }, (_, index) => unit(`u${index}`, 10));
    const items = units.map(({ unitId }) => ({
      ...progress(unitId, "1", 5),
      get unitId() {
        looks += 1;
        return unitId;
      },
    }));
    expect(viewJob(job, units, items, now).bytesDone).toBe(2500);
    expect(looks).toBeLessThan(items.length * 5);
  });

  it("never passes 100 percent, whatever was retried", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5000), { maxLength: 20 }), fc.nat(5000), (done, total) => {
        const items = done.map((bytes, worker) => progress("a", String(worker), bytes));
        const view = viewJob(job, [unit("a", total)], items, now);
        expect(view.percent).toBeLessThanOrEqual(100);
        expect(view.bytesDone).toBeLessThanOrEqual(total);
      }),
    );
  });
});
