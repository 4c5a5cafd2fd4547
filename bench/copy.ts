// npm run bench:copy: Causeway's copy Lambda against rclone and against a bare pipe, interleaved, medians of all rounds.
import { rmSync } from "node:fs";
import { type BenchCase, cases } from "./copy/cases.ts";
import { makeCertificate } from "./copy/certificate.ts";
import { checkRound, expectedChecksums } from "./copy/check-proof.ts";
import {
  type ContestantName,
  contestantNames,
  copyItem,
  rcloneVersion,
  runners,
  type Track,
} from "./copy/contestants.ts";
import type { Measured } from "./copy/measure-process.ts";
import { type BenchOptions, readOptions } from "./copy/options.ts";
import { readSeen } from "./copy/read-seen.ts";
import { type Figures, figuresOf, jsonOf, tableOf } from "./copy/report.ts";
import { startStandIn } from "./copy/stand-in-process.ts";

const options = readOptions(process.argv.slice(2));
if (options !== undefined) await bench(options);

async function bench(options: BenchOptions): Promise<void> {
  const { say } = options;
  const benchCase: BenchCase = {
    ...cases[options.caseName],
    ...(options.sizeBytes === undefined ? {} : { sizeBytes: options.sizeBytes }),
  };
  const rclone = rcloneVersion();
  if (rclone === undefined) {
    say("rclone is not installed, so there is nothing to compare with: install it with `apt-get install rclone`.");
  }
  const certificate = options.tls ? makeCertificate() : undefined;
  const { sourceBytesPerSecond: bytesPerSecond, partDelayMilliseconds, sizeBytes } = benchCase;
  const tls = certificate ? { certificate } : {};
  const source = await startStandIn({ role: "source", settings: { sizeBytes, bytesPerSecond }, ...tls });
  const settings = { partDelayMilliseconds, copyItem: copyItem(benchCase, source.url) };
  const sink = await startStandIn({ role: "sink", settings, ...tls });
  try {
    const track = { benchCase, sourceUrl: source.url, sinkUrl: sink.url, certificateFile: certificate?.file };
    const names = contestantNames.filter((name) => name !== "rclone" || rclone !== undefined);
    const measured = await runRounds(track, names, options);
    const figures = Object.fromEntries(
      names.map((name) => [name, figuresOf(measured.get(name) ?? [], sizeBytes)]),
    ) as Partial<Record<ContestantName, Figures>>;
    say(tableOf(figures, { title: benchCase.title, sizeBytes, rounds: options.rounds, rclone, tls: options.tls }));
    if (options.json) process.stdout.write(`${jsonOf(figures)}\n`);
  } finally {
    source.stop();
    sink.stop();
    if (certificate) rmSync(certificate.folder, { recursive: true, force: true });
  }
}

async function runRounds(
  track: Track,
  names: readonly ContestantName[],
  { rounds, say }: BenchOptions,
): Promise<Map<ContestantName, Measured[]>> {
  const expected = expectedChecksums(track.benchCase);
  const measured = new Map<ContestantName, Measured[]>(names.map((name) => [name, []]));
  // The simple program is not told how many parts to run: it gets as many as Causeway chose in the same round.
  let { partsAtOnce } = track.benchCase;
  for (let round = 1; round <= rounds; round++) {
    for (const name of names) {
      const result = await runners[name](track, partsAtOnce);
      const seen = await readSeen(track.sinkUrl, track.certificateFile);
      checkRound(name, track.benchCase, seen, expected);
      if (name === "causeway") partsAtOnce = seen.mostPartsAtOnce;
      measured.get(name)?.push(result);
      const { seconds, cpuSeconds, peakRssMiB } = result;
      say(
        `round ${round} of ${rounds}  ${name.padEnd(9)} ${seconds.toFixed(2)} s, ${cpuSeconds.toFixed(2)} s of processor, ` +
          `${peakRssMiB.toFixed(0)} MiB, ${seen.mostPartsAtOnce} parts at once`,
      );
    }
  }
  return measured;
}
