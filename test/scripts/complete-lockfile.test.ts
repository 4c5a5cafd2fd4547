// The lockfile names every optional package of every platform, or `npm ci` refuses it on a fresh clone.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { completed, type Lockfile, missingPackages, platformOf } from "../../scripts/complete-lockfile.ts";

describe("the lockfile", () => {
  it("has an entry for every optional package (cure: npx node scripts/complete-lockfile.ts)", () => {
    const file = resolve(import.meta.dirname, "../../package-lock.json");
    const lockfile = JSON.parse(readFileSync(file, "utf8")) as Lockfile;
    expect(missingPackages(lockfile).map(({ name }) => name)).toEqual([]);
  });

  it("is completed with the platform that a package's name says, and nothing else", () => {
    const parent = { version: "1.0.0", dev: true, optionalDependencies: { "@x/cli-linux-x64-musl": "1.0.0" } };
    const done = completed({ packages: { "node_modules/x": parent } });
    expect(done.packages["node_modules/@x/cli-linux-x64-musl"]).toEqual({
      version: "1.0.0",
      os: ["linux"],
      cpu: ["x64"],
      libc: ["musl"],
      dev: true,
      optional: true,
    });
    expect(missingPackages(done)).toEqual([]);
  });

  it("is not completed with what is optional for another reason than its platform", () => {
    expect(platformOf("graceful-fs")).toBeUndefined();
    expect(platformOf("@x/binding-wasm32-wasi")).toEqual({ cpu: ["wasm32"] });
  });
});
