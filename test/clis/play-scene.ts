// Plays a scene with a program, and judges it: by what the program said, by the relay's records, and at the stand-in.
import { setTimeout as wait } from "node:timers/promises";
import type { UsageRecord } from "../../lambdas/relay/counting/usage-record.ts";
import { prepareGeminiHome } from "../../local/start/prepare-relay.ts";
import { linesFor } from "../../local/start/show-relay.ts";
import type { RelayRig, RigKey } from "../relay/relay-rig.ts";
import { type Program, programs } from "./programs.ts";
import { type ProgramRun, runInShell, type Surroundings } from "./run-program.ts";

export interface Scene {
  readonly rig: RelayRig;
  readonly program: Program;
  readonly workFolder: string;
  readonly surroundings: Surroundings;
}

export interface Seen {
  readonly said: string;
  /** Empty: as it should be. */
  readonly complaints: readonly string[];
  readonly run: ProgramRun | undefined;
}

export interface Played {
  readonly run: ProgramRun;
  readonly records: readonly UsageRecord[];
  /** Requests for an answer that reached the stand-in. */
  readonly upstream: number;
}

/** Said by the stand-in; long enough for several events. */
export const answer = "The harbour light answers: this text came from the stand-in, through the relay, piece by piece.";
/** `runs`: what is typed behind the line that `npm start` prints, one after the other in one home. */
export async function play(
  { rig, program, workFolder, surroundings }: Scene,
  key: RigKey,
  runs: readonly string[],
  lineOf = (line: string): string => line,
): Promise<Played> {
  const before = rig.cloud.aiUpstream.count;
  const geminiHome = prepareGeminiHome(surroundings.folder);
  const line = linesFor(rig.url, key.text, geminiHome)[programs.indexOf(program)];
  if (line === undefined) throw new Error(`npm start prints no line for ${program.name}`);
  const typed = runs.map((more) => `${lineOf(line)} ${more}`).join(" && ");
  const run = await runInShell(typed, workFolder, surroundings);
  const records = await settledRecords(rig, key);
  const upstream = rig.cloud.aiUpstream.requests.filter(
    ({ sequence, operation }) => sequence > before && operation !== "hello",
  ).length;
  return { run, records, upstream };
}

/** Records follow the answers: they are all there when none came for a while. */
async function settledRecords(rig: RelayRig, key: RigKey): Promise<UsageRecord[]> {
  let records = await rig.recordsOf(key);
  for (let unchanged = 0, looks = 0; unchanged < 10 && looks < 200; looks += 1) {
    await wait(100);
    const now = await rig.recordsOf(key);
    unchanged = now.length === records.length ? unchanged + 1 : 0;
    records = now;
  }
  return records;
}

export function judge({ run, records, upstream }: Played, complaints: readonly string[]): Seen {
  const outcomes = Map.groupBy(records, ({ outcome, reason, modelAsked }) =>
    [outcome, reason, modelAsked].filter((word) => word !== "").join(" "),
  );
  const told = [...outcomes].map(([name, all]) => (all.length === 1 ? name : `${all.length} × ${name}`));
  const requests = `${records.length} at the relay (${told.join("; ") || "none"}), ${upstream} at the stand-in`;
  return { said: `exit ${run.exitCode ?? "never"}; ${requests}`, complaints, run };
}

export function served({ run, records }: Played): string[] {
  const charged = records.reduce((sum, { chargedNanoUsd }) => sum + chargedNanoUsd, 0);
  return [
    ...unless(run.exitCode === 0, `it ended with ${run.exitCode ?? "no end"}`),
    ...unless(records.length > 0 && records.every(({ outcome }) => outcome === "ok"), "not every request was served"),
    ...unless(charged > 0, "nothing was charged"),
    ...unless(
      records.every(({ overrunNanoUsd }) => overrunNanoUsd === 0),
      "more was used than reserved",
    ),
  ];
}

export function answered({ run }: Played): string[] {
  return unless(run.output.includes(answer), "the answer is not in its output");
}

export function refusedWith({ run, records, upstream }: Played, reason: string, mostTries: number): string[] {
  // Gemini CLI asks a small model which model to ask; each question is one.
  const tries = Math.max(
    0,
    ...[...Map.groupBy(records, ({ modelAsked }) => modelAsked).values()].map(({ length }) => length),
  );
  return [
    ...unless(run.exitCode !== undefined, "it did not end by itself"),
    ...unless(run.exitCode !== 0, "it ended as if it had been served"),
    ...unless(upstream === 0, `${upstream} requests reached the stand-in`),
    ...unless(records.length > 0 && records.every((each) => each.reason === reason), `not refused as ${reason}`),
    ...unless(tries <= mostTries, `it tried ${tries} times, where ${mostTries} are usual`),
  ];
}

export function unless(isSo: boolean, complaint: string): string[] {
  return isSo ? [] : [complaint];
}
