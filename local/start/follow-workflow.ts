// Starts a workflow of the templates, or finds one that an earlier stop cut off, and follows its job to the end.
import {
  DescribeExecutionCommand,
  ListExecutionsCommand,
  type SFNClient,
  StartExecutionCommand,
} from "@aws-sdk/client-sfn";
import { followRun, type JobView, type RunRendering } from "../../cli/follow-run.ts";
import type { LiveScreen } from "../../cli/live-screen.ts";
import { openJobs } from "../../cli/open-jobs.ts";
import { wrap } from "../../cli/terminal-text.ts";
import type { LocalCloud } from "../cloud.ts";
import { SentenceError } from "./sentence-error.ts";
import type { Stop } from "./stop-signal.ts";

/** Where things are shown, and what they are asked of. */
export interface Stage {
  readonly screen: LiveScreen;
  readonly cloud: LocalCloud;
  readonly states: SFNClient;
  readonly stop: Stop;
}

export interface RunResult {
  /** Of the execution: SUCCEEDED, FAILED … */
  readonly status: string;
  readonly view: JobView;
}

/** Executions of earlier starts that are looked at; each start adds one of a kind at most, and all of them go on. */
const mostEarlierRuns = 10;

/** The ARNs of executions that an earlier stop cut off; they go on since the boot. */
export async function findCutOff(on: Stage, stateMachineArn: string): Promise<string[]> {
  const { executions = [] } = await on.states.send(
    new ListExecutionsCommand({ stateMachineArn, statusFilter: "RUNNING", maxResults: mostEarlierRuns }),
  );
  return executions.flatMap(({ executionArn }) => executionArn ?? []);
}

/** `name`: of the execution; absent: Step Functions makes one. */
export async function startWorkflow(
  on: Stage,
  stateMachineArn: string,
  input: object = {},
  name?: string,
): Promise<string> {
  const { executionArn = "" } = await on.states.send(
    new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input), ...(name !== undefined && { name }) }),
  );
  return executionArn;
}

/** The execution's name is the job's id. */
export function runIdOf(executionArn: string): string {
  return executionArn.split(":").at(-1) ?? "";
}

/** Throws Interrupted when it was told to stop meanwhile; the execution itself goes on at the next start. */
export async function followToEnd(on: Stage, executionArn: string, rendering?: RunRendering): Promise<RunResult> {
  const { screen, cloud, states, stop } = on;
  const runId = runIdOf(executionArn);
  const jobs = openJobs(cloud.clientConfig(), cloud.output("JobsTableName"));
  const describe = () => states.send(new DescribeExecutionCommand({ executionArn }));
  let status = "RUNNING";
  const view = await followRun({
    read: () => jobs.view(runId, Date.now()),
    hasEnded: async () => {
      status = (await describe()).status ?? "";
      return status !== "RUNNING";
    },
    screen,
    signal: stop.signal,
    ...(rendering && { rendering }),
  });
  if (stop.signal.aborted) {
    screen.say("Stopped in the middle; the next npm start goes on where this one was.");
    throw stop.signal.reason;
  }
  if (!view) {
    const { error = "", cause = "" } = await describe();
    throw new SentenceError(`The run ended as ${status} before it began: ${error} ${cause}`);
  }
  return { status, view };
}

/** A headline with an empty line before it. */
export function sayTitle({ screen }: Pick<Stage, "screen">, title: string): void {
  screen.say("");
  screen.say(title);
}

/** In as many lines as it takes. */
export function sayWrapped({ screen }: Pick<Stage, "screen">, sentence: string): void {
  for (const line of wrap(sentence, screen.columns)) screen.say(line);
}
