// After `npm install`: adds to package-lock.json the optional packages for other platforms that npm left out.
// npm leaves one out when the registry it asked does not carry it (a mirror often lacks other platforms' binaries), and
// then `npm ci` refuses the lockfile everywhere. They are named with version, system and processor; none is fetched here.
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

export interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface Lockfile {
  readonly packages: Record<string, LockedPackage>;
}

const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const processors = ["arm64", "arm", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "wasm32", "x64"];

/** Optional packages for some platform that the lockfile names but has no entry for. */
export function missingPackages(lockfile: Lockfile): { name: string; version: string; parent: LockedPackage }[] {
  return Object.entries(lockfile.packages).flatMap(([path, parent]) =>
    Object.entries(parent.optionalDependencies ?? {}).flatMap(([name, version]) => {
      const places = [`${path}/node_modules/${name}`, `node_modules/${name}`];
      const known = places.some((place) => lockfile.packages[place] !== undefined);
      return known || platformOf(name) === undefined ? [] : [{ name, version, parent }];
    }),
  );
}

/** By the package's name; undefined where it names no processor: such a package is optional for another reason. */
export function platformOf(name: string): Pick<LockedPackage, "os" | "cpu" | "libc"> | undefined {
  const words = name.split(/[/-]/);
  const os = systems.find((system) => words.includes(system));
  const cpu = processors.find((processor) => words.includes(processor));
  if (cpu === undefined || (os === undefined && cpu !== "wasm32")) return undefined;
  const libc = words.some((word) => word.startsWith("musl")) ? ["musl"] : words.includes("gnu") ? ["glibc"] : undefined;
  return { cpu: [cpu], ...(os ? { os: [os] } : {}), ...(libc ? { libc } : {}) };
}

/** The lockfile with every missing package; its packages sorted as npm sorts them. */
export function completed(lockfile: Lockfile): Lockfile {
  const added = missingPackages(lockfile).map(({ name, version, parent }): [string, LockedPackage] => [
    `node_modules/${name}`,
    { version, ...platformOf(name), ...(parent.dev ? { dev: true } : {}), optional: true },
  ]);
  const all = [...Object.entries(lockfile.packages), ...added].sort(([left], [right]) =>
    left.localeCompare(right, "en"),
  );
  return { ...lockfile, packages: Object.fromEntries(all) };
}

if (import.meta.main) {
  const file = resolve(import.meta.dirname, "../package-lock.json");
  const lockfile = JSON.parse(readFileSync(file, "utf8")) as Lockfile;
  const names = missingPackages(lockfile).map(({ name }) => name);
  writeFileSync(file, `${JSON.stringify(completed(lockfile), null, 2)}\n`);
  process.stdout.write(names.length === 0 ? "Nothing was missing.\n" : `Added ${names.length}: ${names.join(", ")}\n`);
}
