// What the relay's commands cannot do, as a newcomer meets it: what is wrong, the cure, and no secret repeated.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RelayCommandRig } from "./relay-command-rig.ts";

let rig: RelayCommandRig;

beforeAll(async () => {
  rig = await RelayCommandRig.start();
  const baseUrl = rig.console.cloud.aiUpstream.baseUrl("anthropic");
  const words = ["accounts", "add", "anthropic-compatible", "--name", "main", "--base-url", baseUrl];
  await rig.says([...words, "--api-key-from-env", "UPSTREAM_KEY"]);
});

afterAll(() => rig?.close());

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
      // How a key is sent is a setting of the account: said here, it would change nothing.
      [["accounts", "set-credential", "main", "--bearer"], /unknown option '--bearer'/],
      [["accounts", "show", "nobody"], /There is no account nobody/],
      [["accounts", "update", "main"], /Say what to change/],
      [
        ["accounts", "update", "main", "--base-url", "https://elsewhere.example"],
        /body\.credential: The credential would be sent to another address/,
      ],
      [["keys", "show", "nobody"], /There is no key nobody/],
      [["keys", "show", ""], /Which key\? Give its id: relay keys list shows it/],
      [["groups", "delete", " "], /Which group\? Give its name: relay groups list shows it/],
      [["accounts", "show", ""], /Which account\? Give its id or its name/],
      [["keys", "create", "x", "--account", "nobody"], /There is no account nobody; npx causeway relay accounts list/],
      [["keys", "create", "x", "--account", "any", "--group", "team"], /Give --account or --group, not both/],
      [["keys", "create", "x", "--expires", "2099-01-01T10:00"], /--expires 2099-01-01T10:00 has no time zone/],
      [["accounts", "update", "main", "--group", "Team A"], /body\.groups\.0: Give lower-case names of letters/],
      [["records", "--from", ""], /--from {2}is no time/],
      [["keys", "show", `cwk_${"a".repeat(50)}`], /Give the key's id, not the key itself/],
      [["keys", "create", "x", "--per-day", "five"], /--per-day five is no sum of dollars/],
      [["keys", "create", "x", "--family", "opus=5"], /--family opus=5: give a family, a window/],
      [["keys", "create", "x", "--expires", "soon"], /--expires soon is no time/],
      [["keys", "create", "x", "--multiplier", "-1"], /--multiplier/],
      [["keys", "update", "x"], /There is no key x/],
      [["keys", "top-up", "x", "0"], /body\.nanoUsd: 0 changes nothing|There is no key x/],
      [["usage", "--by", "colour"], /query\.groupBy: Give one or two of key, account, model/],
      [["usage", "--csv", "--json"], /Give --csv or --json, not both/],
      [["usage", "--only-key", "nobody"], /There is no key nobody/],
      [["usage", "--only-key", `cwk_${"a".repeat(50)}`], /Give the key's id, not the key itself/],
      [["usage", "--only-account", "nobody"], /There is no account nobody; npx causeway relay accounts list/],
      [["records", "--only-key", "nobody"], /There is no key nobody/],
      [
        ["accounts", "add", "anthropic", "--name", "main", "--api-key-from-env", "UPSTREAM_KEY"],
        /an account main already, acc-\w+\. .*set-credential acc-/,
      ],
      [["keys", "create", "x", "--balance", "5"], /--balance is what a prepaid key begins with: give --prepaid/],
      [["keys", "adjust", "x", "five", "--note", "wrong"], /<dollars> five is no sum of dollars/],
      [["me"], /Set CAUSEWAY_RELAY_KEY to the key, or give --key-from-env NAME/],
      [["me", "--key-from-env", "NOT_SET"], /--key-from-env: the environment variable that it names is not set/],
    ];
    for (const [words, sentence] of cases) {
      // Commander's own complaints are worded by cli/main.ts.
      const isMain = words.some((word) => word.startsWith("--api-key=") || word === "--bearer");
      const ended = await rig.relay(words, isMain ? { input: "" } : {});
      expect(ended.stderr, words.join(" ")).toMatch(sentence);
      expect(ended.stderr).not.toContain(secret);
      expect(ended.code, words.join(" ")).toBe(2);
      expect(ended.stdout).toBe("");
    }
  });
});
