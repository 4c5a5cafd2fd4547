// The documents say what is there: links, paths, commands, options, names and permissions are held against the sources.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, resolve } from "node:path";
import { Template } from "aws-cdk-lib/assertions";
import { describe, expect, it } from "vitest";
import { restorabilities } from "../lambdas/replication/backup.ts";
import { proofClasses } from "../lambdas/replication/copy.ts";
import { runRequestSchema } from "../lambdas/replication/run-request.ts";
import { retryableByName } from "../lambdas/shared/errors.ts";
import { headingAnchor } from "../lib/constructs/failure-alarm.ts";
import { testAssembly } from "./test-assembly.ts";

const root = resolve(import.meta.dirname, "..");

interface Document {
  readonly path: string;
  /** Without code blocks. */
  readonly prose: string;
  readonly codeBlocks: readonly string[];
}

const documents = [
  ...["README.md", "README.zh-CN.md"],
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => join("docs", file)),
].map(readDocument);

function readDocument(path: string): Document {
  const text = readFileSync(join(root, path), "utf8");
  const fence = /^ *```\w*\n([\s\S]*?)^ *```$/gm;
  const codeBlocks = [...text.matchAll(fence)].map(([, body = ""]) => body.replace(/^ +/gm, ""));
  return { path, prose: text.replace(fence, ""), codeBlocks };
}

function documentAt(path: string): Document {
  const found = documents.find((document) => document.path === path);
  if (found === undefined) throw new Error(`there is no document ${path}`);
  return found;
}

function headingsOf({ prose }: Document): string[] {
  return [...prose.matchAll(/^(#+ .+)$/gm)].map(([, heading = ""]) => heading);
}

/** As Markdown viewers make them: a heading that comes again gets a number. */
function anchorsOf(document: Document): Set<string> {
  const anchors = new Set<string>();
  for (const heading of headingsOf(document)) {
    const anchor = headingAnchor(heading.replace(/^#+ /, "").replaceAll("`", ""));
    let candidate = anchor;
    for (let again = 1; anchors.has(candidate); again += 1) candidate = `${anchor}-${again}`;
    anchors.add(candidate);
  }
  return anchors;
}

function linksOf({ prose }: Document): string[] {
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
}

function codeSpansOf({ prose }: Document): string[] {
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, span = ""]) => span);
}

/** Rows of the table that has this heading cell, as lists of cells. */
function tableOf({ path, prose }: Document, headingCell: string): string[][] {
  const lines = prose.split("\n");
  const at = lines.findIndex((line) => line.startsWith(`| ${headingCell} |`));
  if (at < 0) throw new Error(`${path} has no table that begins with ${headingCell}`);
  const end = lines.findIndex((line, index) => index > at && !line.startsWith("|"));
  return lines.slice(at + 2, end < 0 ? undefined : end).map((line) => line.split("|").slice(1, -1));
}

const firstCells = (rows: string[][]) => rows.map(([first = ""]) => first.trim().replaceAll("`", ""));

describe.each(documents)("$path", (document) => {
  it("links to files and headings that exist", () => {
    const broken = linksOf(document).filter((link) => !/^https?:/.test(link) && !leadsSomewhere(document, link));
    expect(broken).toEqual([]);
  });

  it("names files and folders that exist", () => {
    const named = codeSpansOf(document).filter((span) =>
      /^(bin|cli|docs|lambdas|lib|local|scripts|stages|state-machines|test)\/[\w./-]*$/.test(span),
    );
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it("names npm scripts that exist", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object };
    const text = [document.prose, ...document.codeBlocks].join("\n");
    const named = [...text.matchAll(/\bnpm (?:run ([a-z][a-z:]*)|(start|test)\b)/g)].map(
      ([, script, short]) => script ?? short ?? "",
    );
    expect(named.filter((script) => !Object.hasOwn(scripts, script))).toEqual([]);
  });
});

function leadsSomewhere(from: Document, link: string): boolean {
  const [file = "", anchor] = link.split("#");
  const path = file === "" ? from.path : normalize(join(dirname(from.path), file));
  if (!existsSync(join(root, path))) return false;
  return anchor === undefined || anchorsOf(documentAt(path)).has(decodeURIComponent(anchor));
}

describe("the README in two languages", () => {
  const english = documentAt("README.md");
  const chinese = documentAt("README.zh-CN.md");
  /** Each links to the other, and has the picture in its own language. */
  const withoutLanguage = (text: string) => text.replace(".zh-CN.", ".");

  it("has the same headings in the same order", () => {
    const levels = (document: Document) => headingsOf(document).map((heading) => heading.replace(/ .*/, ""));
    expect(levels(chinese)).toEqual(levels(english));
  });

  it("has the same code blocks", () => {
    expect(chinese.codeBlocks).toEqual(english.codeBlocks);
  });

  it("has the same links", () => {
    expect(linksOf(chinese).map(withoutLanguage)).toEqual(linksOf(english).map(withoutLanguage));
  });

  it("names the same commands, options, settings and permissions", () => {
    const names = (document: Document) => [...new Set(codeSpansOf(document))].sort();
    expect(names(chinese)).toEqual(names(english));
  });
});

describe("the README", () => {
  const readme = documentAt("README.md");

  it("leads to every decision", () => {
    const decisions = documents.map(({ path }) => path).filter((path) => path.startsWith("docs/decisions/"));
    expect(linksOf(readme)).toEqual(expect.arrayContaining(decisions));
  });

  it("explains every option of npm start, and no other", () => {
    const source = readFileSync(join(root, "local/start/options.ts"), "utf8");
    const offered = [...source.matchAll(/\.option\(\s*"(--[a-z-]+)/g)].map(([, option]) => option);
    const explained = firstCells(tableOf(readme, "Option")).map((cell) => cell.replace(/ .*/, ""));
    expect(offered.length).toBeGreaterThan(0);
    expect(explained.sort()).toEqual(offered.sort());
  });

  it("explains every class of proof and of restorability", () => {
    expect(firstCells(tableOf(readme, "Proof class"))).toEqual([...proofClasses]);
    expect(firstCells(tableOf(readme, "Restorability")).sort()).toEqual([...restorabilities].sort());
  });

  it("lists for every function what its role allows in the templates", () => {
    const file = join(testAssembly, "causeway-local-replication.template.json");
    const template = Template.fromJSON(JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>);
    const rows = tableOf(readme, "Function");
    expect(rows).toHaveLength(Object.keys(template.findResources("AWS::Lambda::Function")).length);
    for (const [name = "", allowed = ""] of rows) {
      const entry = name.trim().replaceAll("`", "");
      const constructId = entry.replace(/(^|-)([a-z])/g, (_match, _hyphen, letter: string) => letter.toUpperCase());
      const stated = [...new Set([...allowed.matchAll(/`([a-z0-9]+:[A-Za-z]+)`/g)].map(([, action]) => action))];
      const granted = grantedActions(template, constructId).filter((action) => !isCommonAction(action));
      expect(stated.sort(), entry).toEqual([...new Set(granted)].sort());
    }
  });
});

interface PolicyProperties {
  readonly Roles: readonly { readonly Ref: string }[];
  readonly PolicyDocument: {
    readonly Statement: readonly { readonly Effect: string; readonly Action: string | string[] }[];
  };
}

function grantedActions(template: Template, constructId: string): string[] {
  return Object.values(template.findResources("AWS::IAM::Policy"))
    .map(({ Properties }) => Properties as PolicyProperties)
    .filter(({ Roles }) => Roles.some(({ Ref }) => Ref.startsWith(`${constructId}Role`)))
    .flatMap(({ PolicyDocument }) => PolicyDocument.Statement)
    .flatMap(({ Effect, Action }) => (Effect === "Allow" ? Action : []));
}

/** What the sentence below the table says for all functions. */
function isCommonAction(action: string): boolean {
  const throughKey = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"];
  return action.startsWith("logs:") || action.startsWith("xray:") || throughKey.includes(action);
}

describe("the runbook", () => {
  const runbook = documentAt("docs/runbook.md");

  it("has a row for every error name, and for no other", () => {
    expect(firstCells(tableOf(runbook, "Name")).sort()).toEqual(Object.keys(retryableByName).sort());
  });

  it("says of each error whether it is tried again", () => {
    for (const [name = "", , triedAgain = ""] of tableOf(runbook, "Name")) {
      const errorName = name.trim().replaceAll("`", "") as keyof typeof retryableByName;
      if (retryableByName[errorName]) expect(triedAgain, errorName).toMatch(/^ (passing|yes)/);
      else expect(triedAgain, errorName).not.toMatch(/^ (passing|yes)/);
    }
  });

  it("explains every field of a run's input, and no other", () => {
    const explained = firstCells(tableOf(runbook, "Field"));
    expect(explained.sort()).toEqual(Object.keys(runRequestSchema.shape).sort());
  });

  it("gives examples of inputs that a run accepts", () => {
    const examples = tableOf(runbook, "Field").map((cells) => cells.at(-1)?.trim().replaceAll("`", "") ?? "");
    expect(examples).not.toHaveLength(0);
    for (const example of examples) expect(runRequestSchema.safeParse(JSON.parse(example)).success, example).toBe(true);
  });
});
