// What `npm start -- …` understands.
import path from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { projectFolder, stateFolder } from "../../cli/project-folder.ts";
import { portsAfterFirst } from "./port-offsets.ts";

export interface StartOptions {
  /** End after the first run, with exit code 0 when every backup that could be copied was. */
  readonly once: boolean;
  /** Files of the user's that serve as Aliyun backups; absolute. */
  readonly backups: readonly string[];
  /** Of the large sample. */
  readonly sizeBytes: number;
  readonly faultSeed: number | undefined;
  /** 0: any free port. */
  readonly port: number;
  readonly dynamodbEndpoint: string | undefined;
  /** Absolute. */
  readonly stateDirectory: string;
}

const defaultPort = 4566;
const defaultSize = "300MiB";
const unitBytes: Readonly<Record<string, number>> = {
  ...{ "": 1, b: 1, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3, kb: 1e3, mb: 1e6, gb: 1e9 },
};
/** The sample lies on the disk twice: at the source and in S3. */
const largestSizeBytes = 64 * 1024 ** 3;
const smallestSizeBytes = 1024 ** 2;
const highestPort = 65_535 - portsAfterFirst;

/** Prints help or a complaint and ends the process (0 or 1) where the arguments ask for it. */
export function parseStartOptions(argv: readonly string[], workingFolder: string): StartOptions {
  const collect = (value: string, before: readonly string[] = []) => [...before, path.resolve(workingFolder, value)];
  const command = new Command("npm start --")
    .description("Boots the local cloud from the synthesised templates and copies sample backups through it.")
    .option("--once", "stop after the first run; exit code 0 when all went well, else 1")
    .option("--backup <file>", "let this file cross as an Aliyun backup, too; may be given again", collect)
    .option("--size <size>", `of the large sample, such as 50MiB or 2GiB; default: ${defaultSize}`, parseSize)
    .option("--faults <seed>", "let the clouds misbehave; the same whole number, the same trouble", parseWhole)
    .option(
      "--port <port>",
      "of the AWS services; the next eight are Aliyun's, the sign-in's, the relay's, the API's, WeCom's and the AI providers'; 0: any free",
      parsePort,
      defaultPort,
    )
    .option("--dynamodb-endpoint <url>", "use this DynamoDB, not the one for Linux x64 that comes along", parseUrl)
    .option("--state <folder>", "where the local cloud keeps its data", parseFolder, ".causeway")
    .helpOption("--help", "show this")
    .showHelpAfterError("(npm start -- --help shows the options)")
    .parse([...argv], { from: "user" });
  const given = command.opts();
  return {
    once: given.once === true,
    backups: given.backup ?? [],
    sizeBytes: given.size ?? parseSize(defaultSize),
    faultSeed: given.faults,
    port: given.port,
    dynamodbEndpoint: given.dynamodbEndpoint,
    stateDirectory:
      command.getOptionValueSource("state") === "default" ? stateFolder : path.resolve(workingFolder, given.state),
  };
}

/** `npm start` moves to the project's folder; paths are meant from where it was called, which npm notes down. */
export function callersFolder(environment: NodeJS.ProcessEnv, cwd: string): string {
  return cwd === projectFolder ? (environment.INIT_CWD ?? cwd) : cwd;
}

/** Nothing, as of a variable that is not set, would be the folder that the command was typed in. */
function parseFolder(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("Give a folder, such as ~/causeway.");
}

function parseSize(text: string): number {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text) ?? [];
  const bytes = Math.round(Number(digits || Number.NaN) * (unitBytes[unit.toLowerCase()] ?? Number.NaN));
  if (bytes >= smallestSizeBytes && bytes <= largestSizeBytes) return bytes;
  throw new InvalidArgumentError("Give a size from 1MiB to 64GiB, such as 50MiB.");
}

function parseWhole(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Give a whole number of at most nine digits.");
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= highestPort) return port;
  throw new InvalidArgumentError(
    `Give a port from 0 to ${highestPort}: the ${portsAfterFirst} after it are used, too.`,
  );
}

function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol)) return url.href.replace(/\/$/, "");
  throw new InvalidArgumentError("Give an address such as http://127.0.0.1:8000.");
}
