// The copies: a run that an earlier stop cut off first, then one of today, each with its table.
import { carriedSentence, resultTable } from "../../cli/render-run.ts";
import {
  findCutOff,
  followToEnd,
  type RunResult,
  runIdOf,
  type Stage,
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

/** Throws Interrupted when it was cut off. */
export async function showCopies(on: Stage, options: StartOptions): Promise<CopiesResult> {
  const { screen } = on;
  const stateMachineArn = on.cloud.output("ReplicateBackupsArn");
  const cutOff = (await findCutOff(on, stateMachineArn)).filter((arn) => !isProvoked(arn));
  const units: CopiesResult["units"][number][] = [];
  for (const executionArn of cutOff) {
    const earlier = await follow(on, executionArn, "goes on where it was cut off");
    showResult(on, earlier);
    units.push(...earlier.view.units);
  }
  const run = async () => follow(on, await startWorkflow(on, stateMachineArn), "started");
  let result = await run();
  // The table of the run that went on has just said what is there.
  if (cutOff.length > 0 && foundNothing(result)) screen.say("Nothing else to copy.");
  else showResult(on, result);
  if (options.faultSeed !== undefined && result.status !== "SUCCEEDED") {
    screen.say("");
    screen.say("Not every copy came through. As the schedule would, another run makes it good:");
    // A failed copy left nothing behind, and the rig's faults are used up by and by.
    result = await run();
    showResult(on, result);
  }
  return { status: result.status, units: [...units, ...result.view.units] };
}

async function follow(on: Stage, executionArn: string, how: string): Promise<RunResult> {
  on.screen.say(`run ${runIdOf(executionArn)} ${how}`);
  on.screen.say("");
  return followToEnd(on, executionArn);
}

export function showResult(on: Stage, { status, view }: RunResult): void {
  const { screen } = on;
  if (!screen.isTerminal) screen.say("");
  for (const line of resultTable(view, screen.columns)) screen.say(line);
  screen.say("");
  sayWrapped(on, [view.sentence ?? `The run ended as ${status}.`, carriedSentence(view)].filter(Boolean).join(" "));
}

function foundNothing({ view }: RunResult): boolean {
  return view.units.every((unit) => unit.outcome === "already-copied" || unit.outcome === "refused");
}
