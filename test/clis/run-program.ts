// Runs one of the vendors' programs by lines as `npm start` prints them, in a home of its own, with no way out but loopback.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";

export interface ProgramRun {
  /** Undefined: it did not end by itself, and was killed. */
  readonly exitCode: number | undefined;
  readonly output: string;
  readonly errors: string;
}

export interface Surroundings {
  /** Folder for homes. */
  readonly folder: string;
  /** Where programs must ask for everything that is not on loopback, in vain. */
  readonly proxyUrl: string;
}

/** Programs that try again and again give up after minutes; nobody waits for that. */
const longestRunMilliseconds = 240_000;
const mostOutputCharacters = 1_000_000;
const programs = path.resolve(import.meta.dirname, "node_modules/.bin");

/** `typed`: lines as printed, with what is typed behind them. */
export async function runInShell(
  typed: string,
  workFolder: string,
  { folder, proxyUrl }: Surroundings,
): Promise<ProgramRun> {
  const home = mkdtempSync(path.join(folder, "home-"));
  const temporary = path.join(home, "tmp");
  mkdirSync(temporary);
  const child = spawn("bash", ["-c", typed], {
    cwd: workFolder,
    // A group of its own, so that what it started goes with it.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      HOME: home,
      TMPDIR: temporary,
      PATH: [programs, path.dirname(process.execPath), "/usr/local/bin", "/usr/bin", "/bin"].join(":"),
      LANG: "C.UTF-8",
      TERM: "dumb",
      HTTPS_PROXY: proxyUrl,
      HTTP_PROXY: proxyUrl,
      ALL_PROXY: proxyUrl,
      NO_PROXY: "127.0.0.1,localhost",
    },
  });
  const said = { output: "", errors: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said.output = (said.output + text).slice(-mostOutputCharacters);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said.errors = (said.errors + text).slice(-mostOutputCharacters);
  });
  let isTooLate = false;
  const timer = setTimeout(() => {
    isTooLate = true;
    endGroup(child.pid);
  }, longestRunMilliseconds);
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  clearTimeout(timer);
  // Whatever it left running behind.
  endGroup(child.pid);
  return { exitCode: isTooLate || exitCode === null ? undefined : exitCode, ...said };
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody of it is left.
  }
}

export interface RefusingProxy {
  readonly url: string;
  /** Hosts that were asked for. */
  readonly hosts: Set<string>;
  close(): void;
}

/** Refuses everything and remembers which hosts were asked for. */
export async function startRefusingProxy(): Promise<RefusingProxy> {
  const hosts = new Set<string>();
  const server = http.createServer((request, response) => {
    hosts.add(URL.canParse(request.url ?? "") ? new URL(request.url ?? "").host : "unknown");
    response.writeHead(403).end();
  });
  server.on("connect", (request, socket) => {
    hosts.add(request.url ?? "unknown");
    socket.on("error", () => socket.destroy());
    socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, hosts, close: () => server.close() };
}
