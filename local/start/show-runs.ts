// Starts the run, shows it while it works, and its result; a run that an earlier stop cut off comes first.
import { DescribeExecutionCommand, ListExecutionsCommand, SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import { followRun } from "../../cli/follow-run.ts";
import type { LiveScreen } from "../../cli/live-screen.ts";
import { openJobs } from "../../cli/open-jobs.ts";
import { stateFolder } from "../../cli/project-folder.ts";
import { carriedSentence, resultTable } from "../../cli/render-run.ts";
import { wrap } from "../../cli/terminal-text.ts";
import type { LocalCloud } from "../cloud.ts";
import { describeFired } from "./describe-faults.ts";
import type { StartOptions } from "./options.ts";
import { SentenceError } from "./sentence-error.ts";
import { folderForPeople } from "./show-cloud.ts";
import type { Stop } from "./stop-signal.ts";

/** Runs of earlier starts that are shown; each start adds one at most, and all of them go on. */
const mostEarlierRuns = 10;

type JobView = NonNullable<Awaited<ReturnType<typeof followRun>>>;

interface RunResult {
  readonly status: string;
  readonly view: JobView;
}

interface Stage {
  readonly screen: LiveScreen;
  readonly cloud: LocalCloud;
  readonly states: SFNClient;
  readonly stop: Stop;
}

/** Returns the exit code: 1 when the run ended as anything but SUCCEEDED. Throws Interrupted when it was cut off. */
export async function showRuns(
  screen: LiveScreen,
  cloud: LocalCloud,
  options: StartOptions,
  stop: Stop,
): Promise<number> {
  const states = new SFNClient(cloud.clientConfig());
  const on = { screen, cloud, states, stop };
  const stateMachineArn = cloud.output("ReplicateBackupsArn");
  const { executions = [] } = await states.send(
    new ListExecutionsCommand({ stateMachineArn, statusFilter: "RUNNING", maxResults: mostEarlierRuns }),
  );
  for (const { executionArn = "" } of executions) {
    const earlier = await followToEnd(on, executionArn, "goes on where it was cut off");
    showResult(screen, earlier);
  }
  let result = await startRun(on, stateMachineArn);
  // The table of the run that went on has just said what is there.
  if (executions.length > 0 && foundNothing(result.view)) screen.say("Nothing else to copy.");
  else showResult(screen, result);
  if (options.faultSeed !== undefined) {
    showStruck(screen, cloud, result.status);
    if (result.status !== "SUCCEEDED") {
      // As the schedule would: a failed copy left nothing behind, and the rig's faults are used up by and by.
      result = await startRun(on, stateMachineArn);
      showResult(screen, result);
    }
  }
  showNextSteps(screen, cloud, result.view, options);
  return result.status === "SUCCEEDED" ? 0 : 1;
}

async function startRun(on: Stage, stateMachineArn: string): Promise<RunResult> {
  const { executionArn = "" } = await on.states.send(new StartExecutionCommand({ stateMachineArn, input: "{}" }));
  return followToEnd(on, executionArn, "started");
}

async function followToEnd(on: Stage, executionArn: string, how: string): Promise<RunResult> {
  const { screen, cloud, states, stop } = on;
  const runId = executionArn.split(":").at(-1) ?? "";
  const jobs = openJobs(cloud.clientConfig(), cloud.output("JobsTableName"));
  const describe = () => states.send(new DescribeExecutionCommand({ executionArn }));
  screen.say("");
  screen.say(`run ${runId} ${how}`);
  screen.say("");
  let status = "RUNNING";
  const view = await followRun({
    read: () => jobs.view(runId, Date.now()),
    hasEnded: async () => {
      status = (await describe()).status ?? "";
      return status !== "RUNNING";
    },
    screen,
    signal: stop.signal,
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

function showResult(screen: LiveScreen, { status, view }: RunResult): void {
  if (!screen.isTerminal) screen.say("");
  for (const line of resultTable(view, screen.columns)) screen.say(line);
  screen.say("");
  const sentence = [view.sentence ?? `The run ended as ${status}.`, carriedSentence(view)].filter(Boolean).join(" ");
  for (const line of wrap(sentence, screen.columns)) screen.say(line);
}

function foundNothing(view: JobView): boolean {
  return view.units.every((unit) => unit.outcome === "already-copied" || unit.outcome === "refused");
}

function showStruck(screen: LiveScreen, cloud: LocalCloud, status: string): void {
  const struck = describeFired(cloud.faults.fired);
  const verdict =
    status === "SUCCEEDED" ? "the copies hold all the same" : "not every copy came through; the next run makes it good";
  screen.say("");
  screen.say(struck.length === 0 ? "None of the faults struck." : `These faults struck, and ${verdict}:`);
  for (const line of struck) screen.say(`  ${line}`);
}

function showNextSteps(screen: LiveScreen, cloud: LocalCloud, view: JobView, options: StartOptions): void {
  const { once, stateDirectory } = options;
  const own = stateDirectory === stateFolder ? "" : ` --state ${stateDirectory}`;
  const units = view.units.filter((unit) => unit.receiptKey !== undefined);
  const largest = units.sort((left, right) => right.bytesTotal - left.bytesTotal)[0];
  screen.say("");
  screen.say("Where to look next:");
  screen.say(`  the log of every function   ${folderForPeople(stateDirectory)}logs/`);
  screen.say(`  a backup of your own        npm start --${own} --backup FILE`);
  screen.say(`  with trouble on the way     npm start --${own} --faults 7`);
  if (largest?.receiptKey === undefined) return;
  const address = `s3://${cloud.output("BackupsBucketName")}/${largest.receiptKey}`;
  screen.say(`  the largest copy's receipt, checked anew by every byte${once ? " (needs a running npm start)" : ""}:`);
  screen.say(`npx causeway verify --local${own} --read-data '${address}'`);
}
