// The command line of Causeway: what it offers, and how its errors end. Exit codes: 0 it holds or is done, 1 it ended
// badly (a receipt does not hold, a job failed), 2 it could not be done.
import { resolve } from "node:path";
import { Command, CommanderError, Option } from "commander";
import { addApiCommands } from "./api-commands.ts";
import { group } from "./api-options.ts";
import { errorSentence } from "./error-sentence.ts";
import { connectToLocalCloud } from "./local-connection.ts";
import { stateFolder } from "./project-folder.ts";
import { knownStages } from "./stage-files.ts";
import { UsageProblem } from "./usage-problem.ts";
import type { VerifyTarget } from "./verify-receipt.ts";

interface StageOptions {
  readonly stage: string;
  readonly local?: boolean;
  readonly state: string;
}

const exitCodeDifferent = 1;
const exitCodeNotDone = 2;

const program = new Command("causeway")
  .description(
    "Operates Causeway over its API: copies, exports and the mirror; the relay's keys, accounts and usage. And its secrets, and the proof of its copies.",
  )
  .helpOption("--help", "show this")
  .helpCommand(false)
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(withoutValue(text).replace(/^error: /, "causeway: ")) })
  .addHelpText(
    "after",
    "\nExit codes: 0 done, 1 it ended badly (a receipt does not hold, a job failed), 2 it could not be done.",
  );

function stageOptions(command: Command): Command {
  return command
    .helpOption("--help", "show this")
    .addOption(new Option("--stage <stage>", `the stage that is meant: ${knownStages().join(", ")}`).default("dev"))
    .addOption(new Option("--local", "talk to the local cloud of a running npm start; the stage is local"))
    .addOption(
      new Option("--state <folder>", "with --local: the --state of that npm start").default(stateFolder, ".causeway"),
    )
    .exitOverride();
}

const secrets = group(program, "secrets", "puts secrets where the functions read them: AWS Secrets Manager");

stageOptions(secrets.command("set"))
  .argument("<name>", "which secret: aliyun, aliyun-oss, aliyun-oss-deletes, or alerts/<channel>")
  .description(
    "stores a key pair of Aliyun's, or the address of a channel of alerts. It is read from ALIYUN_ACCESS_KEY_ID, " +
      "ALIYUN_ACCESS_KEY_SECRET (and, for a temporary one, ALIYUN_SECURITY_TOKEN), for the mirror to OSS from " +
      "ALIYUN_OSS_ACCESS_KEY_ID …, for its deletions from ALIYUN_OSS_DELETES_ACCESS_KEY_ID …, or CAUSEWAY_CHANNEL_URL " +
      "(and CAUSEWAY_CHANNEL_SECRET), else as JSON from standard input, else asked for; never from the command line",
  )
  .action(async (name: string, options: StageOptions) => {
    // What was typed in its place may be a key: it is not repeated.
    const isPair = /^aliyun(-oss(-deletes)?)?$/.test(name);
    if (!isPair && !/^alerts\/[a-z][a-z0-9-]{0,30}$/.test(name)) {
      const names = "aliyun, aliyun-oss, aliyun-oss-deletes, alerts/<channel>";
      throw new UsageProblem(`There is no secret of this name; there are: ${names}.`);
    }
    const target = connect(options);
    // Each command loads what it needs: the vendors' SDKs take longer to load than most commands to run.
    if (isPair) await (await import("./set-secret.ts")).setAliyunSecret(target, name);
    else await (await import("./set-channel-secret.ts")).setChannelSecret(name, target);
  });

stageOptions(program.command("verify"))
  .argument("<receipt>", "a receipt: a file, or s3://bucket/receipts/…/copy.json or …/mirror-oss.json")
  .option("--read-data", "read every byte of the copy (and of the source while it is offered) and sum it anew", false)
  .option("--json", "print the result as JSON", false)
  .description(
    "checks a receipt's signature, and what it says against S3 and Aliyun as they are now; exit code 0: it holds, " +
      "1: something differs, 2: it could not be checked",
  )
  .action(async (receipt: string, options: StageOptions & { readData: boolean; json: boolean }) => {
    const target = connect(options);
    const { verifyReceipt } = await import("./verify-receipt.ts");
    const verdict = await verifyReceipt(receipt, { ...target, readData: options.readData });
    process.stdout.write(options.json ? `${JSON.stringify(verdict, null, 2)}\n` : `${verdict.lines.join("\n")}\n`);
    if (!verdict.holds) process.exitCode = exitCodeDifferent;
  });

const mirror = group(program, "mirror", "the mirror in Aliyun OSS");

stageOptions(mirror.command("redrive"))
  .option("--deletes", "the dead letters of mirrored deletions instead", false)
  .description(
    "puts the dead letters of the mirror back into its queue, once their cause is mended; exit code 0: they are on " +
      "their way, or there are none, 2: it could not be done",
  )
  .action(async (options: StageOptions & { deletes: boolean }) => {
    const { stage } = connect(options);
    const { redriveMirror } = await import("./redrive-mirror.ts");
    process.stdout.write(`${await redriveMirror(stage, options.deletes)}\n`);
  });

addApiCommands(program, mirror);

/** `--local` is the stage local at the endpoints that a running `npm start` has written down. */
function connect(options: StageOptions): VerifyTarget {
  if (options.local) return { stage: "local", aliyun: connectToLocalCloud(resolve(options.state)) };
  if (!knownStages().includes(options.stage)) {
    throw new UsageProblem(`There is no such stage; stages/ has ${knownStages().join(", ")}.`);
  }
  return { stage: options.stage };
}

/** An unknown option, or a word too many, may have been meant for a secret: what follows is not repeated. */
function withoutValue(text: string): string {
  return text.replace(/('-[\w-]*)=[^']*'/g, "$1=…'").replace(/(too many arguments.* but got \d+): .*/, "$1.");
}

/** The command that was meant, as far as its words are known: `causeway relay keys create`. */
function commandMeant(): string {
  const names = [program.name()];
  let command: Command | undefined = program;
  for (const word of process.argv.slice(2)) {
    command = command.commands.find((each) => each.name() === word);
    if (command === undefined) break;
    names.push(word);
  }
  return names.join(" ");
}

/** `causeway … | head -1` has read enough: what was to be done is done all the same. */
function letReadersLeave(stream: NodeJS.WriteStream): void {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

/** Commander's own complaints repeat what was typed, and here that may be a key. */
const silent = () => undefined;
const complaintAboutSecrets =
  "secrets set takes the secret's name, aliyun or alerts/<channel>, and no key: it comes from the environment, from standard input, " +
  "or is asked for.";

for (const command of [secrets, ...secrets.commands]) command.configureOutput({ outputError: silent });

for (const stream of [process.stdout, process.stderr]) letReadersLeave(stream);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Help was asked for, or commander has said what is wrong.
    process.exitCode = error.exitCode === 0 || error.code === "commander.help" ? 0 : exitCodeNotDone;
    if (process.exitCode !== 0) {
      if (process.argv[2] === secrets.name()) process.stderr.write(`causeway: ${complaintAboutSecrets}\n`);
      if (error.code === "commander.missingArgument") {
        process.stderr.write("An option that takes several values takes all words up to the next option.\n");
      }
      process.stderr.write(`npx ${commandMeant()} --help shows what there is.\n`);
    }
  } else {
    process.stderr.write(`causeway: ${errorSentence(error)}\n`);
    if (process.env.DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    process.exitCode = exitCodeNotDone;
  }
}
