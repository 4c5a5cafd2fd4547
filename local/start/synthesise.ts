// Makes the templates as `npm run synth` does, in a process of its own: the local cloud knows the app by them alone.
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { projectFolder } from "../../cli/project-folder.ts";
import { SentenceError } from "./sentence-error.ts";

export const stage = "local";
const mostOutputCharacters = 20_000;

/** Throws a SentenceError with what the app said when it cannot be synthesised. */
export async function synthesise(assemblyDirectory: string, signal: AbortSignal): Promise<void> {
  // Assets of earlier builds would pile up in it.
  rmSync(assemblyDirectory, { recursive: true, force: true });
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
  if (code === 0) return;
  if (/\b(ENOSPC|EDQUOT)\b/.test(output)) {
    throw Object.assign(new Error("the templates do not fit"), { code: "ENOSPC" });
  }
  throw new SentenceError(
    `The app could not be synthesised (exit code ${code}):\n${withoutStack(output) || "it said nothing."}`,
  );
}

/** What a person can use of it: a thrown error's own lines, without the source lines before and the stack after them. */
function withoutStack(output: string): string {
  const lines = output.split("\n");
  const stackAt = lines.findIndex((line) => /^\s+at .*[:)]/.test(line));
  if (stackAt < 0 || process.env.DEBUG) return output.trim();
  const errorAt = lines.findLastIndex((line, at) => at < stackAt && /^\w*Error\b.*:/.test(line));
  return lines.slice(Math.max(0, errorAt), stackAt).join("\n").trim();
}
