// `npm start`: the whole of Causeway on this machine. Synthesises the app, boots the local cloud from its templates, lets
// the sample backups cross, shows the proofs, and stays up.
import { parseStartOptions, type StartOptions } from "./start/options.ts";
import { runLocally } from "./start/run-locally.ts";
import { SentenceError } from "./start/sentence-error.ts";

let options: StartOptions | undefined;
try {
  options = parseStartOptions(process.argv.slice(2));
  process.exitCode = await runLocally(options);
} catch (error) {
  process.stderr.write(`\n${sentenceOf(error)}\n`);
  process.exitCode = 1;
}
// Whatever still holds the event loop (a worker, a socket) has nothing left to do.
process.exit();

function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof SentenceError) return error.message;
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC")
    return "The disk is full. Free some space, or clear the local cloud's data with: npm run local:reset";
  if (code === "EACCES" || code === "EPERM") return `Not permitted: ${error.message}`;
  return process.env.DEBUG ? (error.stack ?? error.message) : error.message;
}
