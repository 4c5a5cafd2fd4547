// The copies: a run that an earlier stop cut off first, then one of today, each with its table.
import { carriedSentence, resultTable } from "../../cli/render-run.ts";
import {
  findCutOff,
  followToEnd,
  type RunResult,
  runIdOf,
  type Stage,
  sayTitle,
  sayWrapped,
  startWorkflow,
} from "./follow-workflow.ts";
import type { StartOptions } from "./options.ts";
import { isProvoked } from "./provoke-failure.ts";

export interface CopiesResult {
  /** Of the last run; anything but SUCCEEDED is a failure. */
  readonly status: string;
  /** Of every run that was shown. */
  readonly units: readonly RunResult["view"]["units"][number][];
}

/**
 * Runs that an earlier stop cut off, to their end: before anything new is put on Aliyun, for they may be listing still.
 * Returns what they worked on.
 */
export async function finishCutOffCopies(on: Stage): Promise<CopiesResult["units"]> {
  const executions = await findCutOff(on, on.cloud.output("ReplicateBackupsArn"));
  const cutOff = executions.filter((arn) => !isProvoked(arn));
  if (cutOff.length === 0) return [];
  const units: CopiesResult["units"][number][] = [];
  sayTitle(on, "Backups of Aliyun RDS, copied to S3: what the last stop cut off");
  for (const executionArn of cutOff) {
    const earlier = await follow(on, executionArn, "goes on where it was cut off");
    showResult(on, earlier);
    units.push(...earlier.view.units);
  }
  return units;
}

/** `earlier`: of the runs that were cut off. Throws Interrupted when it is cut off itself. */
export async function showCopies(
  on: Stage,
  options: StartOptions,
  earlier: CopiesResult["units"],
): Promise<CopiesResult> {
  const { screen } = on;
  sayTitle(on, "Backups of Aliyun RDS, copied to S3");
  const run = async () => follow(on, await startWorkflow(on, on.cloud.output("ReplicateBackupsArn")), "started");
  let result = await run();
  // The table of the run that went on has said what is there.
  if (earlier.length > 0 && foundNothing(result)) screen.say("Nothing else to copy.");
  else showResult(on, result);
  if (options.faultSeed !== undefined && result.status !== "SUCCEEDED") {
    screen.say("");
    screen.say("Not every copy came through. As the schedule would, another run makes it good:");
    // A failed copy left nothing behind, and the rig's faults are used up by and by.
    result = await run();
    showResult(on, result);
  }
  return { status: result.status, units: [...earlier, ...result.view.units] };
}

async function follow(on: Stage, executionArn: string, how: string): Promise<RunResult> {
  on.screen.say(`run ${runIdOf(executionArn)} ${how}`);
  on.screen.say("");
  return followToEnd(on, executionArn);
}

function showResult(on: Stage, { status, view }: RunResult): void {
  const { screen } = on;
  if (!screen.isTerminal) screen.say("");
  for (const line of resultTable(view, screen.columns)) screen.say(line);
  screen.say("");
  sayWrapped(on, [view.sentence ?? `The run ended as ${status}.`, carriedSentence(view)].filter(Boolean).join(" "));
}

function foundNothing({ view }: RunResult): boolean {
  return view.units.every((unit) => unit.outcome === "already-copied" || unit.outcome === "refused");
}
