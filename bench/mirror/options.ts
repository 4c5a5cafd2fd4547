// The command line of the mirror benchmark.
import { parseArgs } from "node:util";
import { parseByteCount } from "../../lib/byte-count.ts";
import { type CaseName, caseNames } from "./cases.ts";

export interface MirrorBenchOptions {
  readonly cases: readonly CaseName[];
  readonly runs: number;
  /** Of the case `small`. Absent: the case's own. */
  readonly objects: number | undefined;
  /** Of the case `large`. Absent: the case's own. */
  readonly sizeBytes: number | undefined;
  readonly json: boolean;
  /** Tells a person how it goes; silent for programs. */
  readonly say: (line: string) => void;
}

const help = `npm run bench:mirror -- [options]
Mirrors objects from the local S3 to the local OSS: Causeway's mirror functions, and rclone copy between the same two.

  --case NAME     small: 1,000 objects of 1 to 64 KiB; large: one object of 2 GiB (default: both)
  --runs N        interleaved runs of each; medians are given (default 3)
  --objects N     of the case small
  --size BYTES    of the case large, such as 512MiB
  --json          prints {small, large: {causeway, rclone}} and nothing else to stdout; the runs go to stderr
  --help          this text

What is counted is the process that copies: time from its start to its end, its processor seconds (user and system),
and the most memory it held. The two far ends run in processes of their own; what they take is not counted, but on a
machine with few cores it is what limits the throughput of both.
`;

const mostRuns = 100;
const mostObjects = 100_000;
const largestSizeBytes = 64 * 1024 ** 3;

/** Nothing when help was asked for. Ends the program with a sentence when an option is wrong. */
export function readOptions(argumentList: string[]): MirrorBenchOptions | undefined {
  try {
    const { values } = parseArgs({
      args: argumentList,
      options: {
        case: { type: "string" },
        runs: { type: "string", default: "3" },
        objects: { type: "string" },
        size: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(help);
      return undefined;
    }
    const caseName = caseNames.find((name) => name === values.case);
    if (values.case !== undefined && caseName === undefined) {
      throw new Error(`--case must be one of ${caseNames.join(", ")}, not ${values.case}.`);
    }
    const { json } = values;
    return {
      cases: caseName === undefined ? caseNames : [caseName],
      runs: readCount("--runs", values.runs, mostRuns),
      objects: values.objects === undefined ? undefined : readCount("--objects", values.objects, mostObjects),
      sizeBytes: readSize(values.size),
      json,
      say: (line) => void (json ? process.stderr : process.stdout).write(`${line}\n`),
    };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\nTry --help.\n`);
    process.exit(2);
  }
}

function readCount(option: string, text: string, most: number): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= most) return count;
  throw new Error(`${option} must be a whole number from 1 to ${most}, not ${text}.`);
}

function readSize(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = parseByteCount(text);
  if (bytes !== undefined && bytes >= 1 && bytes <= largestSizeBytes) return bytes;
  throw new Error(`--size must be a number of bytes up to 64 GiB, such as "512 MiB", not "${text}".`);
}
