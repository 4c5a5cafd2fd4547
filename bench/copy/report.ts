// What the copy benchmark says at its end: medians as a table for people and as JSON for programs.
import type { ContestantName } from "./contestants.ts";
import type { Measured } from "./measure-process.ts";

export interface Figures {
  /** Millions of bytes per second, from start to end of the process. */
  readonly mbPerSecond: number;
  readonly cpuSecondsPerGiB: number;
  readonly peakRssMiB: number;
}

export interface Circumstances {
  readonly title: string;
  readonly sizeBytes: number;
  readonly rounds: number;
  readonly rclone: string | undefined;
  readonly tls: boolean;
}

/** Medians of the rounds. */
export function figuresOf(rounds: readonly Measured[], sizeBytes: number): Figures {
  return {
    mbPerSecond: round(median(rounds.map(({ seconds }) => sizeBytes / 1e6 / seconds)), 1),
    cpuSecondsPerGiB: round(median(rounds.map(({ cpuSeconds }) => cpuSeconds / (sizeBytes / 2 ** 30))), 3),
    peakRssMiB: round(median(rounds.map(({ peakRssMiB }) => peakRssMiB)), 1),
  };
}

export function tableOf(figures: Partial<Record<ContestantName, Figures>>, about: Circumstances): string {
  const lines = [
    "",
    `${about.title}; ${about.sizeBytes / 2 ** 20} MiB${about.tls ? " over TLS" : ""}, medians of ${about.rounds}, Node ${process.versions.node}, ${about.rclone ?? "no rclone"}`,
    "              MB/s   CPU s/GiB   peak RSS MiB",
  ];
  for (const [name, one] of Object.entries(figures)) {
    const columns = [one.mbPerSecond.toFixed(1).padStart(8), one.cpuSecondsPerGiB.toFixed(2).padStart(11)];
    lines.push(`${name.padEnd(10)}${columns.join(" ")}${one.peakRssMiB.toFixed(1).padStart(15)}`);
  }
  const { causeway } = figures;
  for (const peer of ["rclone", "floor"] as const) {
    const other = figures[peer];
    if (causeway === undefined || other === undefined) continue;
    const speed = (causeway.mbPerSecond / other.mbPerSecond).toFixed(2);
    const work = (causeway.cpuSecondsPerGiB / other.cpuSecondsPerGiB).toFixed(2);
    lines.push(`causeway has ${speed} of ${peer}'s throughput and takes ${work} of its processor time`);
  }
  return lines.join("\n");
}

/** Without rclone on the machine its key is null. */
export function jsonOf(figures: Partial<Record<ContestantName, Figures>>): string {
  const { causeway = null, rclone = null, floor = null } = figures;
  return JSON.stringify({ causeway, rclone, floor });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
