// What `npm start -- …` understands.
import { Command, InvalidArgumentError } from "commander";

export interface StartOptions {
  /** End after the first run, with exit code 0 when every backup that could be copied was. */
  readonly once: boolean;
  /** Files of the user's that serve as Aliyun backups. */
  readonly backups: readonly string[];
  /** Of the large sample. */
  readonly sizeBytes: number;
  readonly faultSeed: number | undefined;
  /** 0: any free port. */
  readonly port: number;
  readonly dynamodbEndpoint: string | undefined;
  readonly stateDirectory: string;
}

const defaultPort = 4566;
const defaultSize = "300 MiB";
const unitBytes: Readonly<Record<string, number>> = { "": 1, B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
/** The sample lies on the disk twice: at the source and in S3. */
const largestSizeBytes = 64 * 1024 ** 3;
const smallestSizeBytes = 1024 ** 2;

/** Prints help or a complaint and ends the process where the arguments ask for it. */
export function parseStartOptions(argv: readonly string[]): StartOptions {
  const command = new Command("npm start --")
    .description("Boots the local cloud from the synthesised templates and copies sample backups through it.")
    .option("--once", "stop after the first run; exit code 0 when all went well", false)
    .option("--backup <file>", "let this file cross as an Aliyun backup, too (may be given again)", collect, [])
    .option("--size <size>", "size of the large sample, such as 50MiB or 2GiB", parseSize, parseSize(defaultSize))
    .option("--faults <seed>", "let the clouds misbehave, repeatably from this whole number", parseWhole)
    .option("--port <port>", "port of the AWS services, the next two are Aliyun's; 0 for any free ones", parsePort, defaultPort)
    .option("--dynamodb-endpoint <url>", "use this DynamoDB instead of the bundled one (needed off Linux x64)")
    .option("--state <folder>", "where the local cloud keeps its data", ".causeway")
    .showHelpAfterError("(npm start -- --help shows the options)")
    .parse([...argv], { from: "user" });
  const given = command.opts();
  return {
    once: given.once,
    backups: given.backup,
    sizeBytes: given.size,
    faultSeed: given.faults,
    port: given.port,
    dynamodbEndpoint: given.dynamodbEndpoint,
    stateDirectory: given.state,
  };
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function parseSize(text: string): number {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text) ?? [];
  const bytes = Math.round(Number(digits || Number.NaN) * (unitBytes[unit] ?? Number.NaN));
  if (bytes >= smallestSizeBytes && bytes <= largestSizeBytes) return bytes;
  throw new InvalidArgumentError("Give a size from 1MiB to 64GiB, such as 50MiB.");
}

function parseWhole(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Give a whole number of at most nine digits.");
}

function parsePort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new InvalidArgumentError("Give a port from 0 to 65535.");
}
