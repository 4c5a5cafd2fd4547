// Bundles a Lambda entry into one ES module, and remembers the bundle until one of its sources changes.
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { type BuildOptions, buildSync, version as esbuildVersion } from "esbuild";

const projectFolder = resolve(import.meta.dirname, "../..");
const bundlesFolder = join(projectFolder, ".causeway/bundles");

/** Bundles of one entry that are kept: another program may still read the last ones. */
const mostBundlesKept = 4;

/** What CommonJS packages expect and an ES module lacks: `require` and the two names of the own file. */
const commonJsBanner = [
  'import { createRequire as __createRequire } from "node:module";',
  "const require = __createRequire(import.meta.url);",
  "const __filename = import.meta.filename;",
  "const __dirname = import.meta.dirname;",
].join("");

const buildOptions = {
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node24",
  // The ES module builds of the AWS SDK are a third smaller; esbuild's default for Node prefers CommonJS.
  mainFields: ["module", "main"],
  // ali-oss's HTTP client asks for it where it is told to use a proxy, which ours is not, and goes on without it.
  external: ["proxy-agent"],
  // Errors say their names themselves and stack traces are mapped back: functions and classes need not keep theirs.
  minify: true,
  sourcemap: "linked",
  sourcesContent: false,
  legalComments: "none",
  banner: { js: commonJsBanner },
  metafile: true,
  logLevel: "silent",
} satisfies BuildOptions;

/** Files that lie beside `index.mjs`, by their names there: a file of the project's folder, or a text. */
export type BundleAssets = Readonly<Record<string, { readonly file: string } | { readonly text: string }>>;

/** What was bundled last for an entry: it holds as long as every source still has its hash. */
interface Remembered {
  /** Of the tools and of what lies beside. */
  readonly key: string;
  readonly folder: string;
  readonly sources: Readonly<Record<string, string>>;
}

/**
 * Bundles lambdas/<entry>.lambda.ts; answers the absolute folder that holds `index.mjs`, its source map and the assets.
 * The folder's name and content depend on the sources alone, so an unchanged entry is not deployed again.
 * Throws with esbuild's messages when the entry does not compile.
 */
export function bundleEntry(entry: string, assets: BundleAssets = {}): string {
  const rememberedFile = join(bundlesFolder, `${entry}.json`);
  const beside = readAssets(assets);
  const key = hash(toolKey(), ...[...beside].flat());
  const remembered = recall(rememberedFile, key);
  if (remembered !== undefined) return join(bundlesFolder, remembered.folder);
  return build(entry, rememberedFile, key, beside);
}

function readAssets(assets: BundleAssets): ReadonlyMap<string, Uint8Array> {
  return new Map(
    Object.entries(assets).map(([name, asset]) => {
      if (basename(name) !== name || name.startsWith("index.")) throw new Error(`${name} cannot be an asset's name.`);
      const content = "text" in asset ? Buffer.from(asset.text) : readFileSync(resolve(projectFolder, asset.file));
      return [name, content];
    }),
  );
}

function recall(rememberedFile: string, key: string): Remembered | undefined {
  if (!existsSync(rememberedFile)) return undefined;
  const remembered = JSON.parse(readFileSync(rememberedFile, "utf8")) as Remembered;
  if (remembered.key !== key || !existsSync(join(bundlesFolder, remembered.folder))) return undefined;
  const unchanged = Object.entries(remembered.sources).every(([source, hash]) => hashFile(source) === hash);
  return unchanged ? remembered : undefined;
}

function build(entry: string, rememberedFile: string, key: string, beside: ReadonlyMap<string, Uint8Array>): string {
  mkdirSync(dirname(rememberedFile), { recursive: true });
  // Built beside its place and renamed into it: two programs may synthesise at the same time.
  const draft = mkdtempSync(join(dirname(rememberedFile), "draft-"));
  try {
    const result = buildSync({
      ...buildOptions,
      absWorkingDir: projectFolder,
      entryPoints: [join("lambdas", `${entry}.lambda.ts`)],
      outfile: join(draft, "index.mjs"),
    });
    const files = ["index.mjs", "index.mjs.map"].map((file) => readFileSync(join(draft, file)));
    for (const [name, content] of beside) writeFileSync(join(draft, name), content);
    const folder = `${entry}-${hash(...files, ...[...beside].flat()).slice(0, 16)}`;
    const place = join(bundlesFolder, folder);
    if (!existsSync(place)) moveUnlessThere(draft, place);
    const own = Object.keys(result.metafile.inputs).filter((source) => !source.startsWith("node_modules/"));
    const sources = Object.fromEntries(own.map((source) => [source, hashFile(source) ?? ""]));
    const remembered: Remembered = { key, folder, sources };
    const note = `${rememberedFile}.${basename(draft)}`;
    writeFileSync(note, `${JSON.stringify(remembered, undefined, 2)}\n`);
    renameSync(note, rememberedFile);
    dropOldBundles(entry);
    return place;
  } catch (error) {
    throw new Error(`lambdas/${entry}.lambda.ts does not bundle: ${(error as Error).message}`, { cause: error });
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

function moveUnlessThere(draft: string, place: string): void {
  try {
    renameSync(draft, place);
  } catch (error) {
    // Another program was quicker; what it put there has the same content.
    if (!existsSync(place)) throw error;
  }
}

function dropOldBundles(entry: string): void {
  const parent = dirname(join(bundlesFolder, entry));
  const pattern = new RegExp(`^${basename(entry)}-[0-9a-f]{16}$`);
  const bundles = readdirSync(parent)
    .filter((name) => pattern.test(name))
    .map((name) => ({ folder: join(parent, name), builtAt: statSync(join(parent, name)).mtimeMs }))
    .sort((left, right) => right.builtAt - left.builtAt);
  for (const { folder } of bundles.slice(mostBundlesKept)) rmSync(folder, { recursive: true, force: true });
}

/** Packages are pinned by the lockfile: its hash stands for all of node_modules. */
function toolKey(): string {
  return hash(esbuildVersion, JSON.stringify(buildOptions), hashFile("package-lock.json") ?? "");
}

function hashFile(source: string): string | undefined {
  const file = resolve(projectFolder, source);
  return existsSync(file) ? hash(relative(projectFolder, file), readFileSync(file)) : undefined;
}

function hash(...contents: readonly (string | Uint8Array)[]): string {
  const sha256 = createHash("sha256");
  for (const content of contents) sha256.update(content).update("\0");
  return sha256.digest("hex");
}
