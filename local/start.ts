// `npm start`: the whole of Causeway on this machine. Synthesises the app, boots the local cloud from its templates, lets
// the sample backups cross, shows the proofs, and stays up.
import { callersFolder, parseStartOptions } from "./start/options.ts";
import { sentenceOf } from "./start/sentence-error.ts";

const options = parseStartOptions(process.argv.slice(2), callersFolder(process.env, process.cwd()));

function fail(error: unknown): never {
  process.stderr.write(`\n${sentenceOf(error, options.stateDirectory)}\n`);
  if (process.env.DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exit(1);
}

// A full disk is met wherever something writes. What is on the disk is whole at any instant, so the end may be sudden.
process.on("uncaughtException", fail);
try {
  // A wrong option or file is told at once; the local cloud takes its time to load.
  const { lookFirst } = await import("./start/look-first.ts");
  const ground = await lookFirst(options);
  const { runLocally } = await import("./start/run-locally.ts");
  process.exitCode = await runLocally(options, ground);
} catch (error) {
  fail(error);
}
// Whatever still holds the event loop (a worker, a socket) has nothing left to do.
process.exit();
