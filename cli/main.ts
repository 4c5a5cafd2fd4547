// The command line of Causeway: what it offers, and how its errors end.
import { Command, Option } from "commander";
import { connectToLocalCloud } from "./local-connection.ts";
import { setAliyunSecret } from "./set-secret.ts";
import { UsageProblem } from "./usage-problem.ts";
import { verifyReceipt } from "./verify-receipt.ts";

interface StageOptions {
  readonly stage: string;
  readonly local?: boolean;
}

const program = new Command("causeway")
  .description("Operates Causeway: its secrets, and the proof of its copies.")
  .showHelpAfterError("(--help shows how)")
  .configureHelp({ showGlobalOptions: true });

const stageOption = new Option("--stage <stage>", "the stage that is meant, as in stages/<stage>.json").default("dev");
const localOption = new Option("--local", "talk to the local cloud of a running npm start, stage local");

program
  .command("secrets")
  .description("puts secrets where the functions read them: AWS Secrets Manager")
  .command("set")
  .argument("<name>", "which secret: aliyun")
  .addOption(stageOption)
  .addOption(localOption)
  .description(
    "reads the key pair from ALIYUN_ACCESS_KEY_ID, ALIYUN_ACCESS_KEY_SECRET (and ALIYUN_SECURITY_TOKEN), " +
      "else as JSON from standard input, else asks for it; it is never taken from the command line",
  )
  .action(async (name: string, options: StageOptions) => {
    if (name !== "aliyun") throw new UsageProblem(`There is no secret "${name}"; there is: aliyun.`);
    await setAliyunSecret(connect(options));
  });

program
  .command("verify")
  .argument("<receipt>", "a receipt: a file, or s3://bucket/receipts/…/copy.json")
  .addOption(stageOption)
  .addOption(localOption)
  .option("--read-data", "read every byte of the copy (and of the source while it is offered) and sum it anew", false)
  .option("--json", "print the result as JSON", false)
  .description("checks a receipt's signature, and what it says against S3 and Aliyun as they are now")
  .action(async (receipt: string, options: StageOptions & { readData: boolean; json: boolean }) => {
    const verdict = await verifyReceipt(receipt, { ...connect(options), readData: options.readData });
    process.stdout.write(options.json ? `${JSON.stringify(verdict, null, 2)}\n` : `${verdict.lines.join("\n")}\n`);
    if (!verdict.holds) process.exitCode = 1;
  });

/** `--local` is the stage local at the endpoints that a running `npm start` has written down. */
function connect(options: StageOptions): {
  stage: string;
  aliyun?: { endpoint: string; protocol: "http" | "https"; region: string };
} {
  if (!options.local) return { stage: options.stage };
  return { stage: "local", aliyun: connectToLocalCloud() };
}

try {
  await program.parseAsync();
} catch (error) {
  const said = error instanceof Error ? error.message : String(error);
  process.stderr.write(`causeway: ${said}\n`);
  process.exitCode = error instanceof UsageProblem ? 2 : 1;
}
