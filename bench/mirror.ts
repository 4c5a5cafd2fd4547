// npm run bench:mirror: Causeway's mirror functions against rclone copy, between the same two far ends, interleaved.
import { rcloneVersion } from "./copy/contestants.ts";
import type { Measured } from "./copy/measure-process.ts";
import { type CaseName, type MirrorCase, makeCase } from "./mirror/cases.ts";
import { type ContestantName, contestantNames, runners } from "./mirror/contestants.ts";
import { checkAndEmptyOss, type FarEnds, fillS3, startFarEnds } from "./mirror/far-ends.ts";
import { type MirrorBenchOptions, readOptions } from "./mirror/options.ts";
import { type CaseFigures, figuresOf, jsonOf, tableOf } from "./mirror/report.ts";

const options = readOptions(process.argv.slice(2));
if (options !== undefined) await bench(options);

async function bench(options: MirrorBenchOptions): Promise<void> {
  const rclone = rcloneVersion();
  if (rclone === undefined) {
    options.say(
      "rclone is not installed, so there is nothing to compare with: install it with `apt-get install rclone`.",
    );
  }
  const names = contestantNames.filter((name) => name !== "rclone" || rclone !== undefined);
  const farEnds = await startFarEnds();
  try {
    const figures: Partial<Record<CaseName, CaseFigures>> = {};
    for (const name of options.cases) {
      const mirrorCase = makeCase(name, options.objects, options.sizeBytes);
      const measured = await runCase(farEnds, mirrorCase, names, options);
      const ofCase = Object.fromEntries(names.map((each) => [each, figuresOf(measured.get(each) ?? [], mirrorCase)]));
      figures[name] = ofCase;
      options.say(tableOf(mirrorCase, ofCase, options.runs, rclone));
    }
    if (options.json) process.stdout.write(`${jsonOf(figures)}\n`);
  } finally {
    farEnds.stop();
  }
}

async function runCase(
  farEnds: FarEnds,
  mirrorCase: MirrorCase,
  names: readonly ContestantName[],
  { runs, say }: MirrorBenchOptions,
): Promise<Map<ContestantName, Measured[]>> {
  const firstCrc64 = await fillS3(farEnds, mirrorCase);
  const measured = new Map<ContestantName, Measured[]>(names.map((name) => [name, []]));
  for (let run = 1; run <= runs; run += 1) {
    for (const name of names) {
      const takenBefore = farEnds.cpuSeconds();
      const result = await runners[name](farEnds, mirrorCase, run);
      const takenThere = farEnds.cpuSeconds() - takenBefore;
      await checkAndEmptyOss(farEnds, mirrorCase, firstCrc64);
      measured.get(name)?.push(result);
      const { seconds, cpuSeconds, peakRssMiB } = result;
      say(
        `${mirrorCase.name} run ${run} of ${runs}  ${name.padEnd(9)} ${seconds.toFixed(2)} s, ` +
          `${cpuSeconds.toFixed(2)} s of processor, ${peakRssMiB.toFixed(0)} MiB (far ends: ${takenThere.toFixed(2)} s of processor)`,
      );
    }
  }
  return measured;
}
