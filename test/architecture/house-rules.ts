// Conventions of the house that a machine can check; each finding names the file, what is wrong, and the cure.
import { mapPlaces, type PlaceOf } from "./import-table.ts";
import { readImports, type SourceFile } from "./source-files.ts";

interface HouseRule {
  readonly name: string;
  /** What is wrong with the file; nothing when it obeys. */
  readonly complaint: (file: SourceFile, placeOf: PlaceOf) => string | undefined;
}

const folderNamesThatSayNothing = ["utils", "helpers", "common", "types", "interfaces", "services", "misc"];

const mostFolderLevels = 4;

/** "Thin (at most about 40 lines)", imports not counted: what is longer than this thinks. */
const mostEntryLines = 45;

const environmentReaders = ["bin/causeway.ts", "lambdas/shared/environment.ts"];

/** What a rule must be handed instead of taking it from the world, so that a test can decide it. */
const impurities: readonly { readonly pattern: RegExp; readonly what: string }[] = [
  { pattern: /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/, what: "reads the clock" },
  { pattern: /\bMath\.random\(|\brandomUUID\(/, what: "draws at random" },
  { pattern: /\bprocess\./, what: "looks at the process" },
  { pattern: /(?<![.\w])fetch\(/, what: "fetches" },
];

export const houseRules: readonly HouseRule[] = [
  {
    name: "folders have names that say something",
    complaint: ({ path }) => {
      const folder = foldersOf(path).find((name) => folderNamesThatSayNothing.includes(name));
      return folder && `the folder "${folder}" says nothing; name it after the feature`;
    },
  },
  {
    name: "folders are at most four deep",
    complaint: ({ path }) =>
      foldersOf(path).length > mostFolderLevels
        ? `lies ${foldersOf(path).length} folders deep; ${mostFolderLevels} are enough`
        : undefined,
  },
  {
    name: "files are in kebab-case",
    complaint: ({ path }) =>
      /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/.test(fileOf(path))
        ? undefined
        : "is not in kebab-case; its suffix says its kind",
  },
  {
    name: "files begin with a comment on what they are for",
    complaint: ({ text }) =>
      /^(#!.*\n)?(\/\/ \S|\/\*\*? ?\S)/.test(text)
        ? undefined
        : "does not begin with one to three lines on what it is for",
  },
  {
    name: "only registries gather exports",
    complaint: (file, placeOf) => {
      const isRegistry = placeOf(file.path)?.kind === "registry";
      if (fileOf(file.path) === "index.ts" && !isRegistry) return "is a barrel; only a port's registry is an index.ts";
      return !isRegistry && readImports(file).some(({ isReexport }) => isReexport)
        ? "passes on another file's exports; import them from where they are made"
        : undefined;
    },
  },
  {
    name: "the environment is read in one place",
    complaint: ({ path, text }) =>
      /^(bin|lib|lambdas)\//.test(path) &&
      !environmentReaders.includes(path) &&
      withoutComments(text).includes("process.env")
        ? `reads process.env; only ${environmentReaders.join(" and ")} do`
        : undefined,
  },
  {
    name: "entries are thin and export their handler alone",
    complaint: ({ path, text }, placeOf) => {
      if (placeOf(path)?.kind !== "entry") return undefined;
      const exported = [...text.matchAll(/^export .*$/gm)].map(([line]) => line);
      if (exported.length !== 1 || !exported[0]?.startsWith("export const handler")) {
        return "must export `handler` and nothing else";
      }
      const lines = withoutImports(text).trim().split("\n").length;
      return lines > mostEntryLines
        ? `has ${lines} lines besides its imports; a handler wires, it does not think`
        : undefined;
    },
  },
  {
    name: "rules are pure",
    complaint: ({ path, text }, placeOf) => {
      if (placeOf(path)?.kind !== "rule") return undefined;
      const found = impurities.filter(({ pattern }) => pattern.test(withoutComments(text)));
      return found.length > 0
        ? `${found.map(({ what }) => what).join(" and ")}; a rule is handed what it needs`
        : undefined;
    },
  },
];

/** Each breach as one line: file, complaint, and the rule's name. */
export function findBreaches(files: readonly SourceFile[]): string[] {
  const placeOf = mapPlaces(files);
  return files.flatMap((file) =>
    houseRules.flatMap(({ name, complaint }) => {
      const found = complaint(file, placeOf);
      return found === undefined ? [] : [`${file.path} ${found} (${name}).`];
    }),
  );
}

function foldersOf(path: string): string[] {
  return path.split("/").slice(0, -1);
}

function fileOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function withoutImports(text: string): string {
  return withoutComments(text).replace(/^import [^;]*;\n/gm, "");
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}
