// What each program is put through, and what must be seen of it: at the program, in the relay's records, at the stand-in.
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { RelayRig } from "../relay/relay-rig.ts";
import { answer, answered, judge, play, refusedWith, type Scene, type Seen, served, unless } from "./play-scene.ts";
import type { Program } from "./programs.ts";

/** Gemini CLI asks a small model, in JSON, how hard the task is, and with that chooses the model that is to do it. */
const easy = JSON.stringify({ complexity_reasoning: "a test", complexity_score: 1 });
const summary = "The tide table was read, and the harbour is to be reached by four.";
const prompt = 'Answer in one sentence. It\'s a test, say "anything".';

/** Before each scene. */
export function prepareStandIn({ aiUpstream }: RelayRig["cloud"]): void {
  aiUpstream.clear();
  aiUpstream.script({ operation: "gemini.generate" }, { text: easy });
}

interface Scenario {
  readonly name: string;
  /** Absent: it is for each program. */
  isFor?(program: Program): boolean;
  run(scene: Scene): Promise<Seen>;
}

export const scenarios: readonly Scenario[] = [
  {
    name: "a plain answer",
    run: async (scene) => {
      scene.rig.cloud.aiUpstream.script({ platform: scene.program.platform }, { text: answer });
      const played = await play(scene, await scene.rig.addKey(), [scene.program.plain(prompt)]);
      return judge(played, [...served(played), ...answered(played)]);
    },
  },
  {
    name: "a streamed answer",
    run: async (scene) => {
      const { program, rig } = scene;
      rig.cloud.aiUpstream.script({ platform: program.platform }, { text: answer, events: 20 });
      const played = await play(scene, await rig.addKey(), [program.streamed(prompt)]);
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
      const played = await play(scene, await rig.addKey(), [program.withTools(`Read ${file} and sum it up.`)]);
      const told = rig.cloud.aiUpstream.requests.some(({ body }) => body.includes(secret));
      return judge(played, [
        ...served(played),
        ...answered(played),
        ...unless(told, "what the tool read never came back"),
      ]);
    },
  },
  {
    name: "a conversation that it compacts",
    isFor: ({ compacting }) => compacting !== undefined,
    run: (scene) => compact(scene, scene.program.compacting?.request ?? "", summary),
  },
  {
    name: "a conversation that OpenAI compacts",
    isFor: ({ name }) => name === "codex",
    run: (scene) => compact(scene, '"compaction_trigger"', Buffer.from(summary).toString("base64"), openaisOwn),
  },
  {
    name: "a large window, in auto mode",
    isFor: ({ name }) => name === "claude",
    run: largeWindow,
  },
  {
    name: "a budget that is spent",
    run: async (scene) => {
      const key = await scene.rig.addKey({ spend: { total: 1000 } });
      const played = await play(scene, key, [scene.program.plain(prompt)]);
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
      const played = await play(scene, key, [scene.program.plain(prompt)]);
      return judge(played, refusedWith(played, "KeyDisabled", scene.program.mostTries.revoked));
    },
  },
];

/** The provider that Codex has built in, moved here: it, and one named OpenAI, is asked to compact by itself (0.169.0). */
function openaisOwn(line: string): string {
  return line.replace(/^CAUSEWAY_KEY=(\S+) .*base_url="([^"]*)".*$/, "CODEX_API_KEY=$1 codex -c openai_base_url='$2'");
}

/** `sign`: in the request that asks for the summary. `carried`: how the program brings the summary along when it goes on. */
async function compact(
  scene: Scene,
  sign: string,
  carried: string,
  lineOf = (line: string): string => line,
): Promise<Seen> {
  const { program, rig } = scene;
  const { runs = [], summarise = String } = program.compacting ?? {};
  rig.cloud.aiUpstream.script({ platform: program.platform, nth: 1 }, { text: "Begun." });
  rig.cloud.aiUpstream.script({ platform: program.platform, nth: 2 }, { text: summarise(summary) });
  rig.cloud.aiUpstream.script({ platform: program.platform }, { text: answer });
  const played = await play(scene, await rig.addKey(), runs, lineOf);
  const asked = rig.cloud.aiUpstream.requests.filter(({ operation }) => operation !== "hello");
  const asking = asked.flatMap(({ body }, index) => (body.includes(sign) ? [index + 1] : []));
  // Of OpenAI's own provider Codex first asks for a WebSocket, once in each run.
  const records = played.records.filter(({ reason }) => reason !== "UpgradeRequired");
  return judge(played, [
    ...served({ ...played, records }),
    ...answered(played),
    ...unless(asking.join() === "2", `its requests for a summary: ${asking.join(", ") || "none"}`),
    ...unless(asked.length > 2 && asked.at(-1)?.body.includes(carried) === true, "it does not go on from the summary"),
  ]);
}

/** Before auto mode runs a command it asks a model whether it may: some versions with `[1m]` behind that model's name. */
async function largeWindow(scene: Scene): Promise<Seen> {
  const { rig, workFolder } = scene;
  const { aiUpstream } = rig.cloud;
  const file = path.join(workFolder, "tide.txt");
  const input = { command: `node -e "require('fs').writeFileSync('${file}', 'out')"`, description: "Note the tide" };
  aiUpstream.script({ operation: "anthropic.messages", stream: false }, { text: "<block>no</block>" });
  aiUpstream.script(
    { operation: "anthropic.messages", stream: true, nth: 1 },
    { toolCalls: [{ name: "Bash", input }] },
  );
  aiUpstream.script({ operation: "anthropic.messages" }, { text: answer });
  const more = "--model 'claude-opus-5-5[1m]' --permission-mode auto -p 'Note the tide.'";
  const played = await play(scene, await rig.addKey(), [more]);
  const checks = aiUpstream.requests.filter(({ operation, stream }) => operation === "anthropic.messages" && !stream);
  return judge(played, [
    ...served(played),
    ...answered(played),
    ...unless(checks.length > 0, "it did not ask whether the command may run"),
    ...unless(existsSync(file), "the command did not run"),
  ]);
}

async function failOver(scene: Scene, behaviour: object): Promise<Seen> {
  const { program, rig } = scene;
  const failing = rig.cloud.aiUpstream.script({ platform: program.platform, times: 1 }, behaviour);
  rig.cloud.aiUpstream.script({ platform: program.platform }, { text: answer });
  const played = await play(scene, await rig.addKey(), [program.plain(prompt)]);
  const tried = played.records.map(({ accountsTried }) => accountsTried);
  return judge(played, [
    ...served(played),
    ...answered(played),
    ...unless(failing.hits === 1, "no account failed"),
    ...unless(tried.filter((each) => each === 2).length === 1, `accounts tried: ${tried.join(", ")}`),
  ]);
}
