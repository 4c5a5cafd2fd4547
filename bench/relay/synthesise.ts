// The templates that Causeway is booted from, made once for all processes of a run.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assemblyVariable } from "../../test/test-assembly.ts";

/**
 * Processes that are started from now on find it; a test that has made it already is asked for nothing. Throws with what the
 * app said when it cannot be synthesised.
 */
export function synthesise(): { remove(): void } {
  if (process.env[assemblyVariable] !== undefined) return { remove: () => undefined };
  const folder = mkdtempSync(join(tmpdir(), "causeway-bench-relay-"));
  const assemblyDirectory = join(folder, "cdk.out");
  const done = spawnSync(process.execPath, [join(import.meta.dirname, "../../bin/causeway.ts")], {
    env: { ...process.env, CAUSEWAY_STAGE: "local", CDK_OUTDIR: assemblyDirectory },
    encoding: "utf8",
  });
  if (done.status !== 0) throw new Error(`The app could not be synthesised:\n${done.stdout}${done.stderr}`);
  process.env[assemblyVariable] = assemblyDirectory;
  return { remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }) };
}
