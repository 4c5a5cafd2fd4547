// Before all tests: the stage `local`, synthesised once as `npm start` does it, for every test that boots a local cloud.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { assemblyVariable, testAssembly } from "./test-assembly.ts";

export default function synthesiseOnce(): () => void {
  const done = spawnSync(process.execPath, ["bin/causeway.ts"], {
    env: { ...process.env, CAUSEWAY_STAGE: "local", CDK_OUTDIR: testAssembly },
    encoding: "utf8",
  });
  if (done.status !== 0) throw new Error(`The app could not be synthesised:\n${done.stdout}${done.stderr}`);
  process.env[assemblyVariable] = testAssembly;
  return () => rmSync(dirname(testAssembly), { recursive: true, force: true });
}
