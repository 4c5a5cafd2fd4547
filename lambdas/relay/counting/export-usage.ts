// Export usage: the records of a range of time as files, and the job that tells of it. Memory does not grow with the range.
import * as z from "zod";
import { CausewayError, messageOf } from "../../shared/errors.ts";
import type { Job } from "../../shared/jobs.ts";
import { formats } from "../formats/index.ts";
import { timeOfRequestId } from "../request-id.ts";
import type { LaneRecord } from "./roll-up.ts";
import { hourAt, laneCount, laneOf, type Unit } from "./units.ts";

const formatNames = Object.keys(formats) as (keyof typeof formats)[];

/** The schedule's call, which exports the day before in all formats; or an operator's wish, for a job that was entered. */
export const exportInput = z.union([
  z.object({
    export: z.object({
      jobId: z.string().min(1),
      from: z.iso.datetime(),
      to: z.iso.datetime(),
      format: z.enum(formatNames as [keyof typeof formats]),
    }),
  }),
  z.object({ scheduledTime: z.iso.datetime() }),
]);

export type ExportInput = z.output<typeof exportInput>;

export interface ExportedFile {
  write(bytes: Uint8Array): Promise<void>;
  finish(): Promise<number>;
  abort(): Promise<void>;
}

export interface ExportPorts {
  records(lane: Unit): AsyncIterable<readonly LaneRecord[]>;
  open(key: string, contentType: string): ExportedFile;
  putJob(job: Job): Promise<void>;
  finishJob(jobId: string, end: Pick<Job, "state" | "sentence" | "counts"> & { finishedAt: string }): Promise<void>;
  failJob(jobId: string, changes: Partial<Job>): Promise<void>;
  beat(jobId: string, heartbeatAt: string): Promise<void>;
  hasTime(): boolean;
  now(): number;
}

export interface ExportReport {
  readonly jobId: string;
  readonly records: number;
  readonly files: readonly { readonly key: string; readonly bytes: number }[];
}

interface Task {
  readonly jobId: string;
  readonly from: number;
  readonly to: number;
  readonly files: readonly { readonly format: keyof typeof formats; readonly key: string }[];
}

const hour = 3_600_000;
const day = 24 * hour;
const mostDays = 31;

/** Prefix of all exports. A day of its own folder is what Athena and DuckDB read as a partition. */
export const exportPrefix = "relay-usage/";

/** Throws what went wrong after the job says so. */
export async function exportUsage(input: ExportInput, ports: ExportPorts): Promise<ExportReport> {
  const task = taskOf(input);
  const { jobId } = task;
  const now = () => new Date(ports.now()).toISOString();
  await ports.putJob({
    jobId,
    kind: "relay-usage-export",
    state: "running",
    phase: "Write files",
    startedAt: now(),
    heartbeatAt: now(),
  });
  try {
    const report = await writeFiles(task, ports);
    const where = report.files.map(({ key }) => key).join(", ");
    await ports.finishJob(jobId, {
      state: "succeeded",
      sentence: `${report.records} records are in ${where}.`,
      counts: {
        records: report.records,
        files: report.files.length,
        bytes: sum(report.files.map(({ bytes }) => bytes)),
      },
      finishedAt: now(),
    });
    return report;
  } catch (error) {
    const name = error instanceof Error ? error.name : "UnexpectedFailure";
    await ports.failJob(jobId, {
      state: "failed",
      phase: "finished",
      finishedAt: now(),
      heartbeatAt: now(),
      sentence: "The export failed; no file was made.",
      error: { name, cause: messageOf(error), action: "Cure the cause, then export again." },
    });
    throw error;
  }
}

function taskOf(input: ExportInput): Task {
  if ("export" in input) {
    const { jobId, format } = input.export;
    const [from, to] = [Date.parse(input.export.from), Date.parse(input.export.to)];
    if (!(from < to) || to - from > mostDays * day) {
      throw new CausewayError("InputInvalid", `to: Give an end behind the beginning, at most ${mostDays} days later.`);
    }
    return { jobId, from, to, files: [{ format, key: `${exportPrefix}by-hand/${jobId}.${format}` }] };
  }
  const to = Math.floor(Date.parse(input.scheduledTime) / day) * day;
  const date = new Date(to - day).toISOString().slice(0, 10);
  return {
    // The same call twice is the same job, and writes the same files.
    jobId: `relay-usage-${date}`,
    from: to - day,
    to,
    files: formatNames.map((format) => ({ format, key: `${exportPrefix}day=${date}/records.${format}` })),
  };
}

async function writeFiles({ jobId, from, to, files }: Task, ports: ExportPorts): Promise<ExportReport> {
  const open = files.map(({ format, key }) => {
    const file = ports.open(key, formats[format].contentType);
    return { key, file, writer: formats[format].open(file) };
  });
  let records = 0;
  try {
    for (let at = Math.floor(from / hour) * hour; at < to; at += hour) {
      for (let lane = 0; lane < laneCount; lane += 1) {
        for await (const page of ports.records(laneOf(hourAt(at), lane))) {
          // By the id, as the lanes are: `startedAt` is a moment later, and may be of the next day.
          const wanted = page.filter(({ requestId }) => isWithin(timeOfRequestId(requestId), from, to));
          for (const { writer } of open) await writer.write(wanted);
          records += wanted.length;
        }
      }
      if (!ports.hasTime()) {
        throw new CausewayError(
          "ExportTooLarge",
          "There are more records than one export can write; ask for less time.",
        );
      }
      await ports.beat(jobId, new Date(ports.now()).toISOString());
    }
    const written: { key: string; bytes: number }[] = [];
    for (const { key, file, writer } of open) {
      await writer.finish();
      written.push({ key, bytes: await file.finish() });
    }
    return { jobId, records, files: written };
  } catch (error) {
    await Promise.allSettled(open.map(({ file }) => file.abort()));
    throw error;
  }
}

function isWithin(at: number, from: number, to: number): boolean {
  return at >= from && at < to;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
