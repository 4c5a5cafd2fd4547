// The relay that Causeway is compared with, from npm: installed at the benchmark's first use, apart from the project.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findFreeRow } from "../../local/free-ports.ts";

const peersFolder = join(import.meta.dirname, "../peers");
const portkeyFolder = join(peersFolder, "node_modules/@portkey-ai/gateway");
const longestStartMilliseconds = 30_000;
const pollMilliseconds = 50;

/** Throws with npm's words when the registry cannot be reached. */
export function installPeers(say: (line: string) => void): void {
  if (existsSync(portkeyFolder)) return;
  say("installing @portkey-ai/gateway into bench/peers …");
  const options = ["ci", "--prefix", peersFolder, "--ignore-scripts", "--no-audit", "--no-fund"];
  const done = spawnSync("npm", options, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`npm ${options.join(" ")} failed:\n${done.stderr}`);
}

export function portkeyVersion(): string {
  const { version } = JSON.parse(readFileSync(join(portkeyFolder, "package.json"), "utf8")) as { version: string };
  return `@portkey-ai/gateway ${version}`;
}

export interface RunningPortkey {
  readonly url: string;
  readonly processId: number;
  stop(): void;
}

export async function startPortkey(): Promise<RunningPortkey> {
  const port = await findFreeRow(1);
  const { PATH = "", HOME = "" } = process.env;
  const program = join(portkeyFolder, "build/start-server.js");
  const child = spawn(process.execPath, [program, "--headless", `--port=${port}`], {
    stdio: "ignore",
    env: { PATH, HOME, NODE_ENV: "production" },
  });
  // The benchmark's end, however it comes, is the peer's too.
  const stop = () => void child.kill("SIGKILL");
  process.once("exit", stop);
  await untilItAnswers(port, child);
  return { url: `http://127.0.0.1:${port}`, processId: child.pid ?? 0, stop };
}

async function untilItAnswers(port: number, child: ChildProcess): Promise<void> {
  const until = performance.now() + longestStartMilliseconds;
  while (performance.now() < until) {
    if (child.exitCode !== null) throw new Error(`@portkey-ai/gateway ended with ${child.exitCode}`);
    if (await answers(port)) return;
    await sleep(pollMilliseconds);
  }
  throw new Error("@portkey-ai/gateway did not start in time");
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    http
      .get({ host: "127.0.0.1", port, path: "/" }, (answer) => {
        answer.resume();
        resolve(true);
      })
      .once("error", () => resolve(false));
  });
}
