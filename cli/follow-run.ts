// Follows a run until it ends: redraws lines on a terminal, prints one every few seconds elsewhere.
import type { JobView } from "../lambdas/shared/jobs.ts";
import { liveLines, summaryLine } from "./render-run.ts";

export interface FollowOptions {
  /** Undefined while the run has not entered itself yet. */
  readonly read: () => Promise<JobView | undefined>;
  /** True once the execution behind it has ended: a run that broke off may never say so itself. */
  readonly hasEnded: () => Promise<boolean>;
  readonly output: NodeJS.WriteStream;
  readonly signal: AbortSignal;
}

const redrawMilliseconds = 250;
const lineMilliseconds = 3_000;

/** Returns the last view; undefined when the run ended without ever having entered itself. */
export async function followRun(options: FollowOptions): Promise<JobView | undefined> {
  const { output } = options;
  let drawn = 0;
  let printedAt = 0;
  const draw = (view: JobView) => {
    if (output.isTTY) {
      const lines = liveLines(view, output.columns - 1);
      output.write(`${drawn > 0 ? `\x1b[${drawn}A` : ""}${lines.map((line) => `\x1b[2K${line}\n`).join("")}`);
      // Fewer lines than before leave old ones below: they are cleared.
      if (lines.length < drawn) output.write("\x1b[0J");
      drawn = lines.length;
    } else if (Date.now() - printedAt >= lineMilliseconds) {
      printedAt = Date.now();
      output.write(`${summaryLine(view)}\n`);
    }
  };
  for (;;) {
    const ended = await options.hasEnded();
    const view = await options.read();
    if (view) draw(view);
    if (ended || options.signal.aborted) {
      if (view && !output.isTTY) output.write(`${summaryLine(view)}\n`);
      return view;
    }
    await new Promise((resolve) => setTimeout(resolve, redrawMilliseconds));
  }
}
