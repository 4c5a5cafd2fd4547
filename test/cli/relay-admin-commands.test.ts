// Groups, prices, settings and files of usage as operators and admins set them on the command line, against a booted local cloud.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AnswerOf } from "../../cli/api/operations.ts";
import { RelayCommandRig } from "./relay-command-rig.ts";

let rig: RelayCommandRig;

beforeAll(async () => {
  rig = await RelayCommandRig.start();
});

afterAll(() => rig?.close());

async function refused(words: readonly string[], sentence: RegExp, run = rig.relay.bind(rig)): Promise<void> {
  const ended = await run(words);
  expect([ended.code, ended.stdout], words.join(" ")).toEqual([2, ""]);
  expect(ended.stderr, words.join(" ")).toMatch(sentence);
}

async function done(words: readonly string[], ...patterns: readonly RegExp[]): Promise<string> {
  const { code, stdout, stderr } = await rig.admin(words);
  expect(code, stderr).toBe(0);
  for (const pattern of patterns) expect(stdout).toMatch(pattern);
  return stdout;
}

describe("relay groups", { timeout: 120_000 }, () => {
  it("are made, listed with their accounts, changed by what is given, and deleted when they are empty", async () => {
    await rig.says(["groups", "list"], /There are no groups\. To put an account into one: npx causeway relay accounts/);
    await rig.says(
      ["groups", "set", "team", "--algorithm", "least-connections", "--description", "数据组"],
      /algorithm +least-connections\n/,
      /accounts +none yet/,
    );
    const baseUrl = rig.console.cloud.aiUpstream.baseUrl("anthropic");
    const words = ["accounts", "add", "anthropic-compatible", "--name", "main", "--base-url", baseUrl];
    await rig.says([...words, "--api-key-from-env", "UPSTREAM_KEY", "--group", "team"]);
    await rig.says(["groups", "list"], /team +least-connections +main +数据组\n/);
    expect(await rig.json(["groups", "set", "team", "--algorithm", "none"])).toMatchObject({
      ...{ group: "team", algorithm: null, description: "数据组", accounts: [{ name: "main" }] },
    });
    await refused(["groups", "set", "team"], /a group team already\. Say what to change: --algorithm or --description/);
    await refused(["groups", "set", "Team A"], /path\.group: Give a lower-case name/);
    await refused(["groups", "set", "x", "--algorithm", "fast"], /'fast' is invalid\. Allowed choices are round-robin/);
    await refused(["groups", "delete", "team"], /main is in the group team\. Take accounts out of it first/);
    await rig.says(["accounts", "update", "main", "--group", "none"]);
    await rig.says(["groups", "delete", "team"], /The group team is deleted\. A key that is bound to it is refused/);
    await refused(["groups", "delete", "team"], /There is no group team/);
  });
});

describe("relay settings", { timeout: 120_000 }, () => {
  it("are shown, changed by what is given, and set back", async () => {
    await rig.says(["settings", "show"], /logLevels\.proxy +INFO\n/, /stickyMinutes +60\n/);
    await done(
      ["settings", "set", "stickyMinutes=30", "logLevels.proxy=DEBUG"],
      /logLevels\.proxy is DEBUG now; it was INFO\.\nstickyMinutes is 30 now; it was 60\.\nIn effect within seconds\.\n/,
    );
    const shown: AnswerOf<"getRelaySettings"> = await rig.json(["settings", "show"]);
    expect(shown).toMatchObject({ stickyMinutes: 30, probeMinutes: 0, logLevels: { proxy: "DEBUG", main: "INFO" } });
    await done(["settings", "set", "stickyMinutes=default", "logLevels.proxy=INFO"], /stickyMinutes is 60 now/);
    await done(["settings", "set", "stickyMinutes=60"], /Nothing is other than it was/);
  });

  it("are refused by their names, and by who asks", async () => {
    await refused(
      ["settings", "set", "stickyMinutes=1h"],
      /stickyMinutes takes a whole number, or default; it is 60 now/,
    );
    await refused(["settings", "set", "stickyMinutes"], /give a setting, = and its value, such as stickyMinutes=30/);
    await refused(
      ["settings", "set", "sticky=3"],
      /There is no setting sticky; there are logLevels\.main, .*rollUpSeconds/,
    );
    await refused(
      ["settings", "set", "stickyMinutes=3"],
      /needs the role admin.*npx causeway login --api http\S+, and then --api http\S+ in the place of --local/,
    );
    const admin = rig.admin.bind(rig);
    await refused(["settings", "set", "stickyMinutes=0"], /body\.stickyMinutes: Give at least 1/, admin);
    await refused(["settings", "set", "algorithm=fast"], /body\.algorithm: Give "round-robin"/, admin);
  });
});

describe("relay prices", { timeout: 120_000 }, () => {
  const set = (model: string, ...more: string[]) => ["prices", "set", model, "--source", "contract 7", ...more];
  const mine = ["--platform", "openai", "--input", "1", "--output", "2.5", "--context", "9000", "--most-output", "800"];

  it("override what is in force by what is given, from a time on, and are removed again", async () => {
    await done(
      set("claude-sonnet-4-5", "--output", "12", "--long-context", "none"),
      /per million +input \$3\.00, output \$12\.00, cache write \$3\.75/,
      /family +sonnet/,
      /source +contract 7 \(\d{4}-/,
    );
    await rig.says(["prices", "list", "--model", "claude-sonnet-4-5"], /\$12\.00 .* override: contract 7/);
    await done(["prices", "remove", "claude-sonnet-4-5"], /The override of claude-sonnet-4-5 from .* on is gone/);
    await rig.says(["prices", "list", "--model", "claude-sonnet-4-5"], /\$15\.00 .*https:/);
    await refused(["prices", "remove", "claude-sonnet-4-5"], /prices of the table cannot be removed, only overridden/);
  });

  it("of a new model need what nobody can guess, and what is not said of the cache costs what input does", async () => {
    const later = ["--from", "2099-01-01", "--date", "2026-11-20"];
    await done(
      set(
        "my-model*",
        ...mine,
        ...later,
        "--long-context",
        "5000,2,4",
        "--tool",
        "web_search=0.01",
        "--tier",
        "fast=2.5",
      ),
      /per million +input \$1\.00, output \$2\.50, cache write \$1\.00 \(an hour: \$1\.00\), cache read \$1\.00/,
      /above 5000 tokens: input \$2\.00, output \$4\.00, cache write \$2\.00/,
      /web_search \$0\.01/,
      /fast × 2\.5/,
      /counts +from 2099-01-01 00:00:00Z on/,
    );
    await done(set("my-model*", ...mine));
    await refused(
      ["prices", "remove", "my-model*"],
      /has several overrides\. Say which:\n {2}--platform openai --from .*\n {2}--platform openai --from 2099-01-01T/,
    );
    await done(["prices", "remove", "my-model*", "--from", "2099-01-01"], /from 2099-01-01 on is gone/);
    const { items } = await rig.json(["prices", "list", "--model", "my-model*"]);
    const file = path.join(rig.folder, "price.json");
    writeFileSync(file, JSON.stringify({ ...items[0], effectiveFrom: "2098-01-01T00:00:00Z" }));
    await done(["prices", "set", "--from-file", file], /counts +from 2098-/);
  });

  it("are refused with the option that is wrong", async () => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [["prices", "set"], /Which model\? Give its name, or --from-file/],
      [["prices", "set", "new", "--input", "1"], /no price yet: give --input and --output/],
      [["prices", "set", "new", "--input", "1", "--output", "2"], /give --platform, --input, --output, --context/],
      [["prices", "set", "new", ...mine], /--source is missing: say where the price was read/],
      [set("new", ...mine, "--input", "-1"), /--input -1: give 0 dollars or more/],
      [set("new", ...mine, "--input", "1e3"), /--input 1e3 is no sum of dollars/],
      [set("new", ...mine, "--context", "1k"), /--context 1k is no whole number/],
      [set("new", ...mine, "--date", "yesterday"), /--date yesterday is no day/],
      [
        set("new", ...mine, "--from", "2027-01-01 10:00"),
        /has no time zone; give one such as 2027-01-01T10:00Z \(UTC\)/,
      ],
      [set("new", ...mine, "--long-context", "5000"), /--long-context 5000: give tokens, and dollars/],
      [set("new", ...mine, "--tool", "web_search"), /--tool web_search: give a name, = and a number/],
      [set("new", ...mine, "--tier", "fast=x"), /--tier fast x is no factor/],
      [
        set("gpt-5.5", "--input", "2"),
        /has other rates above \d+ tokens of input\. Say what they are now: --long-context/,
      ],
      [["prices", "set", "x", "--from-file", "/none"], /give neither a model nor other fields/],
      [["prices", "set", "--from-file", "/none"], /--from-file \/none cannot be read \(ENOENT\)/],
      [["prices", "set", "--from-file", "package.json"], /body\.platform: /],
      [["prices", "set", "--from-file", "README.md"], /is not JSON; npx causeway relay prices list --json/],
    ];
    for (const [words, sentence] of cases) await refused(words, sentence, rig.admin.bind(rig));
  });
});

describe("relay usage export", { timeout: 120_000 }, () => {
  it("begins a job, follows it, and has its own words behind usage's", async () => {
    const from = new Date(Date.now() - 3_600_000).toISOString();
    const waited = await rig.relay(["usage", "export", "--from", from, "--format", "parquet", "--wait"]);
    expect([waited.code, waited.stdout]).toEqual([
      0,
      expect.stringMatching(/outcome +\d+ records are in relay-usage\/by-hand\/\w+\.parquet\./),
    ]);
    const once = ["usage", "export", "--from", "2026-11-01", "--to", "2026-11-02", "--key", "one-file"];
    expect(await rig.json(once)).toEqual(await rig.json(once));
    await refused(["usage", "export"], /required option '--from <time>' not specified/);
    await refused(
      ["usage", "export", "--from", "2026-01-01", "--to", "2026-09-01"],
      /body\.to: Export at most 31 days/,
    );
    await refused(["usage", "export", "--from", from, "--format", "xls"], /Allowed choices are csv, parquet/);
    await rig.says(["usage", "--by", "day"], /Nothing was used|in all/);
  });
});
