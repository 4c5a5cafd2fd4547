// What the mirror benchmark says at its end: medians as a table for people and as JSON for programs.

import type { Measured } from "../copy/measure-process.ts";
import { median, round } from "../copy/report.ts";
import type { CaseName, MirrorCase } from "./cases.ts";
import type { ContestantName } from "./contestants.ts";

export interface MirrorFigures {
  readonly objectsPerSecond: number;
  /** Millions of bytes per second, from start to end of the process. */
  readonly mbPerSecond: number;
  readonly cpuSecondsPerGiB: number;
  readonly cpuSecondsPer1000Objects: number;
  readonly peakRssMiB: number;
}

export type CaseFigures = Readonly<Partial<Record<ContestantName, MirrorFigures>>>;

/** Medians of the runs. */
export function figuresOf(runs: readonly Measured[], { objects, totalBytes }: MirrorCase): MirrorFigures {
  const medianOf = (figure: (run: Measured) => number) => median(runs.map(figure));
  return {
    objectsPerSecond: round(
      medianOf(({ seconds }) => objects.length / seconds),
      2,
    ),
    mbPerSecond: round(
      medianOf(({ seconds }) => totalBytes / 1e6 / seconds),
      1,
    ),
    cpuSecondsPerGiB: round(
      medianOf(({ cpuSeconds }) => cpuSeconds / (totalBytes / 2 ** 30)),
      3,
    ),
    cpuSecondsPer1000Objects: round(
      medianOf(({ cpuSeconds }) => (cpuSeconds * 1000) / objects.length),
      3,
    ),
    peakRssMiB: round(
      medianOf(({ peakRssMiB }) => peakRssMiB),
      1,
    ),
  };
}

const titles: Readonly<Record<CaseName, (mirrorCase: MirrorCase) => string>> = {
  small: ({ objects, totalBytes }) =>
    `small: ${objects.length} objects of 1 to 64 KiB, ${(totalBytes / 2 ** 20).toFixed(1)} MiB in all`,
  large: ({ totalBytes }) => `large: one object of ${totalBytes / 2 ** 20} MiB`,
};

export function tableOf(
  mirrorCase: MirrorCase,
  figures: CaseFigures,
  runs: number,
  rclone: string | undefined,
): string {
  const lines = [
    "",
    `${titles[mirrorCase.name](mirrorCase)}; local S3 to local OSS, medians of ${runs}, Node ${process.versions.node}, ${rclone ?? "no rclone"}`,
    "            objects/s     MB/s  CPU s/GiB  CPU s/1,000 objects  peak RSS MiB",
  ];
  for (const [name, one] of Object.entries(figures)) {
    const columns = [
      one.objectsPerSecond.toFixed(2).padStart(11),
      one.mbPerSecond.toFixed(1).padStart(8),
      one.cpuSecondsPerGiB.toFixed(2).padStart(10),
      mirrorCase.name === "small" ? one.cpuSecondsPer1000Objects.toFixed(2).padStart(20) : "-".padStart(20),
      one.peakRssMiB.toFixed(1).padStart(13),
    ];
    lines.push(`${name.padEnd(10)}${columns.join(" ")}`);
  }
  const { causeway, rclone: other } = figures;
  if (causeway !== undefined && other !== undefined) {
    const speed = (causeway.mbPerSecond / other.mbPerSecond).toFixed(2);
    const work = (causeway.cpuSecondsPerGiB / other.cpuSecondsPerGiB).toFixed(2);
    lines.push(`causeway has ${speed} of rclone's throughput and takes ${work} of its processor time`);
  }
  return lines.join("\n");
}

/** Without rclone on the machine its key is null; a case that was not run is absent. */
export function jsonOf(figures: Readonly<Partial<Record<CaseName, CaseFigures>>>): string {
  const cases = Object.entries(figures).map(([name, { causeway = null, rclone = null }]) => [
    name,
    { causeway, rclone },
  ]);
  return JSON.stringify(Object.fromEntries(cases));
}
