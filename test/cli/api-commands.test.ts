// The commands over the API as a person and as a program run them: real processes against a booted local cloud.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { writeConnection } from "../../cli/local-connection.ts";
import { apiOf } from "../../local/start/show-cloud.ts";
import { ApiRig, apiInstance } from "../replication/api-rig.ts";
import { type Command, type CommandOptions, type Ended, runNode } from "../run-command.ts";

const folder = mkdtempSync(path.join(tmpdir(), "causeway-api-command-"));
const home = path.join(folder, "home");
const local = ["--local", "--state", folder];
let rig: ApiRig;
let api: readonly string[] = [];

beforeAll(async () => {
  rig = await ApiRig.start();
  api = ["--api", rig.cloud.api.urlOf("HttpApi/Api")];
  const { accessKeyId, secretAccessKey } = rig.cloud.operator;
  const aliyun = { endpoint: rig.cloud.aliyun.rpcEndpoint, protocol: "http", region: "cn-hangzhou" } as const;
  const { url: endpointUrl, region } = rig.cloud;
  writeConnection(folder, { endpointUrl, region, accessKeyId, secretAccessKey, aliyun, ...apiOf(rig.cloud) });
});

afterEach(() => rig.faults.clear());

afterAll(async () => {
  await rig?.close();
  rmSync(folder, { recursive: true, force: true });
});

function start(words: readonly string[], options: CommandOptions = {}): Command {
  const environment = { XDG_CONFIG_HOME: home, ...options.environment };
  return runNode(["cli/causeway.mjs", ...words], { input: "", ...options, environment });
}

/** Its end; a stack or a secret in what it says would be a defect. */
async function causeway(words: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  const ended = await start(words, options).ended;
  const said = ended.stdout + ended.stderr;
  expect(said).not.toMatch(/\n {4}at |node:internal|eyJ[\w-]+\./);
  for (const { secret = "-" } of rig.cloud.signIn.clients()) if (secret !== "-") expect(said).not.toContain(secret);
  return ended;
}

async function json(words: readonly string[]) {
  const ended = await causeway([...words, ...local, "--json"]);
  expect(ended.code, ended.stderr).toBe(0);
  return JSON.parse(ended.stdout);
}

describe("causeway, with --local", { timeout: 120_000 }, () => {
  it("looks at Aliyun, starts copies, waits with progress, and shows what came of them", async () => {
    const backup = await rig.addBackup({ fileName: "订单 a+b.xb" });
    const failed = await rig.addBackup({ backupStatus: "Failed" });
    const instances = await causeway(["backups", ...local]);
    expect(instances.stdout).toMatch(
      /^instance +engine +status +scheduled +description\nrm-bp1api +mysql 8\.0 +Running +yes +shop\n$/,
    );
    const backups = await causeway(["backups", apiInstance, ...local]);
    expect(backups.stdout).toMatch(new RegExp(`${backup.backupId} .*订单 a\\+b\\.xb +copyable`));
    expect(backups.stdout).toMatch(new RegExp(`${failed.backupId} .*refused +failed: the vendor reports`));

    const started = await causeway(["copies", "start", apiInstance, backup.backupId, ...local, "--wait"]);
    expect(started, started.stderr).toMatchObject({ code: 0 });
    expect(started.stdout).toMatch(/state +succeeded\n/);
    expect(started.stdout).toMatch(/订单 a\+b\.xb .*verified +source-checksum/);
    // Progress does not mix with the result.
    expect(started.stderr).not.toContain("succeeded");

    const copyId = `aliyun-rds:${apiInstance}:${backup.backupId}`;
    const listed = await causeway(["copies", "list", "--only", "verified", "--instance", apiInstance, ...local]);
    expect(listed.stdout).toContain(copyId);
    const shown = await causeway(["copies", "show", copyId, ...local]);
    expect(shown.stdout).toMatch(/receipt +s3:\/\/.*\/copy\.json/);
    const whole = await json(["copies", "show", copyId]);
    expect(whole.receipts.copy.document.receipt.copyId).toBe(copyId);
    expect((await json(["copies", "list", "--limit", "1"])).items).toHaveLength(1);
  });

  it("ends with 1 where the job failed, and with 2 where there is none", async () => {
    const failed = await causeway(["copies", "start", apiInstance, "404404", ...local, "--wait"]);
    expect(failed.code).toBe(1);
    expect(failed.stdout).toContain("BackupNotFound");
    const { items } = await json(["jobs", "list", "--only", "failed"]);
    const again = await causeway(["jobs", "show", items[0].jobId, ...local, "--wait"]);
    expect(again.code).toBe(1);
    const redriven = await causeway(["jobs", "redrive", items[0].jobId, ...local, "--wait"]);
    expect([redriven.code, redriven.stderr]).toEqual([2, expect.stringContaining("Start the work anew")]);
    const none = await causeway(["jobs", "show", "nobody", ...local]);
    expect(none).toMatchObject({ code: 2, stdout: "", stderr: "causeway: There is no job nobody.\n" });
    const over = await causeway(["jobs", "cancel", items[0].jobId, ...local]);
    expect(over.code).toBe(2);
    expect(over.stderr).toMatch(/has ended already/);
  });

  it("cancels a job and goes on with it, and waits for either", async () => {
    const backup = await rig.addBackup({ content: { seed: 99, sizeBytes: 4_000_000 } });
    // Its later parts hang until it is cancelled, however long the commands take to start.
    const hangs = { kind: "delay", milliseconds: 3_600_000 } as const;
    rig.faults.add({ service: "aliyun-download", fromCall: 20, times: 1_000, effect: hangs });
    const { jobId } = await json(["copies", "start", apiInstance, backup.backupId]);
    while ((await json(["jobs", "show", jobId])).phase !== "copying");
    const cancelled = await causeway(["jobs", "cancel", jobId, ...local, "--wait"]);
    expect([cancelled.code, cancelled.stdout]).toEqual([0, expect.stringMatching(/state +cancelled/)]);
    rig.faults.clear();
    const redriven = await causeway(["jobs", "redrive", jobId, ...local, "--wait"]);
    expect([redriven.code, redriven.stdout], redriven.stderr).toEqual([0, expect.stringMatching(/state +succeeded/)]);
  });

  it("starts nothing twice with the same key, and starts with the answer lost", async () => {
    const backup = await rig.addBackup();
    // The function dies before it does anything; the command comes again by itself.
    rig.faults.add({
      service: "lambda",
      resourceIncludes: "StartReplication",
      times: 1,
      effect: { kind: "kill", atCall: 1, when: "before" },
    });
    const words = ["copies", "start", apiInstance, backup.backupId, "--key", "same"];
    const first = await json(words);
    expect(await json(words)).toEqual(first);
    const other = await causeway([...words, "--force", ...local]);
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/Give each request a key of its own/);
  });

  it("sees snapshots, starts and shows exports", async () => {
    const columns = [{ name: "id", type: "int" }];
    const tables = [{ database: "shop", name: "orders", columns, primaryKey: "id", rows: [[1]] }];
    rig.cloud.rds.ensureDatabase({ databaseId: "orders", engine: "mysql", engineVersion: "8.0.39", tables });
    const createdAtMilliseconds = rig.cloud.clock.now() - 3_600_000;
    const { arn } = rig.cloud.rds.addSnapshot({ databaseId: "orders", snapshotId: "orders-1", createdAtMilliseconds });
    expect((await causeway(["snapshots", ...local])).stdout).toMatch(/orders +orders-1 .* export\n/);
    const started = await causeway(["exports", "start", arn, ...local, "--wait"]);
    expect(started.code, started.stdout + started.stderr).toBe(0);
    const { items } = await json(["exports", "list", "--only", "complete"]);
    const shown = await causeway(["exports", "show", items[0].exportId, ...local]);
    expect(shown.stdout).toMatch(/holds +1 tables in 1 files/);
    const wrong = await causeway(["exports", "start", "orders-1", ...local]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toBe("causeway: The API refuses this:\n  body.snapshotArns.0: Give the ARN of a snapshot.\n");
  });

  it("compares S3 with OSS", async () => {
    const ended = await causeway(["mirror", "reconcile", "--prefix", "mysql/", ...local, "--wait"]);
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    expect(ended.stdout).toMatch(/kind +mirror-reconciliation/);
  });

  it("tests a channel, and says how it went by its exit code", async () => {
    expect((await causeway(["alerts", "rules", ...local])).stdout).toMatch(/Channels: .*log \(console\)/);
    expect(await causeway(["alerts", "test", "log", ...local])).toMatchObject({ code: 0 });
    const unknown = await causeway(["alerts", "test", "nobody", ...local]);
    expect(unknown.code).toBe(2);
    const url = rig.cloud.wecom.webhookUrl().replace(/key=.*/, "key=00000000-0000-0000-0000-000000000000");
    await rig.keepSecret("/local/alerts/wecom", { url });
    const refused = await causeway(["alerts", "test", "wecom", ...local]);
    expect(refused.code, refused.stdout + refused.stderr).toBe(1);
    expect(refused.stdout).toContain("93000");
    expect(refused.stdout).not.toContain(url);
  });

  it("says whether the API answers, and whether everything is there", async () => {
    const health = await causeway(["health", ...api]);
    expect(health, health.stderr).toMatchObject({ code: 0, stderr: "" });
    const ready = await causeway(["ready", ...local]);
    expect(ready.code, ready.stdout + ready.stderr).toBe(0);
    expect(ready.stdout).toMatch(/✓ .*table/);
    rig.faults.add({ service: "s3", effect: { kind: "error", status: 403, code: "AccessDenied" } });
    const unready = await causeway(["ready", ...local]);
    expect(unready.code).toBe(1);
    expect(unready.stdout).toMatch(/✗ .*bucket/);
  });

  it("refuses with a sentence what it does not understand", async () => {
    const refusals: readonly (readonly [readonly string[], RegExp])[] = [
      [["copies", "list"], /^causeway: Which API\? Give --api URL/],
      [["copies", "list", "--local", ...api], /^causeway: Give --api or --local, not both\./],
      [["copies", "list", "--local", "--state", path.join(folder, "none")], /^causeway: No local cloud is running on/],
      [["copies", "list", "--api", "nonsense"], /^causeway: nonsense is no address/],
      [["copies", "list", "--api", "http://causeway.example.com"], /is not https: tokens do not travel in the clear/],
      [["copies", "list", "--limit", "0", ...local], /Give a whole number from 1 to 10000\./],
      [["copies", "list", "--only", "sunny", ...local], /query\.state: Give one of copying, verified/],
      [["copies", "start", apiInstance, ...local], /missing required argument 'backups'/],
      [["copies", "start", apiInstance, "1", "--until", "2026-11-01", ...local], /--until needs --from/],
      [["backups", apiInstance, "--from", "yesterday", ...local], /--from yesterday is no time; give one such as/],
      [["backups", "rm-nobody", ...local], /Aliyun has no instance rm-nobody/],
      [["copies", "show", "aliyun-rds:x:1", ...local], /There is no copy aliyun-rds:x:1\./],
      [["health", "--api", `${rig.cloud.url}/nothing`], /is no Causeway API: it answered/],
      [["login", ...local], /With --local nobody signs in/],
      [["copies", "list", ...api], /^causeway: You are not signed in to http.* Run: npx causeway login --api http/],
    ];
    const ended = await Promise.all(refusals.map(([words]) => causeway(words)));
    for (const [index, [words, sentence]] of refusals.entries()) {
      expect(ended[index]?.stderr, words.join(" ")).toMatch(sentence);
      expect(ended[index]?.code, words.join(" ")).toBe(2);
      expect(ended[index]?.stdout).toBe("");
    }
  });

  it("says so when nobody listens any more", async () => {
    const state = mkdtempSync(path.join(folder, "gone-"));
    const connection = JSON.parse(readFileSync(path.join(folder, "connection.json"), "utf8"));
    // No port that another program could have been given.
    const gone = "http://127.0.0.1:2";
    const dead = { ...connection, api: { ...connection.api, url: `${gone}/local` } };
    writeFileSync(path.join(state, "connection.json"), JSON.stringify(dead));
    const ended = await causeway(["copies", "list", "--local", "--state", state]);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toBe(
      "causeway: 127.0.0.1:2 cannot be reached: nothing listens there. Is npm start still running?\n",
    );
  });
});

describe("causeway login", { timeout: 120_000 }, () => {
  const keptFiles = () => (existsSync(path.join(home, "causeway")) ? readdirSync(path.join(home, "causeway")) : []);

  /** Opens the printed address as the browser of this user would: signed in by a one-time link. */
  async function signInAs(user: string, words: readonly string[] = []): Promise<Ended> {
    const command = start(["login", ...api, ...words]);
    const address = await said(command, /http:\S+\/oauth2\/authorize\S+/);
    const login = new URL(address);
    login.pathname = "/login";
    const origin = login.origin;
    const answer = await fetch(login, {
      method: "POST",
      redirect: "manual",
      headers: { Origin: origin, "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ username: user }),
    });
    const back = answer.headers.get("location") ?? "";
    expect(back).toMatch(/^http:\/\/localhost:89\d\d\/callback\?code=/);
    // Whoever does not know the state is not taken for the sign-in.
    const stranger = new URL(back);
    stranger.searchParams.set("state", "guessed");
    expect((await fetch(stranger)).status).toBe(400);
    expect(await (await fetch(back)).text()).toContain("You are signed in.");
    return command.ended;
  }

  /** The first text on standard error that looks like this. */
  async function said(command: Command, pattern: RegExp): Promise<string> {
    for (;;) {
      const [found] = pattern.exec(command.stderr) ?? [];
      if (found !== undefined && command.stderr.includes("Waiting")) return found;
      const ended = await Promise.race([command.ended, new Promise((resolve) => setTimeout(resolve, 20))]);
      if (ended !== undefined) throw new Error(`It ended: ${command.stderr}`);
    }
  }

  it("keeps the sign-in for its owner alone, refreshes it, says which role is missing, and forgets it", async () => {
    const signedIn = await signInAs("viewer");
    expect(signedIn.code, signedIn.stderr).toBe(0);
    expect(signedIn.stdout).toMatch(/^You are signed in to http.*\/local as viewer\. /);
    const [file = ""] = keptFiles();
    const kept = path.join(home, "causeway", file);
    expect(statSync(kept).mode & 0o777).toBe(0o600);
    expect((await causeway(["copies", "list", ...api])).code).toBe(0);
    // The address may come from the environment.
    const environment = { CAUSEWAY_API: `${rig.cloud.api.urlOf("HttpApi/Api")}/` };
    expect((await causeway(["jobs", "list"], { environment })).code).toBe(0);

    const forbidden = await causeway(["copies", "start", apiInstance, "1", ...api]);
    expect(forbidden.code).toBe(2);
    expect(forbidden.stderr).toMatch(/This needs the role operator; you have viewer\. Ask an admin for that role/);

    const before = JSON.parse(readFileSync(kept, "utf8"));
    writeFileSync(kept, JSON.stringify({ ...before, expiresAt: 0 }));
    expect((await causeway(["copies", "list", ...api])).code).toBe(0);
    const after = JSON.parse(readFileSync(kept, "utf8"));
    expect(after.accessToken).not.toBe(before.accessToken);
    expect(after.expiresAt).toBeGreaterThan(0);
    // A token that the API does not take, such as after its keys were changed, is replaced as well.
    writeFileSync(kept, JSON.stringify({ ...after, accessToken: `${after.accessToken.slice(0, -6)}AAAAAA` }));
    expect((await causeway(["copies", "list", ...api])).code).toBe(0);

    expect((await causeway(["logout", ...api])).stdout).toMatch(/^You are signed out of/);
    expect(keptFiles()).toEqual([]);
    // The refresh token is worth nothing any more.
    writeFileSync(kept, JSON.stringify({ ...after, expiresAt: 0 }));
    const ended = await causeway(["copies", "list", ...api]);
    expect(ended).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^causeway: Your sign-in has ended\. Run: npx/),
    });
    rmSync(kept);
  });

  it("says why somebody came back without a code, and which ports it may use", async () => {
    const first = start(["login", ...api]);
    const second = start(["login", ...api]);
    const [one, other] = [
      await said(first, /redirect_uri=\S+?callback/),
      await said(second, /redirect_uri=\S+?callback/),
    ];
    expect(new Set([one, other]).size).toBe(2);
    const third = await causeway(["login", ...api]);
    expect(third.code).toBe(2);
    expect(third.stderr).toMatch(/Ports 8917 and 8918 of this machine are taken/);
    const state = /state=([\w-]+)/.exec(await said(first, /http:\S+\/oauth2\/authorize\S+/))?.[1];
    const callback = decodeURIComponent(one.replace("redirect_uri=", ""));
    await fetch(`${callback}?error=access_denied&error_description=not+you&state=${state}`);
    const refused = await first.ended;
    expect([refused.code, refused.stderr.split("\n").at(-2)]).toEqual([
      2,
      "causeway: The sign-in was refused: not you.",
    ]);
    second.child.kill("SIGINT");
    await second.ended;
  });

  it("signs machines in by their own credentials, and keeps the token but never the secret", async () => {
    const machine = rig.cloud.signIn.clients().find(({ secret }) => secret !== undefined);
    const environment = {
      CAUSEWAY_CLIENT_ID: machine?.clientId ?? "",
      CAUSEWAY_CLIENT_SECRET: machine?.secret ?? "",
    };
    expect((await causeway(["login", "--client-credentials", ...api], { environment })).code).toBe(0);
    const [file = ""] = keptFiles();
    expect(readFileSync(path.join(home, "causeway", file), "utf8")).not.toContain(machine?.secret);
    // Until it ends, nothing but the token is needed.
    expect((await causeway(["copies", "list", ...api])).code).toBe(0);
    rmSync(path.join(home, "causeway", file));
    // And with the credentials no sign-in is.
    expect((await causeway(["copies", "list", ...api], { environment })).code).toBe(0);
    const wrong = await causeway(["copies", "list", ...api], {
      environment: { ...environment, CAUSEWAY_CLIENT_SECRET: "wrong", XDG_CONFIG_HOME: path.join(folder, "other") },
    });
    expect(wrong.stderr).toMatch(
      /does not take these client credentials \(invalid_client\)\. Check CAUSEWAY_CLIENT_ID/,
    );
    const half = await causeway(["copies", "list", ...api], { environment: { CAUSEWAY_CLIENT_ID: "x" } });
    expect(half.stderr).toMatch(/CAUSEWAY_CLIENT_SECRET is not set, its other half is/);
  });
});

it("commands and groups of commands have help", async () => {
  const commands = [
    "copies",
    "copies start",
    "exports",
    "jobs",
    "jobs show",
    "mirror reconcile",
    "alerts test",
    "login",
  ];
  const ended = await Promise.all(commands.map((words) => causeway([...words.split(" "), "--help"])));
  for (const [index, words] of commands.entries()) {
    expect(ended[index], words).toMatchObject({ code: 0, stderr: "" });
    expect(ended[index]?.stdout).toMatch(new RegExp(`^Usage: causeway ${words}`));
  }
});
