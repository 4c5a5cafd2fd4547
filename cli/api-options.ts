// What every command over the API has: where the API is, how the answer is printed, and how its refusals are told.
import { type Command, InvalidArgumentError, Option } from "commander";
import type { ApiClient } from "./api/api-client.ts";
import type { ApiOptions } from "./api/connect-api.ts";
import { stateFolder } from "./project-folder.ts";
import { UsageProblem } from "./usage-problem.ts";

export interface Common extends ApiOptions {
  readonly json: boolean;
}

export type Listing = Common & { readonly limit: number };

/** Of what starts a job. */
export type Started = Common & { readonly wait: boolean; readonly key?: string };

const exitCodes = "\nExit codes: 0 done, 1 it ended badly, 2 it could not be done.";
const mostListed = 10_000;

/** Where the API is, and how the answer is printed. */
export function apiOptions(command: Command): Command {
  return command
    .helpOption("--help", "show this")
    .addOption(
      new Option(
        "--api <url>",
        "the API: output ApiUrl of the stack causeway-<stage>-console, or your own domain; default: CAUSEWAY_API",
      ),
    )
    .addOption(new Option("--local", "the API of a running npm start; nobody needs to sign in"))
    .addOption(
      new Option("--state <folder>", "with --local: the --state of that npm start").default(stateFolder, ".causeway"),
    )
    .option("--json", "print JSON, for programs", false)
    .addHelpText("after", exitCodes);
}

export function listOptions(command: Command): Command {
  return apiOptions(command).addOption(
    new Option("--limit <count>", "print at most so many").argParser(countOf).default(50),
  );
}

export function waitOptions(command: Command): Command {
  return apiOptions(command).option(
    "--wait",
    "follow the job to its end; the exit code is 1 when it failed or was cancelled",
    false,
  );
}

export function startOptions(command: Command): Command {
  return waitOptions(command).option("--key <text>", "an Idempotency-Key: with the same one, nothing is started twice");
}

function countOf(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= mostListed) return count;
  throw new InvalidArgumentError(`Give a whole number from 1 to ${mostListed}.`);
}

/** Opens the API, does the work, and takes the exit code that it returns. */
export async function withApi(options: Common, work: (client: ApiClient) => Promise<unknown>): Promise<void> {
  const [{ openApi }, { ApiProblem, problemSentence }] = await Promise.all([
    import("./api/connect-api.ts"),
    import("./api/api-problem.ts"),
  ]);
  const client = openApi(options);
  try {
    const code = await work(client);
    if (typeof code === "number" && code !== 0) process.exitCode = code;
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    throw new UsageProblem(problemSentence(error, client.connection.again), { cause: error });
  }
}

export function group(program: Command, name: string, description: string): Command {
  return program.command(name).description(description).helpOption("--help", "show this").helpCommand(false);
}
