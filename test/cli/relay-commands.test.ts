// The relay's commands as operators and holders of keys run them: real processes against a booted local cloud.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AnswerOf } from "../../cli/api/operations.ts";
import { RelayCommandRig } from "./relay-command-rig.ts";

let rig: RelayCommandRig;

beforeAll(async () => {
  rig = await RelayCommandRig.start();
});

afterAll(() => rig?.close());

describe("relay accounts", { timeout: 120_000 }, () => {
  it("adds an account whose key comes from the environment, tries it, and lists it", async () => {
    const baseUrl = rig.console.cloud.aiUpstream.baseUrl("anthropic");
    const words = ["accounts", "add", "anthropic-compatible", "--name", "main", "--base-url", baseUrl, "--bearer"];
    await rig.says(
      [...words, "--api-key-from-env", "UPSTREAM_KEY", "--group", "team", "--test"],
      /^main works: its upstream answered 200/,
    );
    await rig.says(
      ["accounts", "list", "--group", "team"],
      /main +anthropic-compatible +healthy +0 of 100 +\$0\.00 +team\n/,
    );
    await rig.says(
      ["accounts", "show", "main"],
      /credential +there, never shown/,
      /settings +\{.*"auth":"bearer".*\}/,
      /today +\$0\.00\n/,
    );
  });

  it("reads the key from a file or from standard input, and says by its exit code whether it works", async () => {
    const file = path.join(rig.folder, "key.txt");
    writeFileSync(file, `${rig.upstreamKey}\n`, { mode: 0o600 });
    const words = (name: string) => {
      const baseUrl = rig.console.cloud.aiUpstream.baseUrl("anthropic");
      return ["accounts", "add", "anthropic-compatible", "--name", name, "--base-url", baseUrl, "--api-key-from-file"];
    };
    expect((await rig.relay([...words("from-file"), file, "--test"])).code).toBe(0);
    const piped = await rig.relay([...words("from-pipe"), "-", "--test"], { input: "sk-ant-nobody-has-this\n" });
    expect([piped.code, piped.stdout]).toEqual([
      1,
      expect.stringMatching(
        /from-pipe does not work \(unauthorised\): 401.*\nIt is added all the same, as acc-\w+\. .*set-credential acc-/,
      ),
    ]);
    await rig.says(
      ["accounts", "show", "from-pipe"],
      /state +unauthorised/,
      /unauthorised .*invalid x-api-key|unauthorised /,
    );
    await rig.says(["accounts", "reset", "from-pipe"], /is forgotten; it is healthy/);
    await rig.says(["accounts", "set-credential", "from-pipe", "--api-key-from-env", "UPSTREAM_KEY"], /new credential/);
    await rig.says(["accounts", "test", "from-pipe"], /works/);
    await rig.says(["accounts", "delete", "from-pipe"], /deleted, and its credential/);
    await rig.says(["accounts", "delete", "from-file"], /deleted/);
  });

  it("names an account as its provider where no name is given, once", async () => {
    const words = ["accounts", "add", "anthropic", "--api-key-from-env", "UPSTREAM_KEY"];
    await rig.says(words, /name +anthropic\n/);
    const again = await rig.relay(words);
    expect([again.code, again.stderr]).toEqual([
      2,
      expect.stringMatching(/an account anthropic already.*another --name/),
    ]);
    await rig.says(["accounts", "delete", "anthropic"], /deleted/);
  });

  it("changes what is given and leaves the rest, switches it off and on", async () => {
    await rig.says([
      "accounts",
      "update",
      "main",
      "--weight",
      "7",
      "--daily-quota",
      "2.5",
      "--map",
      "claude-a=claude-b",
    ]);
    await rig.says(["accounts", "disable", "main"], /no more requests/);
    const shown = await rig.json(["accounts", "show", "main"]);
    expect(shown).toMatchObject({
      weight: 7,
      dailyQuotaNanoUsd: 2_500_000_000,
      modelMapping: { "claude-a": "claude-b" },
      groups: ["team"],
      schedulable: false,
    });
    await rig.says(["accounts", "enable", "main"], /given requests again/);
    await rig.says(["accounts", "update", "main", "--map", "none", "--daily-quota", "none"]);
    expect(await rig.json(["accounts", "show", "main"])).toMatchObject({ modelMapping: {}, dailyQuotaNanoUsd: null });
  });
});

describe("relay keys", { timeout: 120_000 }, () => {
  it("makes a key and prints it first, for whoever reads one line", async () => {
    const ended = await rig.says(
      ["keys", "create", "alice", "--owner", "team a", "--tag", "dev", "--per-day", "5", "--family", "opus.week=50.25"],
      /^cwk_\w{50}\n\n/,
      /cost per day +\$5\.00 +\$0\.00 +\$5\.00/,
      /cost per week, opus +\$50\.25/,
      /shown once/,
    );
    const [key = ""] = ended.stdout.split("\n");
    const listed = await rig.says(["keys", "list", "--owner", "team a"], /alice +team a +dev +cwk_.* +enabled/);
    expect(listed.stdout).not.toContain(key);
    const own = await rig.relay(["me"], { environment: { CAUSEWAY_RELAY_KEY: key } });
    expect(own.code, own.stderr).toBe(0);
    expect(own.stdout).toMatch(/name +alice/);
    expect(own.stdout + own.stderr).not.toContain(key);
    const other = await rig.relay(["me", "--key-from-file", "-"], { input: `${key.slice(0, -1)}\n` });
    expect([other.code, other.stderr]).toEqual([2, expect.stringMatching(/^causeway: This is no key of this relay/)]);
  });

  it("makes several at once, and the same ones again for the same Idempotency-Key", async () => {
    const words = ["keys", "create", "b1", "b2", "b3", "--tag", "bulk", "--key", "three-keys"];
    const made = await rig.json(words);
    expect(made.items.map(({ name }: { name: string }) => name)).toEqual(["b1", "b2", "b3"]);
    expect(await rig.json(words)).toEqual(made);
    expect((await rig.json(["keys", "list", "--tag", "bulk"])).items).toHaveLength(3);
  });

  it("changes one limit and leaves the others, and takes limits away", async () => {
    const { keyId } = await rig.json([
      "keys",
      "create",
      "carol",
      "--per-day",
      "1",
      "--total",
      "9",
      "--model",
      "claude-*",
    ]);
    await rig.says(["keys", "update", keyId, "--per-day", "2", "--requests-per-minute", "10", "--multiplier", "1.25"]);
    const changed = await rig.json(["keys", "show", keyId]);
    expect(changed.policy).toMatchObject({
      spend: { day: 2_000_000_000, week: null, total: 9_000_000_000 },
      requestsPerMinute: 10,
      multiplierThousandths: 1250,
      models: ["claude-*"],
    });
    await rig.says([
      "keys",
      "update",
      keyId,
      "--total",
      "none",
      "--model",
      "all",
      "--name",
      "caroline",
      "--group",
      "team",
    ]);
    expect(await rig.json(["keys", "show", keyId])).toMatchObject({
      name: "caroline",
      policy: { spend: { day: 2_000_000_000, total: null }, models: [], boundTo: { kind: "group", group: "team" } },
    });
  });

  it("switches, deletes, restores, rotates and tops up", async () => {
    const { keyId, key } = await rig.json(["keys", "create", "dave", "--prepaid", "--days-from-first-use", "30"]);
    await rig.says(["keys", "disable", keyId], /\(dave\) is disabled/);
    await rig.says(["keys", "enable", keyId], /is active/);
    await rig.says(["keys", "delete", keyId], /is deleted/);
    await rig.says(["keys", "list", "--only", "deleted"], /dave/);
    await rig.says(["keys", "restore", keyId], /is active/);
    const rotated = await rig.says(["keys", "rotate", keyId, "--overlap-hours", "0"], /^cwk_\w{50}\n/);
    expect(rotated.stdout).not.toContain(key);
    await rig.says(
      ["keys", "top-up", keyId, "20", "--note", "order 7"],
      /\$20\.00 were added; the balance is \$20\.00/,
    );
    await rig.says(
      ["keys", "adjust", keyId, "-0.5", "--note", "counted twice"],
      /changed by -\$0\.50; the balance is \$19\.50/,
    );
    await rig.says(
      ["keys", "balance", keyId],
      /top-up +\$20\.00 .* order 7/,
      /adjustment +-\$0\.50 .* counted twice/,
      /The balance is \$19\.50 now/,
    );
    await rig.says(
      ["keys", "show", keyId],
      /balance +\$19\.50, which requests need/,
      /expires +30 days after its first request/,
    );
  });

  it("binds to an account by its name, and says where a balance is one that no request needs", async () => {
    const { accountId } = await rig.json(["accounts", "show", "main"]);
    const { keyId } = await rig.json(["keys", "create", "hana", "--account", "main"]);
    await rig.says(["keys", "show", keyId], new RegExp(`served by +account ${accountId}\\n`));
    await rig.says(["keys", "top-up", keyId, "5"], /\$5\.00 were added.*\nThe key is not prepaid: .* --prepaid\n/);
    await rig.says(["keys", "update", keyId, "--prepaid", "--account", "any"], /balance +\$5\.00, which requests need/);
    const adjusted = await rig.says(["keys", "adjust", keyId, "-1", "--note", "too much"], /balance is \$4\.00/);
    expect(adjusted.stdout).not.toContain("not prepaid");
  });

  it("shows every part of a policy that is not the usual one", async () => {
    const words = [
      "--waiting",
      "1.5,3",
      "--estimate",
      "typical",
      "--unknown-price",
      "0.25",
      "--address",
      "10.0.0.0/8",
      "::1",
    ];
    const { keyId } = await rig.json(["keys", "create", "gina", ...words]);
    await rig.says(
      ["keys", "show", keyId],
      /estimate +typical/,
      /unknown price +\$0\.25 a request/,
      /waiting +up to 1\.5 s, in a line of 3/,
      /addresses +10\.0\.0\.0\/8, ::1/,
    );
    await rig.says(["keys", "rotate", keyId]);
    const shown = await rig.says(["keys", "update", keyId, "--waiting", "none"], /text before +taken until \d{4}-/);
    expect(shown.stdout).not.toMatch(/waiting/);
  });
});

describe("relay usage", { timeout: 120_000 }, () => {
  it("tells usage as a table, as JSON and as CSV, and prices with their sources", async () => {
    const { keyId, key } = await rig.json(["keys", "create", "erin"]);
    const answer = await fetch(`${rig.console.cloud.api.urlOf("RelayApi/Api")}/v1/messages`, {
      method: "POST",
      headers: { "x-api-key": key, "anthropic-version": "2023-06-01", "content-type": "application/json" },
      body: JSON.stringify({ model: "claude-sonnet-4-5", max_tokens: 9, messages: [{ role: "user", content: "Hi" }] }),
    });
    expect(answer.status, await answer.text()).toBe(200);
    const record = await vi.waitFor(
      async () => {
        const { envelope } = await rig.console.call(`/api/relay/records?keyId=${keyId}`, { as: "viewer" });
        const [found] = (envelope.data as unknown as AnswerOf<"listRelayRecords">).items;
        if (found === undefined) throw new Error("the record is not there yet");
        return found;
      },
      { timeout: 60_000, interval: 100 },
    );
    const body = { from: record.startedAt, to: new Date(Date.parse(record.startedAt) + 1).toISOString() };
    const window = ["--from", body.from, "--to", body.to];
    const rebuilt = await rig.console.call("/api/relay/usage/rebuild", { method: "POST", as: "admin", body });
    expect(rebuilt.status, rebuilt.text).toBe(202);
    await vi.waitFor(
      async () => {
        const { total } = await rig.json(["usage", "--by", "key,model", ...window, "--only-key", keyId]);
        expect(total.requests).toBe(1);
      },
      { timeout: 60_000, interval: 200 },
    );
    await rig.says(
      ["usage", "--by", "key,model", ...window],
      new RegExp(`${keyId} +erin +claude-sonnet-4-5 +1 +0 +0 `),
      /in all +1 /,
    );
    await rig.says(
      ["usage", "--by", "account,day", ...window, "--only-account", "main"],
      /acc-\w+ +main +\d{4}-\d\d-\d\d +1 /,
    );
    await rig.says(
      ["records", "--only-key", keyId, "--outcome", "ok"],
      new RegExp(`${record.requestId} +${keyId} +claude-sonnet-4-5 +200 +ok +\\d+ +\\d+ +\\$0\\.00\\d+ `),
    );
    await rig.says(["usage", "--by", "model", "--csv", ...window], /^model,requests,.*\r\nclaude-sonnet-4-5,1,/);
    await rig.says(
      ["prices", "list", "--model", "claude-sonnet-4-5"],
      /claude-sonnet-4-5.* +\$3\.00 +\$15\.00 .*https:/,
    );
  });
});
