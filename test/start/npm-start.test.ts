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
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import OSS from "ali-oss";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LocalConnection, readConnection } from "../../cli/local-connection.ts";
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

// On a busy machine the synthesis alone may take half a minute, and an export is looked at after 30 s and again after 75.
const timeout = 400_000;

/** What a running npm start has printed after a word of its list of addresses. */
function addressOf(command: Command, what: string): string {
  return new RegExp(`^ +${what} +(http://[^ ,\\n]+)`, "m").exec(command.stdout)?.[1] ?? `no address of ${what}`;
}

function connectionOf(name: string): LocalConnection {
  const connection = readConnection(stateOf(name));
  if (connection === undefined) throw new Error("there is no connection file");
  return connection;
}

/** Clients of whoever has read the connection file. */
function clientsOf({ endpointUrl: endpoint, region, accessKeyId, secretAccessKey }: LocalConnection) {
  const config = { endpoint, region, credentials: { accessKeyId, secretAccessKey }, forcePathStyle: true };
  return { s3: new S3Client(config), secrets: new SecretsManagerClient(config) };
}

async function readSecret(secrets: SecretsManagerClient, name: string): Promise<string> {
  return (await secrets.send(new GetSecretValueCommand({ SecretId: name }))).SecretString ?? "";
}

async function eventually<Result>(look: () => Promise<Result | undefined>): Promise<Result> {
  for (let tries = 0; tries < 600; tries += 1) {
    const found = await look().catch(() => undefined);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error("it did not come");
}

function expectCopiesShown(command: Command): void {
  // Of the tables: progress names backups, too.
  const lines = command.stdout.split("\n").filter((each) => !/^ *\d+%|copying|waiting/.test(each));
  const line = (text: string | RegExp) => lines.find((each) => each.match(text)) ?? "";
  expect(line(chineseName.replace("+", "\\+"))).toMatch(
    /^✓ .*verified .*Aliyun's checksum = bytes sent = S3's checksum$/,
  );
  expect(line(/samplemysql80 hins.*1\.\d+ MiB|samplemysql80 hins.*KiB/)).toMatch(/^✓ .*verified/);
  for (const reason of ["failed:", "empty:", "snapshot-only:", "encrypted:", "unavailable:"]) {
    expect(line(new RegExp(`refused +${reason}`))).toMatch(/^– /);
  }
  expect(line(/6 verified, 5 refused\./)).toMatch(/ MiB in [\d.]+ s /);
  expect(line(/npx causeway verify/)).toMatch(/--local --state \S+ --read-data 's3:\/\/[^']+\/copy\.json'$/);
}

function expectRestShown({ stdout }: Command): void {
  expect(stdout).toMatch(/^✓ +orders rds:orders-\S+ +[\d.]+ KiB +exported +5 tables in \d+ files of Parquet$/m);
  expect(stdout).toMatch(/^✓ +ledger ledger-by-hand-\S+ +[\d.]+ KiB +exported +3 tables in \d+ files of Parquet$/m);
  expect(stdout).toMatch(/^– +archive .* refused +too old: /m);
  expect(stdout).toMatch(/^✓ +mysql\/rds-exports\/orders\/\S+\/ .*?(\d+) of \1 files, each with the size and CRC-64/m);
  expect(stdout).toMatch(/^✓ +mysql\/rm-bp1samplemysql80\/.*receipt mirror-oss\.json: Aliyun RDS = S3 = OSS$/m);
  expect(stdout).toMatch(/^(\d+) of \1 new objects are in OSS, /m);
}

/** The provoked failure, and its alert word by word, between the lines of its frame. */
function expectAlertShown({ stdout }: Command): void {
  expect(stdout).toMatch(/^✗ +rm-bp1sampledamaged .* failed +ProofFailed: The copied bytes have CRC-64 \d+/m);
  const alert = stdout.split("\n").filter((each) => each.startsWith("  │ "));
  expect(alert[0]).toMatch(/\[local\] Critical: .*aliyun-rds:rm-bp1sampledamaged:\d+/);
  expect(alert.join("\n")).toContain("**Job** provoked-");
  // The robot's key is a secret.
  expect(stdout).not.toMatch(/[?&]key=/);
}

/** A request in each protocol was answered and charged, and there are lines that point the vendors' programs at the relay. */
function expectRelayShown(stdout: string): void {
  expect(stdout).toMatch(/^AI relay at http:\/\/127\.0\.0\.1:\d+\/local, with the accounts /m);
  for (const trial of ["Anthropic messages, a stream", "OpenAI responses, a stream", "Gemini, JSON"]) {
    expect(stdout).toMatch(new RegExp(`${trial} +200 .*tokens in, \\d+ out, charged \\$0\\.\\d{6}`));
  }
  for (const program of ["claude", "codex", "gemini"])
    expect(stdout).toMatch(new RegExp(`cwk_\\w+ .*\\b${program}\\b`));
}

describe.concurrent("npm start", { timeout }, () => {
  it("shows what boots where, the crossing whatever faults strike, and its alert; stays up at work, and ends cleanly by Ctrl-C", async () => {
    const command = start([...small("whole"), "--backup", backup, "--faults", "7"]);
    await command.says("Staying up");
    const port = portOf(command);
    expect(await isTaken(port)).toBe(true);
    expect(processesOn(stateOf("whole")).filter((line) => line.includes("dynoxide"))).not.toEqual([]);
    expect(command.stdout).toMatch(/AWS services .* \d+ Lambda functions, \d+ state machines/);
    expectCopiesShown(command);
    expectRestShown(command);
    expectAlertShown(command);
    expectRelayShown(command.stdout);
    expect(command.stdout).toContain("faults from seed 7, the same at every start with it:");
    expect(command.stdout).toMatch(/ {4}s3 answers with an error, 3 times from call 30 on/);
    expect(command.stdout).toContain("These faults struck, and everything holds all the same:");
    // Not a terminal: nothing is drawn in place.
    expect(command.stdout).not.toContain("\x1b");
    const oss = await expectAtWork(command, "whole");
    await expectReceiptsHold(command, oss);

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

    const again = start([...small("whole"), "--backup", backup, "--once"]);
    expect(await again.ended).toMatchObject({ code: 0, stderr: "" });
    expect(again.stdout).toContain("6 already-copied, 5 refused.");
    expect(again.stdout).toMatch(new RegExp(`= +rm-bp1yourfiles ${chineseName.slice(0, 10)}`));
    expect(again.stdout).toContain("2 already-exported, 1 set-aside, 3 refused.");
    expect(again.stdout).toMatch(/^Nothing new: \d+ objects are in OSS since earlier starts\.$/m);
    expectAlertShown(again);
    expectRelayShown(again.stdout);
    expect(addressOf(again, "WeCom")).toBe(addressOf(command, "WeCom"));
  });

  it("goes on at the next start with copies and exports that were cut off in the middle", async () => {
    const first = start(["--size", "24MiB", "--port", "0", "--state", stateOf("cut")]);
    await first.says("copied to S3\n");
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
    const [, exportPart = ""] = next.stdout.split("exported to S3 as Parquet\n");
    expect(exportPart).toMatch(/^run \S+ goes on where it was cut off\n/);
    expect(exportPart).toContain("2 exported, 1 set-aside, 3 refused.");
    expect(exportPart).toContain("What is left: 2 already-exported, 1 set-aside, 3 refused.");
  });
});

/** The API answers, the link signs in once, the metrics have their token, and what comes into S3 comes to OSS. */
async function expectAtWork(command: Command, name: string): Promise<OSS> {
  const api = addressOf(command, "HTTP API");
  expect((await fetch(`${api}/api/health`)).status).toBe(200);
  expect((await fetch(`${api}/docs`)).status).toBe(200);
  expect((await fetch(`${api}/api/jobs`)).status).toBe(401);
  const link = addressOf(command, "sign in once");
  const [once, twice] = [await fetch(link, { redirect: "manual" }), await fetch(link, { redirect: "manual" })];
  expect(once.headers.get("location")).toBe(`${api}/docs`);
  expect(twice.headers.get("location")).toBeNull();

  const { s3, secrets } = clientsOf(connectionOf(name));
  const token = await readSecret(secrets, "/local/console/metrics-token");
  expect((await fetch(`${api}/metrics`, { headers: { Authorization: `Bearer ${token}` } })).status).toBe(200);

  const Bucket = /s3:\/\/([^/]+)\/receipts/.exec(command.stdout)?.[1];
  await s3.send(
    new PutObjectCommand({ Bucket, Key: "mysql/by-hand/später 100%.sql", Body: "created while it stays up" }),
  );
  const pair = JSON.parse(await readSecret(secrets, "/local/replication/aliyun-oss")) as Record<
    "accessKeyId" | "accessKeySecret",
    string
  >;
  const place = { bucket: "acme-iotdb", region: "oss-cn-hangzhou", endpoint: addressOf(command, "Aliyun OSS") };
  const oss = new OSS({ ...pair, ...place, ...{ sldEnable: true }, authorizationV4: true });
  const { content } = await eventually(() => oss.get("iotdb-backup/mysql/by-hand/später 100%.sql"));
  expect(String(content)).toBe("created while it stays up");
  return oss;
}

/** The two commands that were printed, as they stand; and that the second one notices another object in OSS. */
async function expectReceiptsHold({ stdout }: Command, oss: OSS): Promise<void> {
  const commands = [...stdout.matchAll(/^npx causeway (verify .*) '(s3:.*)'$/gm)].map(
    ([, words = "", receipt = ""]) => [...words.split(" "), receipt],
  );
  expect(commands.map((words) => words.at(-1)?.split("/").at(-1))).toEqual(["copy.json", "mirror-oss.json"]);
  const [ofCopy = [], ofMirror = []] = commands;
  const verify = (words: readonly string[]) => runNode(["cli/causeway.mjs", ...words], { input: "" }).ended;
  const said = await Promise.all([verify(ofCopy), verify(ofMirror)]);
  for (const { code, stdout: text, stderr } of said) expect(code, text + stderr).toBe(0);
  expect(said[1]?.stdout).toMatch(/ok {3}the copy's receipt, SHA-256: /);
  expect(said[1]?.stdout).toMatch(/ok {3}OSS's bytes, read now, CRC-64\/XZ: \d+/);
  const target = / oss:\/\/[^/]+\/(\S+) /.exec(said[1]?.stdout ?? "")?.[1] ?? "";
  await oss.put(target, Buffer.from("something else"));
  const { code, stdout: text } = await verify(ofMirror.filter((word) => word !== "--read-data"));
  expect(code).toBe(1);
  expect(text).toMatch(/The receipt does NOT hold: see OSS size, OSS ETag, OSS CRC-64\./);
}

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
      `--state cannot be in ${backup}: there is a file of this name. Choose a folder of yours with --state, such as --state ~/causeway.`,
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
