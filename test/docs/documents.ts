// The documents as the tests read them: prose and code blocks, headings and their anchors, links, code spans, tables.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, resolve } from "node:path";
import { headingAnchor } from "../../lib/constructs/failure-alarm.ts";

export const root = resolve(import.meta.dirname, "../..");

export interface CodeBlock {
  readonly language: string;
  readonly text: string;
}

export interface Document {
  readonly path: string;
  /** Without code blocks. */
  readonly prose: string;
  readonly codeBlocks: readonly CodeBlock[];
}

export const documents: readonly Document[] = [
  ...["README.md", "README.zh-CN.md"],
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => join("docs", file)),
].map(readDocument);

function readDocument(path: string): Document {
  const text = readFileSync(join(root, path), "utf8");
  const fence = /^ *```(\w*)\n([\s\S]*?)^ *```$/gm;
  const codeBlocks = [...text.matchAll(fence)].map(([, language = "", body = ""]) => ({
    language,
    text: body.replace(/^ +/gm, (spaces) => (language === "json" || language === "mermaid" ? spaces : "")),
  }));
  return { path, prose: text.replace(fence, ""), codeBlocks };
}

export function documentAt(path: string): Document {
  const found = documents.find((document) => document.path === path);
  if (found === undefined) throw new Error(`there is no document ${path}`);
  return found;
}

export function headingsOf({ prose }: Document): string[] {
  return [...prose.matchAll(/^(#+ .+)$/gm)].map(([, heading = ""]) => heading);
}

/** As Markdown viewers make them: a heading that comes again gets a number. */
export function anchorsOf(document: Document): Set<string> {
  const anchors = new Set<string>();
  for (const heading of headingsOf(document)) {
    const anchor = headingAnchor(heading.replace(/^#+ /, "").replaceAll("`", ""));
    let candidate = anchor;
    for (let again = 1; anchors.has(candidate); again += 1) candidate = `${anchor}-${again}`;
    anchors.add(candidate);
  }
  return anchors;
}

export function linksOf({ prose }: Document): string[] {
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
}

export function leadsSomewhere(from: Document, link: string): boolean {
  const [file = "", anchor] = link.split("#");
  const path = file === "" ? from.path : normalize(join(dirname(from.path), file));
  if (!existsSync(join(root, path))) return false;
  return anchor === undefined || anchorsOf(documentAt(path)).has(decodeURIComponent(anchor));
}

export function spansOf(prose: string): string[] {
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, span = ""]) => span);
}

/** Files and folders of this repository, as far as they are named in code spans. */
export function namedPathsIn(prose: string): string[] {
  const path = /^(bench|bin|cli|docs|lambdas|lib|local|scripts|stages|state-machines|test)\/[\w./-]*$/;
  return spansOf(prose).filter((span) => path.test(span));
}

/** Rows of every table whose first heading cell this is, as lists of cells without white space around them. */
export function tablesOf({ path, prose }: Document, headingCell: string): string[][][] {
  const lines = prose.split("\n");
  const heads = lines.flatMap((line, index) => (line.startsWith(`| ${headingCell} |`) ? [index] : []));
  if (heads.length === 0) throw new Error(`${path} has no table that begins with ${headingCell}`);
  return heads.map((at) => {
    const end = lines.findIndex((line, index) => index > at && !line.startsWith("|"));
    const rows = lines.slice(at + 2, end < 0 ? undefined : end);
    return rows.map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  });
}

export function tableOf(document: Document, headingCell: string): string[][] {
  const [first = []] = tablesOf(document, headingCell);
  return first;
}

export const firstCells = (rows: string[][]): string[] => rows.map(([first = ""]) => first.replaceAll("`", ""));
