// What each program is put through, and what must be seen of it: at the program, in the relay's records, at the stand-in.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { UsageRecord } from "../../lambdas/relay/counting/usage-record.ts";
import { prepareGeminiHome } from "../../local/start/prepare-relay.ts";
import { linesFor } from "../../local/start/show-relay.ts";
import type { RelayRig, RigKey } from "../relay/relay-rig.ts";
import { type Program, programs } from "./programs.ts";
import { type ProgramRun, runLine, type Surroundings } from "./run-program.ts";

interface Scene {
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

interface Played {
  readonly run: ProgramRun;
  readonly records: readonly UsageRecord[];
  /** Requests for an answer that reached the stand-in. */
  readonly upstream: number;
}

/** Said by the stand-in; long enough for several events. */
const answer = "The harbour light answers: this text came from the stand-in, through the relay, piece by piece.";
/** Gemini CLI asks a small model, in JSON, how hard the task is, and with that chooses the model that is to do it. */
const easy = JSON.stringify({ complexity_reasoning: "a test", complexity_score: 1 });
const prompt = 'Answer in one sentence. It\'s a test, say "anything".';

/** Before each scene. */
export function prepareStandIn({ aiUpstream }: RelayRig["cloud"]): void {
  aiUpstream.clear();
  aiUpstream.script({ operation: "gemini.generate" }, { text: easy });
}

export const scenarios: readonly { readonly name: string; run(scene: Scene): Promise<Seen> }[] = [
  {
    name: "a plain answer",
    run: async (scene) => {
      scene.rig.cloud.aiUpstream.script({ platform: scene.program.platform }, { text: answer });
      const played = await play(scene, await scene.rig.addKey(), scene.program.plain(prompt));
      return judge(played, [...served(played), ...answered(played)]);
    },
  },
  {
    name: "a streamed answer",
    run: async (scene) => {
      const { program, rig } = scene;
      rig.cloud.aiUpstream.script({ platform: program.platform }, { text: answer, events: 20 });
      const played = await play(scene, await rig.addKey(), program.streamed(prompt));
      const parts = played.run.output.match(program.part)?.length ?? 0;
      return judge(played, [
        ...served(played),
        ...unless(parts >= program.leastParts, `the answer came in ${parts} parts`),
        ...unless(
          played.records.some(({ stream }) => stream),
          "no record of a stream",
        ),
      ]);
    },
  },
  {
    name: "a tool's round trip",
    run: async (scene) => {
      const { program, rig, workFolder } = scene;
      const secret = "the tide table says 04:17";
      const file = path.join(workFolder, "note.txt");
      writeFileSync(file, `${secret}\n`);
      rig.cloud.aiUpstream.script(
        { platform: program.platform, stream: true, nth: 1 },
        { toolCalls: [program.readTool(file)] },
      );
      rig.cloud.aiUpstream.script({ platform: program.platform }, { text: answer });
      const played = await play(scene, await rig.addKey(), program.withTools(`Read ${file} and sum it up.`));
      const told = rig.cloud.aiUpstream.requests.some(({ body }) => body.includes(secret));
      return judge(played, [
        ...served(played),
        ...answered(played),
        ...unless(told, "what the tool read never came back"),
      ]);
    },
  },
  {
    name: "a budget that is spent",
    run: async (scene) => {
      const key = await scene.rig.addKey({ spend: { total: 1000 } });
      const played = await play(scene, key, scene.program.plain(prompt));
      return judge(played, refusedWith(played, "BudgetReached", scene.program.mostTries.spent));
    },
  },
  {
    name: "an account answers 429",
    run: (scene) => failOver(scene, { rateLimit: { resetAfterSeconds: 3600 } }),
  },
  {
    name: "an account answers 529",
    run: (scene) => failOver(scene, { error: { status: scene.program.platform === "anthropic" ? 529 : 503 } }),
  },
  {
    name: "a key that was revoked",
    run: async (scene) => {
      const key = await scene.rig.addKey();
      await scene.rig.keys.change(key.keyId, undefined, { enabled: false }, "test");
      const played = await play(scene, key, scene.program.plain(prompt));
      return judge(played, refusedWith(played, "KeyDisabled", scene.program.mostTries.revoked));
    },
  },
];

async function failOver(scene: Scene, behaviour: object): Promise<Seen> {
  const { program, rig } = scene;
  const failing = rig.cloud.aiUpstream.script({ platform: program.platform, times: 1 }, behaviour);
  rig.cloud.aiUpstream.script({ platform: program.platform }, { text: answer });
  const played = await play(scene, await rig.addKey(), program.plain(prompt));
  const tried = played.records.map(({ accountsTried }) => accountsTried);
  return judge(played, [
    ...served(played),
    ...answered(played),
    ...unless(failing.hits === 1, "no account failed"),
    ...unless(tried.filter((each) => each === 2).length === 1, `accounts tried: ${tried.join(", ")}`),
  ]);
}

async function play({ rig, program, workFolder, surroundings }: Scene, key: RigKey, more: string): Promise<Played> {
  const before = rig.cloud.aiUpstream.count;
  const geminiHome = prepareGeminiHome(surroundings.folder);
  const line = linesFor(rig.url, key.text, geminiHome)[programs.indexOf(program)];
  if (line === undefined) throw new Error(`npm start prints no line for ${program.name}`);
  const run = await runLine(line, more, workFolder, surroundings);
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

function judge({ run, records, upstream }: Played, complaints: readonly string[]): Seen {
  const outcomes = Map.groupBy(records, ({ outcome, reason, modelAsked }) =>
    [outcome, reason, modelAsked].filter((word) => word !== "").join(" "),
  );
  const told = [...outcomes].map(([name, all]) => (all.length === 1 ? name : `${all.length} × ${name}`));
  const requests = `${records.length} at the relay (${told.join("; ") || "none"}), ${upstream} at the stand-in`;
  return { said: `exit ${run.exitCode ?? "never"}; ${requests}`, complaints, run };
}

function served({ run, records }: Played): string[] {
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

function answered({ run }: Played): string[] {
  return unless(run.output.includes(answer), "the answer is not in its output");
}

function refusedWith({ run, records, upstream }: Played, reason: string, mostTries: number): string[] {
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

function unless(isSo: boolean, complaint: string): string[] {
  return isSo ? [] : [complaint];
}
