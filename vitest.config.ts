import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Against hanging alone: on a loaded machine, runs that are killed at each of their calls take many times their usual seconds.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // Two cores, and most workflow tests boot a local cloud each: more workers only fight for the processor.
    maxWorkers: 2,
    reporters: ["default", "./test/reporter.ts"],
    globalSetup: ["./test/synthesise-once.ts"],
    // A stalled machine answers late, not wrongly: the default of one second would be a race.
    expect: { poll: { timeout: 30_000 } },
    setupFiles: ["./test/patience.ts"],
    // CommonJS packages look as they do in Node, where Lambda runs them.
    deps: { interopDefault: false },
  },
});
