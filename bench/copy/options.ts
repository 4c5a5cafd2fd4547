// The command line of the copy benchmark.
import { parseArgs } from "node:util";
import { parseByteCount } from "../../lib/byte-count.ts";
import { type CaseName, caseNames } from "./cases.ts";

export interface BenchOptions {
  readonly caseName: CaseName;
  readonly json: boolean;
  readonly tls: boolean;
  readonly rounds: number;
  /** Absent: the case's own. */
  readonly sizeBytes: number | undefined;
  /** Tells a person how it goes; silent for programs. */
  readonly say: (line: string) => void;
}

const help = `npm run bench:copy -- [options]
Copies a source on loopback into a sink that throws it away: Causeway's copy Lambda, rclone, and a bare pipe.

  --case NAME     loopback (default), or long-distance: 20 MiB/s per source connection, 100 ms per part answer
  --size BYTES    of the source, such as 2GiB (default: 2 GiB, or 512 MiB for long-distance)
  --rounds N      interleaved rounds; medians are given (default 3)
  --tls           the same over TLS, with a certificate made for the run (needs openssl)
  --json          prints {causeway, rclone, floor: {mbPerSecond, cpuSecondsPerGiB, peakRssMiB}} and nothing else to
                  stdout; the rounds go to stderr
  --help          this text
`;

const mostRounds = 100;
const smallestSizeBytes = 1;
const largestSizeBytes = 10_000 * 8 * 1024 ** 2;

/** Nothing when help was asked for. Ends the program with a sentence when an option is wrong. */
export function readOptions(argumentList: string[]): BenchOptions | undefined {
  try {
    const { values } = parseArgs({
      args: argumentList,
      options: {
        case: { type: "string", default: "loopback" },
        size: { type: "string" },
        rounds: { type: "string", default: "3" },
        tls: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(help);
      return undefined;
    }
    const caseName = caseNames.find((name) => name === values.case);
    if (caseName === undefined) throw new Error(`--case must be one of ${caseNames.join(", ")}, not ${values.case}.`);
    const rounds = Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1 || rounds > mostRounds) {
      throw new Error(`--rounds must be a whole number from 1 to ${mostRounds}, not ${values.rounds}.`);
    }
    const { json } = values;
    const say = (line: string) => void (json ? process.stderr : process.stdout).write(`${line}\n`);
    return { caseName, json, tls: values.tls, rounds, sizeBytes: readSize(values.size), say };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\nTry --help.\n`);
    process.exit(2);
  }
}

function readSize(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = parseByteCount(text);
  if (bytes === undefined || bytes < smallestSizeBytes || bytes > largestSizeBytes) {
    throw new Error(`--size must be a number of bytes up to 10,000 parts of 8 MiB, such as "2 GiB", not "${text}".`);
  }
  return bytes;
}
