// npm run test:clis: the real Claude Code, Codex and Gemini CLI against the relay of a local cloud, by the lines of `npm start`.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setInColumns } from "../../cli/terminal-text.ts";
import { RelayRig } from "../relay/relay-rig.ts";
import synthesiseOnce from "../synthesise-once.ts";
import type { Seen } from "./play-scene.ts";
import { programs } from "./programs.ts";
import { startRefusingProxy } from "./run-program.ts";
import { prepareStandIn, scenarios } from "./scenarios.ts";

/** More than the scenarios spoil. */
const accountsPerPlatform = 5;

const chosen = process.argv.slice(2);
const cleanUp = synthesiseOnce();
const folder = mkdtempSync(path.join(tmpdir(), "causeway-clis-"));
const proxy = await startRefusingProxy();
const rig = await RelayRig.start();
let isGood = true;
try {
  const rows: string[][] = [["PROGRAM", "SCENE", "SEEN", "RESULT"]];
  for (const program of programs.filter(({ name }) => chosen.length === 0 || chosen.includes(name))) {
    for (let account = 0; account < accountsPerPlatform; account += 1) await rig.addAccount(program.platform);
    await rig.passSnapshot();
    const workFolder = path.join(folder, `work-${program.name}`);
    mkdirSync(workFolder);
    for (const { name, isFor, run } of scenarios) {
      if (isFor?.(program) === false) continue;
      prepareStandIn(rig.cloud);
      const surroundings = { folder, proxyUrl: proxy.url };
      const seen: Seen = await run({ rig, program, workFolder, surroundings }).catch((error: unknown) => ({
        said: error instanceof Error ? error.message : String(error),
        complaints: ["the scene could not be played to its end"],
        run: undefined,
      }));
      isGood &&= seen.complaints.length === 0;
      rows.push([
        program.name,
        name,
        seen.said,
        seen.complaints.length === 0 ? "as it should be" : "NOT AS IT SHOULD BE",
      ]);
      process.stdout.write(`${program.name}: ${name}: ${seen.said}\n`);
      for (const complaint of seen.complaints) process.stdout.write(`  complaint: ${complaint}\n`);
      if (seen.complaints.length > 0 && seen.run !== undefined) {
        process.stdout.write(
          `  its output: ${seen.run.output.slice(-1500)}\n  its errors: ${seen.run.errors.slice(-1500)}\n`,
        );
      }
    }
  }
  process.stdout.write("\n");
  const columns = [{}, {}, { tooLong: "wrap" as const }, {}];
  for (const line of setInColumns(columns, rows, process.stdout.columns ?? 140)) process.stdout.write(`${line}\n`);
  const asked = [...proxy.hosts].sort().join(", ");
  process.stdout.write(`\nAsked for elsewhere, and not let through: ${asked === "" ? "nothing" : asked}\n`);
} finally {
  await rig.close();
  proxy.close();
  rmSync(folder, { recursive: true, force: true });
  cleanUp();
}
process.exitCode = isGood ? 0 : 1;
