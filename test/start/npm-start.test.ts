// `npm start` as a person runs it: real processes, small samples, a state folder of their own.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Command, type CommandOptions, projectFolder, runNode } from "../run-command.ts";

const folder = mkdtempSync(path.join(tmpdir(), "causeway-start-"));
const chineseName = "订单库 全量备份（生产环境）主库 + 100%.sql.gz";
const backup = path.join(folder, chineseName);
writeFileSync(backup, Buffer.alloc(70_000, "backup"));

const started: Command[] = [];

afterAll(async () => {
  for (const { child } of started) if (child.exitCode === null) child.kill("SIGKILL");
  await Promise.all(started.map(({ ended }) => ended));
  rmSync(folder, { recursive: true, force: true });
});

function start(words: readonly string[], options: CommandOptions = {}): Command {
  const command = runNode(["local/start.ts", ...words], { input: "", ...options });
  started.push(command);
  return command;
}

/** Its complaint; a stack in it would be a defect. */
async function refusal(words: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await start(words, options).ended;
  expect(code, words.join(" ")).toBe(1);
  expect(stdout + stderr).not.toMatch(/\n {4}at |node:internal/);
  return stderr.trim();
}

const stateOf = (name: string) => path.join(folder, name);
const small = (name: string) => ["--size", "1MiB", "--port", "0", "--state", stateOf(name)];

function portOf(command: Command): number {
  return Number(/AWS services +http:\/\/127\.0\.0\.1:(\d+)/.exec(command.stdout)?.[1]);
}

function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** Command lines of processes that name this folder. */
function processesOn(stateDirectory: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const line = readFileSync(`/proc/${name}/cmdline`, "utf8");
        return line.includes(stateDirectory) ? [line.replaceAll("\0", " ")] : [];
      } catch {
        return [];
      }
    });
}

// On a busy machine the synthesis alone may take half a minute.
const timeout = 180_000;

describe("npm start", { timeout }, () => {
  it("shows what boots where, every backup with its proof or reason whatever faults strike, stays up, and ends cleanly by Ctrl-C", async () => {
    const command = start([...small("whole"), "--backup", backup, "--faults", "7"]);
    await command.says("Staying up");
    const port = portOf(command);
    expect(await isTaken(port)).toBe(true);
    expect(processesOn(stateOf("whole")).filter((line) => line.includes("dynoxide"))).not.toEqual([]);
    expect(existsSync(path.join(stateOf("whole"), "connection.json"))).toBe(true);

    const lines = command.stdout.split("\n");
    const line = (text: string | RegExp) => lines.find((each) => each.match(text)) ?? "";
    expect(line(/AWS services/)).toContain("9 Lambda functions");
    expect(line(chineseName.replace("+", "\\+"))).toMatch(
      /^✓ .*verified .*Aliyun's checksum = bytes sent = S3's checksum$/,
    );
    expect(line(/samplemysql80 hins.*1\.\d+ MiB|samplemysql80 hins.*KiB/)).toMatch(/^✓ .*verified/);
    for (const reason of ["failed:", "empty:", "snapshot-only:", "encrypted:", "unavailable:"]) {
      expect(line(new RegExp(`refused +${reason}`))).toMatch(/^– /);
    }
    expect(line(/6 verified, 5 refused\./)).toMatch(/ MiB in [\d.]+ s /);
    expect(line(/npx causeway verify/)).toMatch(/--local --state \S+ --read-data 's3:\/\/[^']+\/copy\.json'$/);
    expect(command.stdout).toContain("faults from seed 7, the same at every start with it:");
    expect(command.stdout).toMatch(/ {4}s3 answers with an error, 3 times from call 30 on/);
    expect(command.stdout).toContain("These faults struck, and the copies hold all the same:");
    // Not a terminal: nothing is drawn in place.
    expect(command.stdout).not.toContain("\x1b");

    const second = await refusal(["--port", "0", "--state", stateOf("whole")]);
    expect(second).toContain(`Another npm start is using ${stateOf("whole")} (http://127.0.0.1:${port})`);
    const taken = await refusal(["--port", String(port - 2), "--state", stateOf("other")]);
    expect(taken).toMatch(
      new RegExp(
        `Ports? .*${port}.* taken by another program; npm start needs ${port - 2} for AWS, ${port - 1} and ${port} for Aliyun`,
      ),
    );

    command.child.kill("SIGINT");
    command.child.kill("SIGINT");
    const ended = await command.ended;
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout.trimEnd().endsWith("Stopped.")).toBe(true);
    expect(await isTaken(port)).toBe(false);
    expect(processesOn(stateOf("whole"))).toEqual([]);
    expect(existsSync(path.join(stateOf("whole"), "connection.json"))).toBe(false);
  });

  it("says at the next start what is there already, and ends by itself with --once", async () => {
    const ended = await start([...small("whole"), "--backup", backup, "--once"]).ended;
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toContain("6 already-copied, 5 refused.");
    expect(ended.stdout).toMatch(new RegExp(`= +rm-bp1yourfiles ${chineseName.slice(0, 10)}`));
  });

  it("goes on at the next start with a run that was cut off in the middle", async () => {
    const first = start(["--size", "24MiB", "--port", "0", "--state", stateOf("cut")]);
    await first.says(" started\n");
    first.child.kill("SIGTERM");
    const cut = await first.ended;
    expect(cut.code).toBe(0);
    expect(cut.stdout).toContain("Stopped in the middle; the next npm start goes on where this one was.");
    const run = /run (\S+) started/.exec(cut.stdout)?.[1] ?? "none";
    const next = await start(["--size", "24MiB", "--port", "0", "--state", stateOf("cut"), "--once"]).ended;
    expect(next.code, next.stdout + next.stderr).toBe(0);
    expect(next.stdout).toContain(`run ${run} goes on where it was cut off`);
    expect(next.stdout).toContain("5 verified, 5 refused.");
    expect(next.stdout).toContain("Nothing else to copy.");
  });
});

describe("npm start refuses with a sentence, before it makes anything,", () => {
  it("a backup file that is not there, is a folder, or is empty", async () => {
    const empty = path.join(folder, "empty.xb");
    writeFileSync(empty, "");
    const words = (file: string) => [...small("never"), "--once", "--backup", file];
    const said = await Promise.all([refusal(words("/no/such.xb")), refusal(words(folder)), refusal(words(empty))]);
    expect(said).toEqual([
      "There is no file /no/such.xb.",
      `${folder} is a directory; --backup takes one file.`,
      `${empty} is empty: there is nothing to copy.`,
    ]);
    expect(existsSync(stateOf("never"))).toBe(false);
  });

  it("a state folder that is a file", async () => {
    expect(await refusal(["--port", "0", "--once", "--state", backup])).toBe(
      `${backup} is in the way: --state takes a folder.`,
    );
  });
});

describe("in a project of its own, npm start", { timeout }, () => {
  const project = path.join(folder, "project");

  beforeAll(() => {
    mkdirSync(path.join(project, "node_modules"), { recursive: true });
    for (const part of ["bin", "cli", "lambdas", "lib", "local", "scripts", "stages", "package.json"]) {
      cpSync(path.join(projectFolder, part), path.join(project, part), { recursive: true });
    }
    // All packages but the one that is there for Linux x64 alone.
    for (const name of readdirSync(path.join(projectFolder, "node_modules"))) {
      if (name === "@dynoxide") continue;
      symlinkSync(path.join(projectFolder, "node_modules", name), path.join(project, "node_modules", name));
    }
  });

  it("stops at settings that are wrong, with the field's name", async () => {
    const stage = path.join(project, "stages/local.json");
    const settings = JSON.parse(readFileSync(stage, "utf8")) as { replication: { windowHours: number } };
    settings.replication.windowHours = -3;
    writeFileSync(stage, JSON.stringify(settings));
    const said = await refusal(["--once", "--port", "0", "--state", stateOf("broken")], { cwd: project });
    expect(said).toBe(
      "The app could not be synthesised (exit code 1):\n" +
        "stages/local.json: replication.windowHours is -3. Give a whole number of hours from 1 to 8784.",
    );
  });

  it("says where its DynamoDB does not run, and what to do there", async () => {
    const boot = `import { startDynoxide } from "./local/dynamodb/dynoxide-process.ts";
      await startDynoxide("never.sqlite", () => undefined).catch((error) => console.log(error.message));`;
    const { stdout } = await runNode(["--input-type=module", "--eval", boot], { cwd: project, input: "" }).ended;
    expect(stdout).toMatch(/comes as a binary for Linux x64 \(WSL2 included\), not for .* --dynamodb-endpoint URL/);
  });
});
