// Makes the templates as `npm run synth` does, in a process of its own: the local cloud knows the app by them alone.
import { spawn } from "node:child_process";
import { projectFolder } from "../../cli/project-folder.ts";
import { SentenceError } from "./sentence-error.ts";

export const stage = "local";
const mostOutputCharacters = 20_000;

/** Throws a SentenceError with what the app said when it cannot be synthesised. */
export async function synthesise(assemblyDirectory: string, signal: AbortSignal): Promise<void> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "bin/causeway.ts"], {
    cwd: projectFolder,
    env: { ...process.env, CAUSEWAY_STAGE: stage, CDK_OUTDIR: assemblyDirectory },
    stdio: ["ignore", "pipe", "pipe"],
    signal,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output = (output + String(chunk)).slice(-mostOutputCharacters);
    });
  }
  const code = await new Promise<number | null>((resolve, reject) =>
    child.on("error", reject).on("close", resolve),
  ).catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
  // Ctrl-C at the terminal reaches the child as well, and may end it first.
  signal.throwIfAborted();
  if (code !== 0) throw new SentenceError(output.trim() || `The app could not be synthesised (exit code ${code}).`);
}
