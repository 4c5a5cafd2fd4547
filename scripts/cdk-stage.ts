// npm run synth | deploy | destroy -- --stage NAME: checks the stage's settings, then calls the CDK's own program.
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { listStages, readStageSettings, SettingsError } from "../lib/config.ts";

const cdkProgram = resolve(import.meta.dirname, "../node_modules/aws-cdk/bin/cdk");

const commands = ["synth", "deploy", "destroy"] as const;
type Command = (typeof commands)[number];

/** The stage that is never deployed: `npm start` runs it. */
const laptopStage = "local";

/** What was asked cannot be done; the message is for people and complete. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export interface CdkCall {
  readonly stage: string;
  /** What the CDK's program gets. */
  readonly arguments: readonly string[];
}

/** Reads `<command> [--stage NAME] [anything of the CDK's]`; throws UsageError. */
export function readCdkCall(words: readonly string[], stages: readonly string[]): CdkCall {
  const [word = "", ...rest] = words;
  const command = commands.find((known) => known === word);
  if (command === undefined) throw new UsageError(`"${word}" is not one of ${commands.join(", ")}.`);
  const { stage, others } = takeStage(command, rest, stages);
  // Approval is asked for whatever widens permissions; `--require-approval never` after `--` overrides it.
  const own = command === "synth" ? ["--quiet"] : ["--all"];
  return { stage, arguments: [command, "--context", `stage=${stage}`, ...own, ...others] };
}

function takeStage(command: Command, words: readonly string[], stages: readonly string[]) {
  const others: string[] = [];
  let stage: string | undefined;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? "";
    if (word === "--stage") {
      at += 1;
      stage = words[at];
      if (stage === undefined) throw new UsageError(`--stage needs a name: ${stages.join(", ")}.`);
    } else if (word.startsWith("--stage=")) stage = word.slice("--stage=".length);
    else others.push(word);
  }
  if (command === "synth") return { stage: stage ?? laptopStage, others };
  const deployable = stages.filter((name) => name !== laptopStage);
  if (stage === undefined) {
    throw new UsageError(`Say which stage: npm run ${command} -- --stage NAME. There are ${deployable.join(", ")}.`);
  }
  if (stage === laptopStage) {
    throw new UsageError(
      `"${laptopStage}" is the laptop's stage: "npm start" runs it. There are ${deployable.join(", ")}.`,
    );
  }
  return { stage, others };
}

function main(): number {
  try {
    const call = readCdkCall(process.argv.slice(2), listStages());
    readStageSettings(call.stage);
    return spawnSync(process.execPath, [cdkProgram, ...call.arguments], { stdio: "inherit" }).status ?? 1;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof SettingsError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = main();
