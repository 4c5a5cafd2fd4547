// Runs a program of ours as a person does, and keeps what it says; nothing of this process's AWS settings reaches it.
import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";

export const projectFolder = resolve(import.meta.dirname, "..");

export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** A started program: its output so far, and its end. */
export class Command {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = "";
  stderr = "";

  constructor(program: string, words: readonly string[], options: CommandOptions = {}) {
    this.child = spawn(program, words, {
      cwd: options.cwd ?? projectFolder,
      env: { ...cleanEnvironment(), ...options.environment },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    // A program that ends without reading breaks the pipe.
    this.child.stdin?.on("error", () => undefined);
    if (options.input !== undefined) this.child.stdin?.end(options.input);
    this.ended = new Promise((done, reject) => {
      this.child.once("error", reject);
      this.child.once("close", (code) => done({ code, stdout: this.stdout, stderr: this.stderr }));
    });
  }

  /** Resolves when the text has been said; rejects when the program ends without it. */
  async says(text: string): Promise<void> {
    while (!this.stdout.includes(text)) {
      const data = new Promise<"data">((done) => this.child.stdout?.once("data", () => done("data")));
      if ((await Promise.race([data, this.ended])) !== "data" && !this.stdout.includes(text)) {
        throw new Error(`It ended without "${text}":\n${this.stdout}\n${this.stderr}`);
      }
    }
  }
}

/** With this process's own Node. */
export function runNode(words: readonly string[], options: CommandOptions = {}): Command {
  return new Command(process.execPath, ["--disable-warning=ExperimentalWarning", ...words], options);
}

function cleanEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(AWS|ALIYUN|CDK|CAUSEWAY|INIT_CWD|NODE_OPTIONS|VITEST)/.test(name),
  );
  return {
    ...Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))),
    // No profile of the user's, and no look for an EC2 machine's role.
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  };
}
