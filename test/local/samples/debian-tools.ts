// Runs Debian's own programs in tests: they, not our code, say whether a sample is what it claims to be.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import path from "node:path";

/** Runs a program to its end; throws its own words when it fails or is not installed. */
export function run(program: string, args: readonly string[], input?: Buffer | { readonly file: string }): string {
  const isFile = input !== undefined && !Buffer.isBuffer(input);
  const result = spawnSync(program, args, {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    timeout: 60_000,
    ...(isFile ? { stdio: [openSync(input.file, "r"), "pipe", "pipe"] } : { input }),
  });
  if (result.error && "code" in result.error && result.error.code === "ENOENT") {
    throw new Error(`${program} is not installed: run scripts/install-test-packages.sh as root.`);
  }
  if (result.status !== 0) {
    throw new Error(`${program} ended with ${result.status ?? result.signal}: ${result.stderr}`, {
      cause: result.error,
    });
  }
  return result.stdout;
}

/** A MariaDB server of its own: fresh data folder, no network, a socket in that folder. */
export class ThrowawayServer implements AsyncDisposable {
  readonly #socket: string;
  readonly #process: ChildProcess;
  readonly #log: string[] = [];

  private constructor(directory: string) {
    this.#socket = path.join(directory, "s");
    this.#process = spawn("mariadbd", [
      "--no-defaults",
      `--datadir=${path.join(directory, "data")}`,
      `--socket=${this.#socket}`,
      `--pid-file=${path.join(directory, "pid")}`,
      "--user=root",
      "--skip-networking",
      "--innodb-buffer-pool-size=32M",
      "--innodb-flush-log-at-trx-commit=0",
    ]);
    this.#process.stderr?.on("data", (chunk: Buffer) => this.#log.push(chunk.toString()));
  }

  static async start(directory: string): Promise<ThrowawayServer> {
    run("mariadb-install-db", [
      "--no-defaults",
      `--datadir=${path.join(directory, "data")}`,
      "--user=root",
      "--auth-root-authentication-method=normal",
      "--skip-test-db",
    ]);
    const server = new ThrowawayServer(directory);
    await server.#untilReady();
    return server;
  }

  /** Feeds SQL to the command-line client and returns what it prints: columns by tabs, no header. */
  sql(input: Buffer): string {
    const args = [
      "--no-defaults",
      `--socket=${this.#socket}`,
      "--user=root",
      "--default-character-set=utf8mb4",
      "-N",
      "-r",
    ];
    return run("mariadb", args, input);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await ended;
  }

  async #untilReady(): Promise<void> {
    for (let attempt = 0; attempt < 300; attempt += 1) {
      if (this.#process.exitCode !== null) break;
      try {
        this.sql(Buffer.from("SELECT 1"));
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    this.#process.kill("SIGKILL");
    throw new Error(`MariaDB did not start: ${this.#log.join("")}`);
  }
}
