// The relay's commands as people run them, against a booted local cloud: for one test file.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Command as Program } from "commander";
import { expect, vi } from "vitest";
import { keepSignIn } from "../../cli/api/sign-in-file.ts";
import { errorSentence } from "../../cli/error-sentence.ts";
import { writeConnection } from "../../cli/local-connection.ts";
import { addRelayCommands } from "../../cli/relay-commands.ts";
import { connectionOf } from "../../local/start/show-cloud.ts";
import { ConsoleRig } from "../console/console-rig.ts";
import { type CommandOptions, type Ended, runNode } from "../run-command.ts";
import { stopSchedules } from "../stop-schedules.ts";

export class RelayCommandRig {
  readonly console: ConsoleRig;
  /** The state folder of `--local`. */
  readonly folder: string;
  /** What the stand-in of Anthropic takes. */
  readonly upstreamKey: string;

  private constructor(consoleRig: ConsoleRig, folder: string) {
    this.console = consoleRig;
    this.folder = folder;
    this.upstreamKey = consoleRig.cloud.aiUpstream.issueKey("anthropic", "cli");
  }

  static async start(): Promise<RelayCommandRig> {
    const consoleRig = await ConsoleRig.start();
    await stopSchedules(consoleRig.cloud);
    const folder = mkdtempSync(path.join(tmpdir(), "causeway-relay-command-"));
    writeConnection(folder, connectionOf(consoleRig.cloud));
    return new RelayCommandRig(consoleRig, folder);
  }

  async close(): Promise<void> {
    await this.console.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Its end; a stack, or the upstream's key in what it says, would be a defect. With input: a process of its own. */
  async relay(words: readonly string[], options: CommandOptions = {}): Promise<Ended> {
    const environment = { XDG_CONFIG_HOME: this.folder, UPSTREAM_KEY: this.upstreamKey, ...options.environment };
    const all = ["relay", ...words, "--local", "--state", this.folder];
    const ended =
      options.input === undefined
        ? await here(all, environment)
        : await runNode(["cli/causeway.mjs", ...all], { ...options, environment }).ended;
    expect(ended.stdout + ended.stderr).not.toMatch(/\n {4}at |node:internal/);
    expect(ended.stdout + ended.stderr).not.toContain(this.upstreamKey);
    return ended;
  }

  /** What takes an admin: machines are none, so it goes by a person's sign-in instead of `--local`. */
  async admin(words: readonly string[]): Promise<Ended> {
    const { url, cloud } = this.console;
    const environment = { XDG_CONFIG_HOME: this.folder };
    vi.stubEnv("XDG_CONFIG_HOME", this.folder);
    const [accessToken, expiresAt] = [await cloud.signIn.tokenFor("admin"), Date.now() + 3_000_000];
    const kept = { url, accessToken, expiresAt, tokenUrl: `${cloud.signIn.url}/oauth2/token`, clientId: "none" };
    keepSignIn({ ...kept, kind: "person", name: "admin", refreshToken: "none" });
    return here(["relay", ...words, "--api", url], environment);
  }

  async json(words: readonly string[], options: CommandOptions = {}) {
    const ended = await this.relay([...words, "--json"], options);
    expect(ended.code, ended.stderr).toBe(0);
    return JSON.parse(ended.stdout);
  }

  async says(words: readonly string[], ...patterns: readonly RegExp[]): Promise<Ended> {
    const ended = await this.relay(words);
    expect(ended.code, ended.stderr).toBe(0);
    for (const pattern of patterns) expect(ended.stdout).toMatch(pattern);
    return ended;
  }
}

/** Most run within this process, as cli/main.ts runs them: dozens of processes would take most of the test's time. */
async function here(words: readonly string[], environment: Readonly<Record<string, string>>): Promise<Ended> {
  const said = { stdout: "", stderr: "" };
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    said.stdout += String(text);
    return true;
  });
  const program = new Program("causeway").exitOverride().configureOutput({ writeErr: (text) => (said.stderr += text) });
  addRelayCommands(program);
  try {
    await program.parseAsync([...words], { from: "user" });
    return { ...said, code: Number(process.exitCode ?? 0) };
  } catch (error) {
    return { ...said, stderr: `${said.stderr}causeway: ${errorSentence(error)}\n`, code: 2 };
  } finally {
    process.exitCode = undefined;
    write.mockRestore();
    vi.unstubAllEnvs();
  }
}
