import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores, and most workflow tests boot a local cloud each: more workers only fight for the processor.
    maxWorkers: 2,
    reporters: ["default", "./test/reporter.ts"],
    globalSetup: ["./test/synthesise-once.ts"],
    // CommonJS packages look as they do in Node, where Lambda runs them.
    deps: { interopDefault: false },
  },
});
