// The house holds: who may import whom, and the conventions a machine can check; and the checks themselves can fail.
import { describe, expect, it } from "vitest";
import { findBreaches } from "./architecture/house-rules.ts";
import { findForbiddenImports } from "./architecture/import-table.ts";
import { readImports, readSourceFiles } from "./architecture/source-files.ts";

const files = readSourceFiles();

describe("the house", () => {
  it("has source files in every part that the check looks at", () => {
    const parts = new Set(files.map(({ path }) => path.split("/")[0]));
    expect([...parts]).toEqual(expect.arrayContaining(["bin", "lib", "lambdas", "local", "test"]));
  });

  it("imports only what the table allows", () => {
    expect(findForbiddenImports(files)).toEqual([]);
  });

  it("keeps its conventions", () => {
    expect(findBreaches(files)).toEqual([]);
  });
});

/** A made-up room has these ports. */
const registries = ["sources", "targets"].map((port) => ({ path: `lambdas/relay/${port}/index.ts`, text: "" }));

describe("the import table", () => {
  const forbidden: readonly (readonly [why: string, path: string, code: string])[] = [
    ["bin must not reach into a room", "bin/causeway.ts", 'import { rule } from "../lambdas/replication/rule.ts";'],
    ["lib must not run a room's schemas", "lib/a.ts", 'import { a } from "../lambdas/replication/config.ts";'],
    [
      "lib must not import rules, not even types",
      "lib/a.ts",
      'import type { A } from "../lambdas/replication/copy.ts";',
    ],
    ["lib must not import other shared files", "lib/a.ts", 'import { log } from "../lambdas/shared/log.ts";'],
    ["a room must not import a room", "lambdas/relay/a.ts", 'import { b } from "../replication/b.ts";'],
    ["a room must not import a room's types", "lambdas/relay/a.ts", 'import type { B } from "../replication/b.ts";'],
    ["an entry must not import another room", "lambdas/relay/a.lambda.ts", 'import { b } from "../replication/b.ts";'],
    ["an entry must not import an entry", "lambdas/relay/a.lambda.ts", 'import { b } from "./b.lambda.ts";'],
    ["a rule must not import an entry", "lambdas/relay/a.ts", 'import { b } from "./b.lambda.ts";'],
    ["local must not import an entry", "local/a.ts", 'import { b } from "../lambdas/relay/b.lambda.ts";'],
    ["a rule must not import an SDK", "lambdas/relay/a.ts", 'import { S3Client } from "@aws-sdk/client-s3";'],
    [
      "a rule must not import an SDK's types",
      "lambdas/relay/a.ts",
      'import type { S3Client } from "@aws-sdk/client-s3";',
    ],
    ["a rule must not open sockets", "lambdas/relay/a.ts", 'import http from "node:http";'],
    ["a rule must not run a store", "lambdas/relay/a.ts", 'import { Store } from "./b.store.ts";'],
    ["a rule must not import an adapter", "lambdas/relay/a.ts", 'import { s3 } from "./targets/s3.ts";'],
    ["a rule must not log", "lambdas/relay/a.ts", 'import { log } from "../shared/log.ts";'],
    ["a rule must not read the environment's schemas", "lambdas/relay/a.ts", 'import { a } from "./config.ts";'],
    ["a store must not import an adapter", "lambdas/relay/a.store.ts", 'import { s3 } from "./targets/s3.ts";'],
    [
      "an adapter must not import another port",
      "lambdas/relay/sources/a.ts",
      'import { b } from "../targets/target.ts";',
    ],
    [
      "an adapter must not import another port's types",
      "lambdas/relay/sources/a.ts",
      'import type { B } from "../targets/b.ts";',
    ],
    ["an adapter must not import a store", "lambdas/relay/sources/a.ts", 'import { B } from "../b.store.ts";'],
    ["an adapter must not import its registry", "lambdas/relay/sources/a.ts", 'import { b } from "./index.ts";'],
    ["a port must not know its adapters", "lambdas/relay/sources/source.ts", 'import type { A } from "./a.ts";'],
    ["a registry must not import rules", "lambdas/relay/sources/index.ts", 'import { b } from "../b.ts";'],
    ["a room's config must not import anything of ours", "lambdas/relay/config.ts", 'import type { A } from "./a.ts";'],
    ["shared must not know a room", "lambdas/shared/a.ts", 'import type { B } from "../relay/b.ts";'],
    ["local must not import a Lambda's source", "local/s3/a.ts", 'import { b } from "../../lambdas/shared/errors.ts";'],
    ["local must not import the command line", "local/s3/a.ts", 'import { b } from "../../cli/b.ts";'],
    ["npm start must not import lib", "local/start/a.ts", 'import { b } from "../../lib/b.ts";'],
    ["local must not import types of lib", "local/s3/a.ts", 'import type { B } from "../../lib/config.ts";'],
    ["local must not import lib later on", "local/s3/a.ts", 'const lib = await import("../../lib/config.ts");'],
    ["the command line must not run an entry", "cli/a.ts", 'import { b } from "../lambdas/replication/b.lambda.ts";'],
    ["nothing may import a test", "lib/a.ts", 'import { b } from "../test/b.ts";'],
    ["a file must have its place", "elsewhere/a.ts", ""],
    ["a rule in a folder of its own is a rule", "lambdas/relay/prices/a.ts", 'import http from "node:http";'],
  ];
  it.each(forbidden)("refuses: %s", (_why, path, code) => {
    expect(findForbiddenImports([...registries, { path, text: code }])).toHaveLength(1);
  });

  const allowed: readonly (readonly [why: string, path: string, code: string])[] = [
    [
      "lib takes types of a room's config",
      "lib/stacks/a.ts",
      'type A = typeof import("../../lambdas/relay/config.ts");',
    ],
    ["lib takes registries as data", "lib/stacks/a.ts", 'import { a } from "../../lambdas/relay/sources/index.ts";'],
    ["an entry wires its own room", "lambdas/relay/a.lambda.ts", 'import { A } from "./a.store.ts";'],
    ["a rule takes a store's type", "lambdas/relay/a.ts", 'import type { A } from "./a.store.ts";'],
    ["a rule takes its room's port", "lambdas/relay/a.ts", 'import type { Source } from "./sources/source.ts";'],
    ["an adapter uses the SDK", "lambdas/relay/targets/s3.ts", 'import { S3Client } from "@aws-sdk/client-s3";'],
    [
      "a test imports an entry",
      "test/lambdas/relay/a.test.ts",
      'import { handler } from "../../../lambdas/relay/a.lambda.ts";',
    ],
  ];
  it.each(allowed)("allows: %s", (_why, path, code) => {
    expect(findForbiddenImports([...registries, { path, text: code }])).toEqual([]);
  });

  it("says the file, the import and the rule", () => {
    const [finding] = findForbiddenImports([
      { path: "lambdas/relay/a.ts", text: 'import { b } from "../replication/b.ts";' },
    ]);
    expect(finding).toMatch(
      /^lambdas\/relay\/a\.ts imports lambdas\/replication\/b\.ts: a rule imports its own room's/,
    );
  });

  it("sees imports of every form", () => {
    const text = [
      'import "./side-effect.ts";',
      'import type { A } from "./types-of-a.ts";',
      "import {",
      "  b,",
      "  type C,",
      '} from "./b.ts";',
      'import * as d from "./d.ts";',
      'export { e } from "./e.ts";',
      'export * from "./f.ts";',
      'const g = await import("./g.ts");',
      'type H = typeof import("./h.ts");',
      '// import { no } from "./comment.ts";',
      'const text = `from "./string.ts"`;',
    ].join("\n");
    const found = readImports({ path: "lib/a.ts", text });
    expect(found.map(({ target, typeOnly }) => `${target}${typeOnly ? " as type" : ""}`)).toEqual([
      "lib/side-effect.ts",
      "lib/types-of-a.ts as type",
      "lib/b.ts",
      "lib/d.ts",
      "lib/e.ts",
      "lib/f.ts",
      "lib/g.ts",
      "lib/h.ts as type",
    ]);
  });
});

describe("the conventions", () => {
  const said = "// Says what it is for.\n";
  const breaches: readonly (readonly [why: string, path: string, text: string])[] = [
    ["a folder called utils", "lib/utils/a.ts", said],
    ["a folder called services", "local/services/a.ts", said],
    ["a fifth level of folders", "test/a/b/c/d/e.ts", said],
    ["camelCase", "lib/someFile.ts", said],
    ["no first comment", "lib/a.ts", 'import "./b.ts";\n'],
    ["a barrel", "lib/index.ts", said],
    ["passing on exports", "lib/a.ts", `${said}export { b } from "./b.ts";\n`],
    ["reading process.env", "lib/a.ts", `${said}const a = process.env.A;\n`],
    [
      "an entry that exports more",
      "lambdas/relay/a.lambda.ts",
      `${said}export const handler = 1;\nexport const b = 2;\n`,
    ],
    ["an entry without handler", "lambdas/relay/a.lambda.ts", `${said}export const other = 1;\n`],
    ["a fat entry", "lambdas/relay/a.lambda.ts", `${said}export const handler = 1;\n${"work();\n".repeat(60)}`],
    ["a rule that reads the clock", "lambdas/relay/a.ts", `${said}const now = Date.now();\n`],
    ["a rule that draws at random", "lambdas/relay/a.ts", `${said}const share = Math.random();\n`],
    ["a rule that fetches", "lambdas/relay/a.ts", `${said}const page = await fetch("x");\n`],
  ];
  it.each(breaches)("refuse: %s", (_why, path, text) => {
    expect(findBreaches([{ path, text }])).toHaveLength(1);
  });

  it("let a plain file pass", () => {
    const text = `${said}// Date.now() in a comment is no clock.\nexport const parts = 1;\n`;
    expect(findBreaches([{ path: "lambdas/relay/plan-parts.ts", text }])).toEqual([]);
  });
});
