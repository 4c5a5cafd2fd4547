// The project's own source files, and what each of them imports.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, posix, relative, resolve } from "node:path";

export const projectFolder = resolve(import.meta.dirname, "../..");

/** The folders with code of ours; `console` is a package of its own with its own checks. */
const codeFolders = ["bin", "lib", "lambdas", "cli", "local", "bench", "scripts", "test"];

export interface SourceFile {
  /** From the project's folder, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  /** A path from the project's folder for files of ours, else the package's or built-in module's name as written. */
  readonly target: string;
  readonly isOurs: boolean;
  /** Erased by type stripping: nothing of the target runs. */
  readonly typeOnly: boolean;
  /** `export … from`. */
  readonly isReexport: boolean;
}

/** All TypeScript and JavaScript files of ours, sorted. */
export function readSourceFiles(): SourceFile[] {
  return codeFolders
    .flatMap((folder) => walk(join(projectFolder, folder)))
    .map((file) => ({
      path: relative(projectFolder, file).replaceAll("\\", "/"),
      text: readFileSync(file, "utf8"),
    }))
    .sort((left, right) => (left.path < right.path ? -1 : 1));
}

function walk(folder: string): string[] {
  const names = statSync(folder, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(folder);
  return names.flatMap((name) => {
    const path = join(folder, name);
    if (name === "node_modules" || name === "fixtures") return [];
    if (statSync(path).isDirectory()) return walk(path);
    return /\.(ts|mts|mjs|js)$/.test(name) ? [path] : [];
  });
}

/** `import … from "x"`, `export … from "x"` and `import "x"`, at the beginning of a line. */
const staticImport = /^[ \t]*(import|export)\s+(type\s+)?(?:[\w*${}\s,]*?\sfrom\s*)?["']([^"'\n]+)["']/gm;

/** `import("x")`; behind `typeof` it is a type. */
const importCall = /(typeof\s+)?\bimport\(\s*["']([^"'\n]+)["']\s*\)/g;

/** What a file imports. Comments are left out; a specifier that is computed is not seen. */
export function readImports(file: SourceFile): Import[] {
  const code = file.text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const found = [
    ...[...code.matchAll(staticImport)].map(([, keyword, type, specifier]) => ({
      specifier: specifier ?? "",
      typeOnly: type !== undefined,
      isReexport: keyword === "export",
    })),
    ...[...code.matchAll(importCall)].map(([, type, specifier]) => ({
      specifier: specifier ?? "",
      typeOnly: type !== undefined,
      isReexport: false,
    })),
  ];
  return found.map(({ specifier, ...rest }) => {
    const isOurs = specifier.startsWith(".");
    const target = isOurs ? posix.join(dirname(file.path).replaceAll("\\", "/"), specifier) : specifier;
    return { ...rest, isOurs, target };
  });
}
