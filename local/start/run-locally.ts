// What `npm start` does, in order: synthesise, boot, prepare samples and secrets, show the whole crossing, stay.
import path from "node:path";
import { LiveScreen } from "../../cli/live-screen.ts";
import { writeConnection } from "../../cli/local-connection.ts";
import { humanBytes } from "../../cli/render-run.ts";
import type { LocalCloud } from "../cloud.ts";
import { bootCloud } from "../cloud.ts";
import { Faults } from "../rig/faults.ts";
import { rememberPorts } from "./choose-ports.ts";
import type { Ground } from "./look-first.ts";
import type { StartOptions } from "./options.ts";
import { prepareDeployment } from "./prepare-deployment.ts";
import { prepareRelay } from "./prepare-relay.ts";
import { prepareSamples } from "./prepare-samples.ts";
import { connectionOf, portsOf, showCloud } from "./show-cloud.ts";
import { showCrossing } from "./show-crossing.ts";
import { Interrupted, listenForStop, type Stop } from "./stop-signal.ts";
import { synthesise } from "./synthesise.ts";

/** It takes well under a second; what hangs is left to the end of the process. */
const longestStopMilliseconds = 5_000;
/**
 * What a queue's message has set to work may end: cut off, its lease would stand in the way for minutes at the next
 * start. It takes less than a second, and longer only on a machine with much else to do.
 */
const longestEndOfWorkMilliseconds = 20_000;
/** More of them say no more than the logs do. */
const mostNotices = 20;
const exitCodeInterrupted = 130;
/** Through before the workflow looks for the first time, after 30 s; slow enough to be seen. */
const rdsExportPace = { startingSeconds: 5, secondsPerTable: 3 };

/** Returns the exit code: 0 when all went well or it was told to stop, 1 when a run failed, 130 for `--once` cut off. */
export async function runLocally(options: StartOptions, ground: Ground): Promise<number> {
  const screen = new LiveScreen(process.stdout);
  const stop = listenForStop();
  // However it ends, the terminal gets its cursor back.
  process.once("exit", () => screen.clear());
  try {
    return await bootAndRun(options, ground, screen, stop);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    return options.once ? exitCodeInterrupted : 0;
  } finally {
    screen.clear();
    ground.letGo();
  }
}

async function bootAndRun(options: StartOptions, { ports }: Ground, screen: LiveScreen, stop: Stop): Promise<number> {
  const { stateDirectory } = options;
  const notice = limitedNotice(screen);
  screen.say("Causeway, on this machine alone: no account, no Docker, no network.");
  const assemblyDirectory = path.join(stateDirectory, "cdk.out");
  await step(screen, ["synthesising", "synthesised", "the app"], () => synthesise(assemblyDirectory, stop.signal));
  const faults = options.faultSeed === undefined ? new Faults() : new Faults(options.faultSeed);
  const cloud = await step(screen, ["booting", "booted", "the local cloud from its templates"], () =>
    bootCloud({
      assemblyDirectory,
      stateDirectory,
      faults,
      port: options.port,
      rdsExportPace,
      ...ports,
      ...(options.dynamodbEndpoint === undefined ? {} : { dynamodbEndpoint: options.dynamodbEndpoint }),
      onNotice: notice,
    }),
  );
  let disconnect: (() => void) | undefined;
  try {
    disconnect = writeConnection(stateDirectory, connectionOf(cloud));
    process.once("exit", disconnect);
    rememberPorts(stateDirectory, portsOf(cloud));
    showCloud(screen, cloud, stateDirectory);
    for (const sentence of cloud.unknown) notice(sentence);
    const samples = `sample databases and backups, the large one of ${humanBytes(options.sizeBytes)}`;
    await step(screen, ["preparing", "prepared", samples], () => stop.unlessStopped(prepareSamples(cloud, options)));
    await stop.unlessStopped(prepareDeployment(cloud));
    const relay = await stop.unlessStopped(prepareRelay(cloud, stateDirectory));
    const code = await showCrossing(screen, cloud, options, stop, relay);
    if (options.once) return code;
    screen.say("");
    screen.say("Staying up: schedules, HTTP API and alerts go on, and what comes into S3 is mirrored. Ctrl-C stops.");
    await stop.stopped;
    return 0;
  } finally {
    disconnect?.();
    await close(screen, cloud);
  }
}

function limitedNotice(screen: LiveScreen): (sentence: string) => void {
  let count = 0;
  return (sentence) => {
    count += 1;
    if (count <= mostNotices) screen.say(`  note: ${sentence}`);
  };
}

/** Shown while it works and, with its time, when it is done. */
async function step<Result>(
  screen: LiveScreen,
  [doing, done, what]: readonly [string, string, string],
  work: () => Promise<Result>,
): Promise<Result> {
  const startedAt = performance.now();
  screen.draw([`  ${doing} ${what} …`]);
  try {
    const result = await work();
    screen.clear();
    screen.say(`  ${done} ${what} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
    return result;
  } finally {
    screen.clear();
  }
}

async function close(screen: LiveScreen, cloud: LocalCloud): Promise<void> {
  screen.draw(["stopping …"]);
  for (const { functionName } of cloud.eventSources.list()) cloud.eventSources.disable(functionName);
  await Promise.race([cloud.eventSources.settled(), laterBy(longestEndOfWorkMilliseconds)]);
  const how = await Promise.race([cloud.close(), laterBy(longestStopMilliseconds)]);
  screen.clear();
  if (how === "late") screen.say("Something did not end in time and was cut off; nothing that was written is lost.");
  else screen.say("Stopped.");
}

function laterBy(milliseconds: number): Promise<"late"> {
  return new Promise((resolve) => setTimeout(() => resolve("late"), milliseconds));
}
