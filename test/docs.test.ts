// The documents say what is there: links, paths, commands, options and names are held against the sources.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { restorabilities } from "../lambdas/replication/backup.ts";
import { proofClasses } from "../lambdas/replication/copy.ts";
import {
  documentAt,
  documents,
  firstCells,
  headingsOf,
  leadsSomewhere,
  linksOf,
  namedPathsIn,
  root,
  spansOf,
  tableOf,
} from "./docs/documents.ts";

describe.each(documents)("$path", (document) => {
  it("links to files and headings that exist", () => {
    const broken = linksOf(document).filter((link) => !/^https?:/.test(link) && !leadsSomewhere(document, link));
    expect(broken).toEqual([]);
  });

  it("names files and folders that exist", () => {
    expect(namedPathsIn(document.prose).filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it("names npm scripts that exist", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object };
    const text = [document.prose, ...document.codeBlocks.map((block) => block.text)].join("\n");
    const named = [...text.matchAll(/\bnpm (?:run ([a-z][a-z:]*)|(start|test)\b)/g)].map(
      ([, script, short]) => script ?? short ?? "",
    );
    expect(named.filter((script) => !Object.hasOwn(scripts, script))).toEqual([]);
  });
});

describe("the README in two languages", () => {
  const english = documentAt("README.md");
  const chinese = documentAt("README.zh-CN.md");
  /** Each links to the other, and has the pictures in its own language. */
  const withoutLanguage = (text: string) => text.replace(".zh-CN.", ".");

  it("has the same headings in the same order", () => {
    const levels = (document: typeof english) => headingsOf(document).map((heading) => heading.replace(/ .*/, ""));
    expect(levels(chinese)).toEqual(levels(english));
  });

  it("has the same code blocks", () => {
    expect(chinese.codeBlocks).toEqual(english.codeBlocks);
  });

  it("has the same links", () => {
    expect(linksOf(chinese).map(withoutLanguage)).toEqual(linksOf(english).map(withoutLanguage));
  });

  it("names the same commands, options, settings and permissions", () => {
    const names = ({ prose }: typeof english) => [...new Set(spansOf(prose))].sort();
    expect(names(chinese)).toEqual(names(english));
  });
});

describe("the README", () => {
  const readme = documentAt("README.md");

  it("leads to every page of docs, and to every decision", () => {
    const pages = documents.map(({ path }) => path).filter((path) => path.startsWith("docs/"));
    expect(linksOf(readme).map((link) => link.replace(/#.*/, ""))).toEqual(expect.arrayContaining(pages));
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
});
