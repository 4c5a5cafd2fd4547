// Follows a run until it ends: a block that is drawn anew on a terminal, one line every few seconds elsewhere.
import type { JobView } from "../lambdas/shared/jobs.ts";
import type { LiveScreen } from "./live-screen.ts";
import { liveLines, type Space, summaryLine } from "./render-run.ts";

export type { JobView };

/** How a run looks while it works. */
export interface RunRendering {
  /** Lines that fit into the space; `view` is undefined while the run has not entered itself yet. */
  block(view: JobView | undefined, space: Space): string[];
  /** All of it in one line, where nothing is drawn in place; undefined: nothing to say yet. */
  line(view: JobView | undefined): string | undefined;
}

export interface FollowOptions {
  /** Undefined while the run has not entered itself yet. */
  readonly read: () => Promise<JobView | undefined>;
  /** True once the execution behind it has ended: a run that broke off may never say so itself. */
  readonly hasEnded: () => Promise<boolean>;
  readonly screen: LiveScreen;
  readonly signal: AbortSignal;
  /** Default: as a run of copies looks. */
  readonly rendering?: RunRendering;
}

const readMilliseconds = 250;
const lineMilliseconds = 3_000;
/** Between two batches no worker reports a rate; the last one stands for so long, so that the line does not blink. */
const rateKeptMilliseconds = 3_000;
/** The fault rig hits this reader, too: some failed reads in a row are no end of the run. */
const mostFailedReads = 20;

const ofCopies: RunRendering = {
  block: (view, space) => (view ? liveLines(view, space) : ["  asking Aliyun for its backups …"]),
  line: (view) => view && summaryLine(view),
};

/**
 * Returns the last view, and undefined when the run ended without ever having entered itself. When the signal aborts, it
 * returns at once with what was last seen. Throws what `read` throws when it does so 20 times in a row.
 */
export async function followRun(options: FollowOptions): Promise<JobView | undefined> {
  const { screen, signal, rendering = ofCopies } = options;
  const steady = steadyRate();
  let view: JobView | undefined;
  let failedReads = 0;
  let printedAt = 0;
  while (!signal.aborted) {
    try {
      const ended = await options.hasEnded();
      view = (await options.read()) ?? view;
      failedReads = 0;
      if (ended) break;
    } catch (error) {
      if (signal.aborted) break;
      failedReads += 1;
      if (failedReads >= mostFailedReads) throw error;
    }
    const shown = view && steady(view, Date.now());
    if (screen.isTerminal) {
      screen.draw(rendering.block(shown, { columns: screen.columns, rows: screen.blockRows }));
    } else if (Date.now() - printedAt >= lineMilliseconds) {
      const line = rendering.line(shown);
      if (line !== undefined) {
        printedAt = Date.now();
        screen.say(line);
      }
    }
    await pause(readMilliseconds, signal);
  }
  screen.clear();
  return view;
}

/** Keeps the last rate for a short while after it fell to zero, and the time left with it. */
export function steadyRate(): (view: JobView, nowMilliseconds: number) => JobView {
  let last: { rate: number; at: number } | undefined;
  return (view, nowMilliseconds) => {
    if (view.bytesPerSecond > 0) last = { rate: view.bytesPerSecond, at: nowMilliseconds };
    if (view.bytesPerSecond > 0 || !last || nowMilliseconds - last.at > rateKeptMilliseconds) return view;
    const secondsLeft = Math.ceil((view.bytesTotal - view.bytesDone) / last.rate);
    return { ...view, bytesPerSecond: last.rate, secondsLeft };
  };
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end, { once: true });
  });
}
