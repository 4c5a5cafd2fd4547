// The relay's commands as operators and holders of keys run them: real processes against a booted local cloud.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Command as Program } from "commander";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AnswerOf } from "../../cli/api/operations.ts";
import { errorSentence } from "../../cli/error-sentence.ts";
import { writeConnection } from "../../cli/local-connection.ts";
import { addRelayCommands } from "../../cli/relay-commands.ts";
import { apiOf } from "../../local/start/show-cloud.ts";
import { ConsoleRig } from "../console/console-rig.ts";
import { type CommandOptions, type Ended, runNode } from "../run-command.ts";
import { stopSchedules } from "../stop-schedules.ts";

const folder = mkdtempSync(path.join(tmpdir(), "causeway-relay-command-"));
const local = ["--local", "--state", folder];
let rig: ConsoleRig;
let upstreamKey: string;

beforeAll(async () => {
  rig = await ConsoleRig.start();
  await stopSchedules(rig.cloud);
  upstreamKey = rig.cloud.aiUpstream.issueKey("anthropic", "cli");
  const { accessKeyId, secretAccessKey } = rig.cloud.operator;
  const aliyun = { endpoint: rig.cloud.aliyun.rpcEndpoint, protocol: "http", region: "cn-hangzhou" } as const;
  const { url: endpointUrl, region } = rig.cloud;
  writeConnection(folder, { endpointUrl, region, accessKeyId, secretAccessKey, aliyun, ...apiOf(rig.cloud) });
});

afterAll(async () => {
  await rig?.close();
  rmSync(folder, { recursive: true, force: true });
});

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

/** Its end; a stack, or the upstream's key in what it says, would be a defect. With input: a process of its own. */
async function relay(words: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  const environment = { XDG_CONFIG_HOME: folder, UPSTREAM_KEY: upstreamKey, ...options.environment };
  const all = ["relay", ...words, ...local];
  const ended =
    options.input === undefined
      ? await here(all, environment)
      : await runNode(["cli/causeway.mjs", ...all], { ...options, environment }).ended;
  expect(ended.stdout + ended.stderr).not.toMatch(/\n {4}at |node:internal/);
  expect(ended.stdout + ended.stderr).not.toContain(upstreamKey);
  return ended;
}

async function json(words: readonly string[], options: CommandOptions = {}) {
  const ended = await relay([...words, "--json"], options);
  expect(ended.code, ended.stderr).toBe(0);
  return JSON.parse(ended.stdout);
}

async function says(words: readonly string[], ...patterns: readonly RegExp[]): Promise<Ended> {
  const ended = await relay(words);
  expect(ended.code, ended.stderr).toBe(0);
  for (const pattern of patterns) expect(ended.stdout).toMatch(pattern);
  return ended;
}

describe("relay accounts", { timeout: 120_000 }, () => {
  it("adds an account whose key comes from the environment, tries it, and lists it", async () => {
    const baseUrl = rig.cloud.aiUpstream.baseUrl("anthropic");
    const words = ["accounts", "add", "anthropic-compatible", "--name", "main", "--base-url", baseUrl, "--bearer"];
    await says(
      [...words, "--api-key-from-env", "UPSTREAM_KEY", "--group", "team", "--test"],
      /^main works: its upstream answered 200/,
    );
    await says(
      ["accounts", "list", "--group", "team"],
      /main +anthropic-compatible +healthy +0 of 100 +\$0\.00 +team\n/,
    );
    await says(
      ["accounts", "show", "main"],
      /credential +there, never shown/,
      /settings +\{.*"auth":"bearer".*\}/,
      /today +\$0\.00\n/,
    );
  });

  it("reads the key from a file or from standard input, and says by its exit code whether it works", async () => {
    const file = path.join(folder, "key.txt");
    writeFileSync(file, `${upstreamKey}\n`, { mode: 0o600 });
    const words = (name: string) => {
      const baseUrl = rig.cloud.aiUpstream.baseUrl("anthropic");
      return ["accounts", "add", "anthropic-compatible", "--name", name, "--base-url", baseUrl, "--api-key-from-file"];
    };
    expect((await relay([...words("from-file"), file, "--test"])).code).toBe(0);
    const piped = await relay([...words("from-pipe"), "-", "--test"], { input: "sk-ant-nobody-has-this\n" });
    expect([piped.code, piped.stdout]).toEqual([
      1,
      expect.stringMatching(/from-pipe does not work \(unauthorised\): 401/),
    ]);
    await says(
      ["accounts", "show", "from-pipe"],
      /state +unauthorised/,
      /unauthorised .*invalid x-api-key|unauthorised /,
    );
    await says(["accounts", "reset", "from-pipe"], /is forgotten; it is healthy/);
    await says(["accounts", "set-credential", "from-pipe", "--api-key-from-env", "UPSTREAM_KEY"], /new credential/);
    await says(["accounts", "test", "from-pipe"], /works/);
    await says(["accounts", "delete", "from-pipe"], /deleted, and its credential/);
    await says(["accounts", "delete", "from-file"], /deleted/);
  });

  it("changes what is given and leaves the rest, switches it off and on", async () => {
    await says(["accounts", "update", "main", "--weight", "7", "--daily-quota", "2.5", "--map", "claude-a=claude-b"]);
    await says(["accounts", "disable", "main"], /no more requests/);
    const shown = await json(["accounts", "show", "main"]);
    expect(shown).toMatchObject({
      weight: 7,
      dailyQuotaNanoUsd: 2_500_000_000,
      modelMapping: { "claude-a": "claude-b" },
      groups: ["team"],
      schedulable: false,
    });
    await says(["accounts", "enable", "main"], /given requests again/);
    await says(["accounts", "update", "main", "--map", "none", "--daily-quota", "none"]);
    expect(await json(["accounts", "show", "main"])).toMatchObject({ modelMapping: {}, dailyQuotaNanoUsd: null });
  });
});

describe("relay keys", { timeout: 120_000 }, () => {
  it("makes a key and prints it first, for whoever reads one line", async () => {
    const ended = await says(
      ["keys", "create", "alice", "--owner", "team a", "--tag", "dev", "--per-day", "5", "--family", "opus.week=50.25"],
      /^cwk_\w{50}\n\n/,
      /cost per day +\$5\.00 +\$0\.00 +\$5\.00/,
      /cost per week, opus +\$50\.25/,
      /shown once/,
    );
    const [key = ""] = ended.stdout.split("\n");
    const listed = await says(["keys", "list", "--owner", "team a"], /alice +team a +dev +cwk_.* +enabled/);
    expect(listed.stdout).not.toContain(key);
    const own = await relay(["me"], { environment: { CAUSEWAY_RELAY_KEY: key } });
    expect(own.code, own.stderr).toBe(0);
    expect(own.stdout).toMatch(/name +alice/);
    expect(own.stdout + own.stderr).not.toContain(key);
    const other = await relay(["me", "--key-from-file", "-"], { input: `${key.slice(0, -1)}\n` });
    expect([other.code, other.stderr]).toEqual([2, expect.stringMatching(/^causeway: This is no key of this relay/)]);
  });

  it("makes several at once, and the same ones again for the same Idempotency-Key", async () => {
    const words = ["keys", "create", "b1", "b2", "b3", "--tag", "bulk", "--key", "three-keys"];
    const made = await json(words);
    expect(made.items.map(({ name }: { name: string }) => name)).toEqual(["b1", "b2", "b3"]);
    expect(await json(words)).toEqual(made);
    expect((await json(["keys", "list", "--tag", "bulk"])).items).toHaveLength(3);
  });

  it("changes one limit and leaves the others, and takes limits away", async () => {
    const { keyId } = await json(["keys", "create", "carol", "--per-day", "1", "--total", "9", "--model", "claude-*"]);
    await says(["keys", "update", keyId, "--per-day", "2", "--requests-per-minute", "10", "--multiplier", "1.25"]);
    const changed = await json(["keys", "show", keyId]);
    expect(changed.policy).toMatchObject({
      spend: { day: 2_000_000_000, week: null, total: 9_000_000_000 },
      requestsPerMinute: 10,
      multiplierThousandths: 1250,
      models: ["claude-*"],
    });
    await says(["keys", "update", keyId, "--total", "none", "--model", "all", "--name", "caroline", "--group", "team"]);
    expect(await json(["keys", "show", keyId])).toMatchObject({
      name: "caroline",
      policy: { spend: { day: 2_000_000_000, total: null }, models: [], boundTo: { kind: "group", group: "team" } },
    });
  });

  it("switches, deletes, restores, rotates and tops up", async () => {
    const { keyId, key } = await json(["keys", "create", "dave", "--prepaid", "--days-from-first-use", "30"]);
    await says(["keys", "disable", keyId], /\(dave\) is disabled/);
    await says(["keys", "enable", keyId], /is active/);
    await says(["keys", "delete", keyId], /is deleted/);
    await says(["keys", "list", "--only", "deleted"], /dave/);
    await says(["keys", "restore", keyId], /is active/);
    const rotated = await says(["keys", "rotate", keyId, "--overlap-hours", "0"], /^cwk_\w{50}\n/);
    expect(rotated.stdout).not.toContain(key);
    await says(["keys", "top-up", keyId, "20", "--note", "order 7"], /\$20\.00 were added; the balance is \$20\.00/);
    await says(["keys", "balance", keyId], /top-up +\$20\.00 .* order 7/);
    await says(["keys", "show", keyId], /balance +\$20\.00/, /expires +30 days after its first request/);
  });
});

describe("relay usage", { timeout: 120_000 }, () => {
  it("tells usage as a table, as JSON and as CSV, and prices with their sources", async () => {
    const { keyId, key } = await json(["keys", "create", "erin"]);
    const answer = await fetch(`${rig.cloud.api.urlOf("RelayApi/Api")}/v1/messages`, {
      method: "POST",
      headers: { "x-api-key": key, "anthropic-version": "2023-06-01", "content-type": "application/json" },
      body: JSON.stringify({ model: "claude-sonnet-4-5", max_tokens: 9, messages: [{ role: "user", content: "Hi" }] }),
    });
    expect(answer.status, await answer.text()).toBe(200);
    const record = await vi.waitFor(
      async () => {
        const { envelope } = await rig.call(`/api/relay/records?keyId=${keyId}`, { as: "viewer" });
        const [found] = (envelope.data as unknown as AnswerOf<"listRelayRecords">).items;
        if (found === undefined) throw new Error("the record is not there yet");
        return found;
      },
      { timeout: 60_000, interval: 100 },
    );
    const body = { from: record.startedAt, to: new Date(Date.parse(record.startedAt) + 1).toISOString() };
    const window = ["--from", body.from, "--to", body.to];
    const rebuilt = await rig.call("/api/relay/usage/rebuild", { method: "POST", as: "admin", body });
    expect(rebuilt.status, rebuilt.text).toBe(202);
    await vi.waitFor(
      async () => {
        const { total } = await json(["usage", "--by", "key,model", ...window, "--only-key", keyId]);
        expect(total.requests).toBe(1);
      },
      { timeout: 60_000, interval: 200 },
    );
    await says(
      ["usage", "--by", "key,model", ...window],
      new RegExp(`${keyId} +claude-sonnet-4-5 +1 +0 +0 `),
      /in all +1 /,
    );
    await says(["usage", "--by", "model", "--csv", ...window], /^model,requests,.*\r\nclaude-sonnet-4-5,1,/);
    await says(["prices", "list", "--model", "claude-sonnet-4-5"], /claude-sonnet-4-5.* +\$3\.00 +\$15\.00 .*https:/);
  });
});

describe("relay commands that cannot be done", { timeout: 120_000 }, () => {
  it("say why, with the cure, and repeat no secret", async () => {
    const secret = "sk-ant-secret-of-mine";
    const add = ["accounts", "add", "anthropic", "--name", "x"];
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [add, /The API key is missing: give --api-key-from-env or --api-key-from-file/],
      [
        [...add, "--api-key-from-env", "NOT_SET"],
        /--api-key-from-env: the environment variable that it names is not set/,
      ],
      [[...add, "--api-key-from-env", secret], /give the name of an environment variable, not the secret itself/],
      [[...add, `--api-key=${secret}`], /unknown option '--api-key=…'/],
      [[...add, "--api-key-from-file", "/none"], /--api-key-from-file: the file cannot be read \(ENOENT\)/],
      [
        [...add, "--api-key-from-env", "UPSTREAM_KEY", "--proxy", `http://me:${secret}@p.example`],
        /does not belong on the command line/,
      ],
      [
        ["accounts", "add", "nobody", "--name", "x", "--api-key-from-env", "UPSTREAM_KEY"],
        /body\.provider: There is no such provider; there are anthropic/,
      ],
      [["accounts", "show", "nobody"], /There is no account nobody/],
      [["accounts", "update", "main"], /Say what to change/],
      [
        ["accounts", "update", "main", "--base-url", "https://elsewhere.example"],
        /body\.credential: The credential would be sent to another address/,
      ],
      [["keys", "show", "nobody"], /There is no key nobody/],
      [["keys", "show", `cwk_${"a".repeat(50)}`], /Give the key's id, not the key itself/],
      [["keys", "create", "x", "--per-day", "five"], /--per-day five is no sum of dollars/],
      [["keys", "create", "x", "--family", "opus=5"], /--family opus=5: give a family, a window/],
      [["keys", "create", "x", "--expires", "soon"], /--expires soon is no time/],
      [["keys", "create", "x", "--multiplier", "-1"], /--multiplier/],
      [["keys", "update", "x"], /There is no key x/],
      [["keys", "top-up", "x", "0"], /body\.nanoUsd: 0 changes nothing|There is no key x/],
      [["usage", "--by", "colour"], /query\.groupBy: Give one or two of key, account, model/],
      [["usage", "--csv", "--json"], /Give --csv or --json, not both/],
      [["me"], /--key-from-env: the environment variable that it names is not set/],
    ];
    for (const [words, sentence] of cases) {
      // Commander's own complaints are worded by cli/main.ts.
      const isMain = words.some((word) => word.startsWith("--api-key="));
      const ended = await relay(words, isMain ? { input: "" } : {});
      expect(ended.stderr, words.join(" ")).toMatch(sentence);
      expect(ended.stderr).not.toContain(secret);
      expect(ended.code, words.join(" ")).toBe(2);
      expect(ended.stdout).toBe("");
    }
  });
});
