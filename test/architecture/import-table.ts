// Who may import whom: the design's table, as data, and the check that holds every import against it.
import type { Import, SourceFile } from "./source-files.ts";
import { readImports } from "./source-files.ts";

/** What a file is, by its path alone. */
interface Place {
  readonly kind: Kind;
  /** For files under lambdas/, except `shared`. */
  readonly room?: string;
  /** For files of a port: its folder. */
  readonly port?: string;
}

type Kind =
  | "bin"
  | "lib"
  | "shared"
  | "entry"
  | "environment"
  | "routes"
  | "store"
  | "rule"
  | "registry"
  | "port"
  | "adapter"
  | "cli"
  | "local"
  | "start"
  | "bench"
  | "scripts"
  | "test";

interface Row {
  /** What of ours these files may import. */
  readonly ours: (target: Place, imported: Import, own: Place) => boolean;
  /** Which packages and built-in modules; absent: any. */
  readonly packages?: (name: string, imported: Import) => boolean;
  /** The rule as a sentence, for whoever broke it. */
  readonly sentence: string;
}

/** Built-in modules that compute and reach for nothing outside the process. */
const pureModules = new Set([
  "node:assert",
  "node:buffer",
  "node:crypto",
  "node:path",
  "node:stream",
  "node:stream/promises",
  "node:util",
  "node:zlib",
  "zod",
]);

/** What of `shared` a rule may run: names, schemas and cursors; and waiting and trying again, whose clock is handed in. */
const sharedForRules = new Set([
  "lambdas/shared/errors.ts",
  "lambdas/shared/retry.ts",
  "lambdas/shared/jobs.ts",
  "lambdas/shared/route-fields.ts",
  "lambdas/shared/cursor.ts",
  "lambdas/shared/wrong-input.ts",
]);

/** What of `shared` route data may hold: schemas and names. */
const sharedForRoutes = new Set(["lambdas/shared/route-fields.ts", "lambdas/shared/jobs.ts"]);

const sameRoom = (target: Place, own: Place) => target.room !== undefined && target.room === own.room;
const samePort = (target: Place, own: Place) => sameRoom(target, own) && target.port === own.port;
const isOneOf = (place: Place, ...kinds: readonly Kind[]) => kinds.includes(place.kind);

export const importTable: Readonly<Record<Kind, Row>> = {
  bin: {
    ours: (target) => isOneOf(target, "lib", "scripts"),
    sentence: "bin imports lib, and the scripts that guard its start.",
  },
  lib: {
    ours: (target, imported) =>
      isOneOf(target, "lib", "registry", "routes") ||
      (target.kind === "environment" && imported.typeOnly) ||
      imported.target === "lambdas/shared/events.ts" ||
      (imported.target === "lambdas/shared/routes.ts" && imported.typeOnly),
    sentence:
      "lib imports lib, types of lambdas/*/config.ts, and as data registries, routes and lambdas/shared/events.ts.",
  },
  shared: {
    ours: (target) => target.kind === "shared",
    sentence: "lambdas/shared knows no room and nothing else of ours.",
  },
  entry: {
    ours: (target, _imported, own) => target.kind === "shared" || (sameRoom(target, own) && target.kind !== "entry"),
    sentence: "an entry imports its own room, lambdas/shared and packages, never another entry.",
  },
  environment: {
    ours: () => false,
    packages: (name) => name === "zod",
    sentence: "a room's config.ts is schemas alone: it imports zod and nothing else.",
  },
  routes: {
    ours: (target, imported, own) =>
      ((sameRoom(target, own) || target.kind === "shared") && imported.typeOnly) ||
      (sameRoom(target, own) && target.kind === "rule") ||
      sharedForRoutes.has(imported.target),
    packages: (name) => name === "zod",
    sentence:
      "a room's routes.ts is data: it imports zod, lambdas/shared/route-fields.ts and jobs.ts, schemas of its room's rules, " +
      "and types of its room and of lambdas/shared.",
  },
  store: {
    ours: (target, imported, own) =>
      target.kind === "shared" || (sameRoom(target, own) && (imported.typeOnly || target.kind === "rule")),
    sentence: "a store imports the SDK, lambdas/shared, and its own room's types and rules.",
  },
  rule: {
    ours: (target, imported, own) =>
      (sameRoom(target, own) && isOneOf(target, "rule", "port", "registry")) ||
      (sameRoom(target, own) && target.kind === "store" && imported.typeOnly) ||
      (target.kind === "shared" && (imported.typeOnly || sharedForRules.has(imported.target))),
    packages: (name) => pureModules.has(name),
    sentence:
      "a rule imports its own room's rules, ports and registries, types of its stores and of lambdas/shared, " +
      "lambdas/shared/errors.ts and retry.ts, and no SDK: what it needs of the world is handed to it.",
  },
  port: {
    ours: (target, imported, own) =>
      (sameRoom(target, own) && (target.kind === "rule" || (target.kind === "port" && imported.typeOnly))) ||
      (target.kind === "shared" && (imported.typeOnly || sharedForRules.has(imported.target))),
    packages: (name) => pureModules.has(name),
    sentence:
      "a port's own file says what its adapters have in common: rules of its room, types of its other ports, and none of " +
      "its adapters.",
  },
  registry: {
    ours: (target, _imported, own) => samePort(target, own) && isOneOf(target, "adapter", "port"),
    packages: () => false,
    sentence: "a registry imports its own port and that port's adapters, nothing else.",
  },
  adapter: {
    ours: (target, imported, own) =>
      target.kind === "shared" ||
      (samePort(target, own) && isOneOf(target, "port", "adapter")) ||
      (sameRoom(target, own) && (target.kind === "rule" || (target.kind === "port" && imported.typeOnly))),
    sentence:
      "an adapter imports its own port, rules of its room, lambdas/shared and packages; of another port, types of its own " +
      "file alone.",
  },
  cli: {
    ours: (target, imported) =>
      isOneOf(target, "cli", "scripts", "rule", "registry", "port", "store") ||
      imported.typeOnly ||
      target.kind === "shared",
    sentence:
      "the command line imports rules, registries, ports and lambdas/shared, to compute what a Lambda computed " +
      "(docs/decisions/0001), and never an entry, lib or local.",
  },
  local: {
    ours: (target) => isOneOf(target, "local", "scripts"),
    sentence: "the local cloud boots from cdk.out: it imports no source of lambdas/, lib/, bin/ or cli/.",
  },
  start: {
    ours: (target) => isOneOf(target, "start", "local", "scripts", "cli"),
    sentence:
      "npm start boots the local cloud and shows its runs as the command line does: it imports local/ and cli/.",
  },
  scripts: {
    ours: (target, imported) =>
      isOneOf(target, "scripts", "lib") || /^lambdas\/shared\/openapi(-placeholders)?\.ts$/.test(imported.target),
    sentence: "scripts import lib, and what makes the OpenAPI document.",
  },
  bench: { ours: () => true, sentence: "a benchmark may import everything." },
  test: { ours: () => true, sentence: "a test may import everything." },
};

/** Each import that the table does not allow, as one line with the file, the import and the rule. */
export function findForbiddenImports(files: readonly SourceFile[]): string[] {
  const placeOf = mapPlaces(files);
  return files.flatMap((file) => {
    const own = placeOf(file.path);
    if (own === undefined) return [`${file.path}: belongs to no part of the house that the import table knows.`];
    if (own.kind === "test") return [];
    const row = importTable[own.kind];
    return readImports(file)
      .filter((imported) => !isAllowed(row, own, imported, placeOf))
      .map(
        ({ target, typeOnly }) => `${file.path} imports ${typeOnly ? "the type of " : ""}${target}: ${row.sentence}`,
      );
  });
}

function isAllowed(row: Row, own: Place, imported: Import, placeOf: PlaceOf): boolean {
  if (!imported.isOurs) return row.packages?.(imported.target, imported) ?? true;
  const target = placeOf(imported.target);
  if (target === undefined) return imported.target.endsWith(".json");
  // Only Lambda loads an entry; a test may, to call its handler.
  if (target.kind === "entry" && !isOneOf(own, "test", "bench")) return false;
  // A benchmark is set up as a test is.
  if (target.kind === "test" && !isOneOf(own, "test", "bench")) return false;
  return row.ours(target, imported, own);
}

export type PlaceOf = (path: string) => Place | undefined;

/** Says of a path what kind of file it is. A folder of a room is a port when it has a registry, else it holds rules. */
export function mapPlaces(files: readonly SourceFile[]): PlaceOf {
  const registries = new Set(files.map(({ path }) => path).filter((path) => path.endsWith("/index.ts")));
  const isPort = (room: string, folder: string) => registries.has(`lambdas/${room}/${folder}/index.ts`);
  return (path) => {
    const [top = "", ...rest] = path.split("/");
    if (top === "lambdas") return placeInLambdas(rest, isPort);
    const others: readonly Kind[] = ["bin", "lib", "cli", "local", "bench", "scripts", "test"];
    const kind = others.find((known) => known === top);
    if (kind === "local" && /^start(\.ts|\/)/.test(rest.join("/"))) return { kind: "start" };
    return kind && { kind };
  };
}

function placeInLambdas(
  [room = "", ...rest]: readonly string[],
  isPort: (room: string, folder: string) => boolean,
): Place | undefined {
  if (room === "shared") return { kind: "shared" };
  const [first = "", second] = rest;
  if (second !== undefined) {
    if (second === "index.ts") return { kind: "registry", room, port: first };
    if (!isPort(room, first)) return { kind: "rule", room };
    return { kind: second === `${singular(first)}.ts` ? "port" : "adapter", room, port: first };
  }
  if (first.endsWith(".lambda.ts")) return { kind: "entry", room };
  if (first.endsWith(".store.ts")) return { kind: "store", room };
  if (first === "config.ts") return { kind: "environment", room };
  if (first === "routes.ts") return { kind: "routes", room };
  return first.endsWith(".ts") ? { kind: "rule", room } : undefined;
}

/** A port's folder is a plural, its own file the singular: sources/source.ts, inventories/inventory.ts. */
function singular(folder: string): string {
  return folder.endsWith("ies") ? `${folder.slice(0, -3)}y` : folder.replace(/s$/, "");
}
