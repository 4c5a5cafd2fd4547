// Runs a case of the relay benchmark: the contestants in turn, so that the machine's moods meet all of them.
import { join } from "node:path";
import { median } from "../copy/report.ts";
import type { Helper } from "./asking.ts";
import {
  type FigureName,
  type LoadCase,
  lengthStep,
  longStreamEvents,
  requestBody,
  type Step,
  shortStreamEvents,
} from "./cases.ts";
import { type Contestant, type ContestantName, starters, type Taken } from "./contestants.ts";
import { type LoadResult, percentile } from "./load.ts";
import type { LoadAsks } from "./make-load.ts";
import type { UpstreamAddress, UpstreamAsks } from "./serve-upstream.ts";

export type Figures = Readonly<Partial<Record<FigureName, number>>>;
export type CaseFigures = Readonly<Partial<Record<ContestantName, Figures>>>;

export interface Track {
  readonly upstream: Helper<UpstreamAsks>;
  readonly address: UpstreamAddress;
  readonly clients: Helper<LoadAsks>;
  readonly names: readonly ContestantName[];
  readonly runs: number;
  readonly bodyBytes: number;
  /** Those that serve all cases that are not about memory. */
  readonly kept: Map<ContestantName, Contestant>;
  /** Where profiles of Causeway go; undefined: none are taken. */
  readonly profileFolder: string | undefined;
  readonly say: (line: string) => void;
}

interface Observed {
  readonly result: LoadResult;
  readonly taken: Taken;
  readonly residentBefore: number;
  readonly residentPeak: number;
  readonly heapPeak: number | undefined;
}

const residentPollMilliseconds = 50;
const heapPollMilliseconds = 500;
/** So that what a process keeps by then is there in both of its measurements. */
const shortStreams = 5;

/** Medians over the runs. */
export async function runLoadCase(track: Track, name: string, loadCase: LoadCase): Promise<CaseFigures> {
  const runs: CaseFigures[] = [];
  for (let run = 1; run <= track.runs; run += 1) {
    const figures: Partial<Record<ContestantName, Figures>> = {};
    let direct: Figures = {};
    for (const contestant of track.names) {
      const observed = await observeCase(track, contestant, name, loadCase, run);
      const own = figuresOf(observed, loadCase, direct);
      if (contestant === "direct") direct = own;
      figures[contestant] = own;
      track.say(`${name} run ${run} of ${track.runs}  ${contestant.padEnd(9)} ${inWords(own)}`);
    }
    runs.push(figures);
  }
  return medians(runs, track.names);
}

async function observeCase(
  track: Track,
  name: ContestantName,
  caseName: string,
  loadCase: LoadCase,
  run: number,
): Promise<Observed> {
  if (loadCase.memory) {
    return withNew(track, name, async (contestant) => {
      await send(track, contestant, loadCase.warmUp);
      return observe(track, contestant, loadCase.step);
    });
  }
  const contestant = track.kept.get(name) ?? (await starters[name](track.address));
  track.kept.set(name, contestant);
  if (run === 1) await send(track, contestant, loadCase.warmUp);
  if (track.profileFolder === undefined) return observe(track, contestant, loadCase.step);
  await contestant.profile?.(undefined);
  const observed = await observe(track, contestant, loadCase.step);
  await contestant.profile?.(join(track.profileFolder, `${caseName}-${run}`));
  return observed;
}

/** Memory with a short and with a long stream, in new processes. Medians over the runs. */
export async function runLengthCase(track: Track): Promise<CaseFigures> {
  const names = track.names.filter((name) => name !== "direct");
  const runs: CaseFigures[] = [];
  for (let run = 1; run <= track.runs; run += 1) {
    const figures: Partial<Record<ContestantName, Figures>> = {};
    for (const name of names) {
      const own = await withNew(track, name, async (contestant) => {
        const short = await observe(track, contestant, lengthStep(shortStreamEvents, shortStreams));
        const long = await observe(track, contestant, lengthStep(longStreamEvents, 1));
        return {
          residentShort: short.residentPeak,
          residentLong: long.residentPeak,
          ...(short.heapPeak !== undefined && { heapShort: short.heapPeak }),
          ...(long.heapPeak !== undefined && { heapLong: long.heapPeak }),
        };
      });
      figures[name] = own;
      track.say(`length run ${run} of ${track.runs}  ${name.padEnd(9)} ${inWords(own)}`);
    }
    runs.push(figures);
  }
  return medians(runs, names);
}

async function withNew<Result>(
  track: Track,
  name: ContestantName,
  use: (contestant: Contestant) => Promise<Result>,
): Promise<Result> {
  const contestant = await starters[name](track.address);
  try {
    return await use(contestant);
  } finally {
    await contestant.stop();
  }
}

export async function send(track: Track, { target }: Contestant, step: Step): Promise<LoadResult> {
  await track.upstream.ask("behave", step.behaviour);
  const body = requestBody(step.asksForStream, track.bodyBytes);
  return track.clients.ask("run", { target, load: step.load, body });
}

async function observe(track: Track, contestant: Contestant, step: Step): Promise<Observed> {
  const residentBefore = contestant.residentMiB();
  let [residentPeak, heapPeak] = [residentBefore, await contestant.heapMiB()];
  const resident = setInterval(() => {
    residentPeak = Math.max(residentPeak, contestant.residentMiB());
  }, residentPollMilliseconds);
  const heap = setInterval(() => {
    contestant.heapMiB().then(
      (now) => {
        if (now !== undefined) heapPeak = Math.max(heapPeak ?? 0, now);
      },
      () => undefined,
    );
  }, heapPollMilliseconds);
  try {
    const takenSince = await contestant.taken();
    const result = await send(track, contestant, step);
    const taken = await takenSince();
    return { result, taken, residentBefore, residentPeak, heapPeak };
  } finally {
    clearInterval(resident);
    clearInterval(heap);
  }
}

/** `direct`: of the same run; empty where nobody went directly. */
function figuresOf(observed: Observed, { step, memory }: LoadCase, direct: Figures): Figures {
  const { result, taken } = observed;
  const requests = result.whole.length;
  const perThousand = (seconds: number) => (seconds * 1_000_000) / requests;
  const [p50, p99] = [percentile(result.whole, 0.5), percentile(result.whole, 0.99)];
  const [firstByteP50, firstByteP99] = [percentile(result.firstByte, 0.5), percentile(result.firstByte, 0.99)];
  return {
    ...(step.asksForStream
      ? { firstByteP50, firstByteP99, eventsPerSecond: result.events / result.seconds }
      : { requestsPerSecond: requests / result.seconds, p50, p99 }),
    ...(step.load.kind === "paced" && {
      firstByteP50,
      addedP50: p50 - (direct.p50 ?? p50),
      addedP99: p99 - (direct.p99 ?? p99),
      addedFirstByteP50: firstByteP50 - (direct.firstByteP50 ?? firstByteP50),
    }),
    ownCpu: perThousand(taken.own),
    frontCpu: perThousand(taken.front),
    storeCpu: perThousand(taken.store),
    otherFunctionsCpu: perThousand(taken.otherFunctions),
    ...(memory && {
      residentBefore: observed.residentBefore,
      residentPeak: observed.residentPeak,
      ...(observed.heapPeak !== undefined && { heapPeak: observed.heapPeak }),
    }),
  };
}

export function medians(runs: readonly CaseFigures[], names: readonly ContestantName[]): CaseFigures {
  const ofNames = names.map((name) => {
    const figures = runs.map((run) => run[name] ?? {});
    const keys = Object.keys(figures[0] ?? {}) as FigureName[];
    return [name, Object.fromEntries(keys.map((key) => [key, median(figures.map((one) => one[key] ?? Number.NaN))]))];
  });
  return Object.fromEntries(ofNames) as CaseFigures;
}

function inWords(figures: Figures): string {
  return Object.entries(figures)
    .filter(([, value]) => value !== 0)
    .map(([name, value]) => `${name} ${value.toFixed(1)}`)
    .join(", ");
}
