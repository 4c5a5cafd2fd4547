// Where the tests' synthesised templates lie: one folder per test run, so that two runs in one tree do not meet.
import { resolve } from "node:path";

/** Set by test/synthesise-once.ts for the workers of its own run. */
export const assemblyVariable = "CAUSEWAY_TEST_ASSEMBLY";

export const testAssembly =
  process.env[assemblyVariable] ?? resolve(import.meta.dirname, `../.causeway/test/${process.pid}/cdk.out`);
