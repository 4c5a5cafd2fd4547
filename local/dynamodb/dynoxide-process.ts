// Starts the dynoxide binary (a DynamoDB-compatible server on SQLite) and makes sure that it ends with this process.
import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import net from "node:net";

export interface DynamodbBackend {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  close(): Promise<void>;
}

const startAttempts = 5;
const longestStartMilliseconds = 10_000;
const connectPauseMilliseconds = 5;
const keptOutputCharacters = 2000;

/**
 * A shell stands between: it holds the reading end of a pipe from this process and ends the server when the pipe
 * closes, which the kernel does even when this process is killed with SIGKILL.
 */
const guardScript = 'exec 3<&0; "$@" 3<&- & server=$!; (read -r _ <&3; kill -9 $server) & wait $server';

/**
 * Throws an Error with a sentence where the platform has no binary or the server does not start.
 * `onUnexpectedEnd` hears what the server said when it ended without being asked to.
 */
export async function startDynoxide(
  databaseFile: string,
  onUnexpectedEnd: (lastWords: string) => void,
): Promise<DynamodbBackend> {
  const binary = dynoxideBinary();
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const started = await start(binary, databaseFile, port, onUnexpectedEnd);
    if (typeof started !== "string") return started;
    // Between the choice of the port and its use another program may have taken it.
    if (attempt === startAttempts) throw new Error(`The DynamoDB server did not start: ${started}`);
  }
}

function dynoxideBinary(): string {
  try {
    return createRequire(import.meta.url).resolve("@dynoxide/linux-x64/dynoxide");
  } catch (error) {
    throw new Error(
      `The local DynamoDB comes as a binary for Linux x64 (WSL2 included), not for ${process.platform} ${process.arch}. ` +
        "Start a DynamoDB-compatible server yourself and give its address with --dynamodb-endpoint URL.",
      { cause: error },
    );
  }
}

/** Gives the server, or what it said before it ended. */
async function start(
  binary: string,
  databaseFile: string,
  port: number,
  onUnexpectedEnd: (lastWords: string) => void,
): Promise<DynamodbBackend | string> {
  const serverCommand = [binary, "--host", "127.0.0.1", "--port", String(port), "--db-path", databaseFile];
  const guard = spawn("/bin/sh", ["-c", guardScript, "sh", ...serverCommand], {
    stdio: ["pipe", "ignore", "pipe"],
    // Its own process group: Ctrl-C at the terminal reaches this process, which then ends the server in order.
    detached: true,
    env: {},
  });
  let output = "";
  guard.stderr?.setEncoding("utf8").on("data", (text: string) => {
    output = (output + text).slice(-keptOutputCharacters);
  });
  // The pipe breaks when the server ends first; `exit` tells that already.
  guard.stdin?.on("error", () => undefined);
  const ended = new Promise<void>((resolve) => guard.once("exit", () => resolve()));
  const isUp = await Promise.race([untilItListens(port), ended.then(() => false)]);
  if (!isUp) {
    guard.stdin?.destroy();
    await ended;
    return output.trim() || "it ended without a word";
  }
  unref(guard);
  let closing = false;
  guard.once("exit", () => {
    guard.stdin?.destroy();
    if (!closing) onUnexpectedEnd(output.trim());
  });
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      closing = true;
      guard.ref();
      guard.stdin?.destroy();
      await ended;
    },
  };
}

/** The server alone does not keep the program alive. */
function unref(guard: ChildProcess): void {
  guard.unref();
  for (const stream of [guard.stdin, guard.stderr]) if (stream instanceof net.Socket) stream.unref();
}

async function untilItListens(port: number): Promise<boolean> {
  const giveUpAt = Date.now() + longestStartMilliseconds;
  while (Date.now() < giveUpAt) {
    if (await accepts(port)) return true;
    await new Promise((resolve) => setTimeout(resolve, connectPauseMilliseconds));
  }
  return false;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: "127.0.0.1", port });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => settle(true)).once("error", () => settle(false));
  });
}

/** The server does not say which port it got for 0, so that one is chosen for it. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
