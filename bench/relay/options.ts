// The command line of the relay benchmark.
import { parseArgs } from "node:util";
import { parseByteCount } from "../../lib/byte-count.ts";
import { type CaseName, caseNames } from "./cases.ts";
import { type ContestantName, contestantNames } from "./contestants.ts";

export interface RelayBenchOptions {
  readonly cases: readonly CaseName[];
  readonly contestants: readonly ContestantName[];
  readonly runs: number;
  /** Of the usual number of requests. */
  readonly share: number;
  readonly bodyBytes: number;
  /** Undefined: no profiles. */
  readonly profileFolder: string | undefined;
  readonly json: boolean;
  /** Tells a person how it goes; silent for programs. */
  readonly say: (line: string) => void;
}

const help = `npm run bench:relay -- [options]
Sends AI API calls to the same stand-in of a provider: directly, through a bare Node pass-through (the floor), through
Causeway as npm start boots it, and through @portkey-ai/gateway (installed into bench/peers at the first use).

  --cases LIST         of ${caseNames.slice(0, 7).join(", ")},
                       ${caseNames.slice(7).join(", ")} (default: all)
  --contestants LIST   of ${contestantNames.join(", ")} (default: all)
  --runs N             interleaved runs of each; medians are given (default 3)
  --quick              a tenth of the requests, and one run
  --body BYTES         of the question in each request, such as 64KiB (default 1 KiB)
  --profile FOLDER     writes CPU profiles of Causeway's two threads there, one pair for each case and run; figures of
                       such a run are no measure
  --json               prints {machine, cases: {case: {contestant: figures}}} and nothing else to stdout
  --help               this text

Processor time is that of the relay's own process; of Causeway that of the thread its function runs in, with its share
of V8's helper threads. What the gateway's front, the Lambda host and the DynamoDB-compatible store take besides stands
apart: in AWS they are services. The clients and the upstream run in processes of their own and are not counted.
`;

const mostRuns = 100;
const quickShare = 0.1;
const largestBodyBytes = 4 * 1024 ** 2;

/** Nothing when help was asked for. Ends the program with a sentence when an option is wrong. */
export function readOptions(argumentList: string[]): RelayBenchOptions | undefined {
  try {
    const { values } = parseArgs({
      args: argumentList,
      options: {
        cases: { type: "string" },
        contestants: { type: "string" },
        runs: { type: "string" },
        quick: { type: "boolean", default: false },
        body: { type: "string", default: "1KiB" },
        profile: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(help);
      return undefined;
    }
    const { json, quick } = values;
    return {
      cases: readNames("--cases", values.cases, caseNames),
      contestants: readNames("--contestants", values.contestants, contestantNames),
      runs: readRuns(values.runs ?? (quick ? "1" : "3")),
      share: quick ? quickShare : 1,
      bodyBytes: readBody(values.body),
      profileFolder: values.profile,
      json,
      say: (line) => void (json ? process.stderr : process.stdout).write(`${line}\n`),
    };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\nTry --help.\n`);
    process.exit(2);
  }
}

/** In the order of what there is, whatever the order in which they were asked for. */
function readNames<Name extends string>(option: string, text: string | undefined, all: readonly Name[]): Name[] {
  if (text === undefined) return [...all];
  const asked = text.split(",").map((name) => name.trim());
  const wrong = asked.find((name) => !all.some((known) => known === name));
  if (wrong !== undefined) throw new Error(`${option} may name ${all.join(", ")}, not ${wrong}.`);
  return all.filter((name) => asked.includes(name));
}

function readRuns(text: string): number {
  const runs = Number(text);
  if (Number.isInteger(runs) && runs >= 1 && runs <= mostRuns) return runs;
  throw new Error(`--runs must be a whole number from 1 to ${mostRuns}, not ${text}.`);
}

function readBody(text: string): number {
  const bytes = parseByteCount(text);
  if (bytes !== undefined && bytes >= 1 && bytes <= largestBodyBytes) return bytes;
  throw new Error(`--body must be a number of bytes up to 4 MiB, such as "64 KiB", not "${text}".`);
}
