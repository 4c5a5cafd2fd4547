// The outcome line counts what happened, and never makes a broken run look like a good one.
import { describe, expect, it } from "vitest";
import { type CountedModule, countTests, outcomeLine } from "./reporter.ts";

function madeUpModule(states: readonly string[], isOk = !states.includes("failed")): CountedModule {
  const tests = states.map((state) => ({ result: () => ({ state }) }));
  return { ok: () => isOk, children: { allTests: () => tests } };
}

describe("the outcome of a test run", () => {
  it("counts tests over all files", () => {
    const modules = [madeUpModule(["passed", "passed", "skipped"]), madeUpModule(["passed", "failed", "failed"])];
    expect(outcomeLine(countTests(modules, []))).toBe("3 passed, 2 failed, 1 skipped");
  });

  it("counts a file that could not be loaded as a failure", () => {
    expect(countTests([madeUpModule([], false)], [])).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });

  it("counts a failing hook whose tests all passed as a failure", () => {
    expect(countTests([madeUpModule(["passed"], false)], [])).toEqual({ passed: 1, failed: 1, skipped: 0 });
  });

  it("counts errors outside every test as failures", () => {
    expect(countTests([madeUpModule(["passed"])], [new Error("lost")])).toEqual({ passed: 1, failed: 1, skipped: 0 });
  });

  it("counts a test that never ended as a failure", () => {
    expect(countTests([madeUpModule(["pending"], false)], []).failed).toBe(1);
  });
});
