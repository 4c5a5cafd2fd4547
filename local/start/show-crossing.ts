// The whole crossing, in the order in which a person can follow it: what is long begins first, and is shown when it is due.
import { SFNClient } from "@aws-sdk/client-sfn";
import type { LiveScreen } from "../../cli/live-screen.ts";
import type { LocalCloud } from "../cloud.ts";
import { describeFired, describeRule } from "./describe-faults.ts";
import type { Stage } from "./follow-workflow.ts";
import type { StartOptions } from "./options.ts";
import type { OpenRelay } from "./prepare-relay.ts";
import { provokeFailure } from "./provoke-failure.ts";
import { showAlert, showOtherAlerts } from "./show-alert.ts";
import { finishCutOffCopies, showCopies } from "./show-copies.ts";
import { showExports, startExports } from "./show-exports.ts";
import { showMirror } from "./show-mirror.ts";
import { showNextSteps } from "./show-next-steps.ts";
import { showRelay } from "./show-relay.ts";
import type { Stop } from "./stop-signal.ts";
import { storm, stormBesides } from "./storm.ts";

/** Returns the exit code: 1 when anything but what was meant to fail did. Throws Interrupted when it was cut off. */
export async function showCrossing(
  screen: LiveScreen,
  cloud: LocalCloud,
  options: StartOptions,
  stop: Stop,
  relay: OpenRelay,
): Promise<number> {
  const on: Stage = { screen, cloud, states: new SFNClient(cloud.clientConfig()), stop };
  const since = cloud.clock.now();
  const underWay = await startExports(on);
  const earlier = await finishCutOffCopies(on);
  // Before the copies: what they refuse is told in a burst, and a burst is folded into one message.
  const provoked = await provokeFailure(on);
  const alert = await showAlert(on, provoked);
  if (options.faultSeed !== undefined) beginStorm(on, options.faultSeed);
  const copies = await showCopies(on, options, earlier);
  const exportStatus = await showExports(on, underWay);
  const copyReceiptKeys = copies.units.flatMap(({ receiptKey }) => receiptKey ?? []);
  const mirror = await showMirror(on, {
    copyReceiptKeys,
    sinceMilliseconds: since,
    isStormy: options.faultSeed !== undefined,
  });
  const isRelayed = await showRelay(on, relay);
  if (options.faultSeed !== undefined) showStruck(on, copies.status, mirror.isComplete);
  showOtherAlerts(on, alert, since, options.stateDirectory);
  showNextSteps(on, options, { copies, mirror });
  const allWell =
    [copies.status, exportStatus].every((status) => status === "SUCCEEDED") &&
    provoked.isRefused &&
    mirror.isComplete &&
    isRelayed &&
    alert !== undefined;
  return allWell ? 0 : 1;
}

function beginStorm({ screen, cloud }: Stage, seed: number): void {
  const rules = [...storm(seed), ...stormBesides(seed)];
  cloud.faults.add(...rules);
  screen.say("");
  screen.say(`faults from seed ${seed}, the same at every start with it:`);
  for (const rule of rules) screen.say(`    ${describeRule(rule)}`);
}

function showStruck({ screen, cloud }: Stage, status: string, isMirrored: boolean): void {
  const struck = describeFired(cloud.faults.fired);
  const holds = status === "SUCCEEDED" && isMirrored;
  const verdict = holds ? "everything holds all the same" : "not everything came through; what is left is tried again";
  screen.say("");
  screen.say(struck.length === 0 ? "None of the faults struck." : `These faults struck, and ${verdict}:`);
  for (const line of struck) screen.say(`  ${line}`);
}
