// Bundles: made once, again when a source changed, and loadable as Lambda loads them.
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { bundleEntry } from "../../../lib/constructs/bundle.ts";

describe("a bundle", () => {
  const folder = bundleEntry("replication/start-run");

  it("is one ES module with its handler, and a source map beside it", async () => {
    const module: unknown = await import(pathToFileURL(join(folder, "index.mjs")).href);
    expect(module).toHaveProperty("handler", expect.any(Function));
    expect(existsSync(join(folder, "index.mjs.map"))).toBe(true);
  });

  it("is not made anew while its sources stay", () => {
    const builtAt = statSync(join(folder, "index.mjs")).mtimeMs;
    expect(bundleEntry("replication/start-run")).toBe(folder);
    expect(statSync(join(folder, "index.mjs")).mtimeMs).toBe(builtAt);
  });

  it("holds no path of the machine that made it", () => {
    expect(readFileSync(join(folder, "index.mjs"), "utf8")).not.toContain(process.cwd());
    expect(readFileSync(join(folder, "index.mjs.map"), "utf8")).not.toContain(process.cwd());
  });

  it("says which entry does not bundle", () => {
    expect(() => bundleEntry("replication/no-such-entry")).toThrow(
      /lambdas\/replication\/no-such-entry\.lambda\.ts does not bundle/,
    );
  });
});

describe("what lies beside a bundle", () => {
  const entry = "replication/start-run";

  it("is there by its name, and makes another bundle when it changes", () => {
    const first = bundleEntry(entry, { "note.txt": { text: "one" }, LICENSE: { file: "package.json" } });
    expect(readFileSync(join(first, "note.txt"), "utf8")).toBe("one");
    expect(readFileSync(join(first, "LICENSE"), "utf8")).toBe(readFileSync("package.json", "utf8"));
    const second = bundleEntry(entry, { "note.txt": { text: "two" } });
    expect(second).not.toBe(first);
    expect(existsSync(join(second, "LICENSE"))).toBe(false);
    expect(bundleEntry(entry)).toBe(bundleEntry(entry));
    expect(existsSync(join(bundleEntry(entry), "note.txt"))).toBe(false);
  });

  it.each(["index.mjs", "../outside", "folder/file"])("cannot be called %s", (name) => {
    expect(() => bundleEntry(entry, { [name]: { text: "" } })).toThrow(/cannot be an asset's name/);
  });
});
