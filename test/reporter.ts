// Prints the outcome as the very last line, alone and plain, for programs that read the output of `npm test`.
import type { Reporter, SerializedError, TestModule } from "vitest/node";

export interface TestCounts {
  passed: number;
  failed: number;
  skipped: number;
}

/** The part of vitest's TestModule that is counted. */
export interface CountedModule {
  ok(): boolean;
  readonly children: { allTests(): Iterable<{ result(): { readonly state: string } }> };
}

/** Counts tests; a file that could not be loaded and an error outside every test count as failed, never as nothing. */
export function countTests(modules: readonly CountedModule[], unhandled: readonly unknown[]): TestCounts {
  const counts: TestCounts = { passed: 0, failed: unhandled.length, skipped: 0 };
  for (const module of modules) {
    let failedTests = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") counts.passed += 1;
      else if (state === "skipped") counts.skipped += 1;
      else failedTests += 1;
    }
    // A hook's error fails the file or its suites, but none of the tests.
    counts.failed += failedTests > 0 || module.ok() ? failedTests : 1;
  }
  return counts;
}

export function outcomeLine({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

export default class OutcomeReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    process.stdout.write(`${outcomeLine(countTests(modules, unhandled))}\n`);
  }
}
