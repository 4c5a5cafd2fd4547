// The mirror benchmark runs from end to end with little, and its figures and options are what they say.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { rcloneVersion } from "../../bench/copy/contestants.ts";
import { makeCase } from "../../bench/mirror/cases.ts";
import { figuresOf, jsonOf, tableOf } from "../../bench/mirror/report.ts";

const run = promisify(execFile);
const bench = (...options: string[]) => run(process.execPath, ["bench/mirror.ts", ...options]);
const figures = {
  objectsPerSecond: expect.any(Number),
  mbPerSecond: expect.any(Number),
  cpuSecondsPerGiB: expect.any(Number),
  cpuSecondsPer1000Objects: expect.any(Number),
  peakRssMiB: expect.any(Number),
};

describe("npm run bench:mirror", () => {
  test("mirrors both cases with both contestants, and prints JSON and nothing else", { timeout: 240_000 }, async () => {
    const { stdout } = await bench("--objects", "12", "--size", "17 MiB", "--runs", "1", "--json");
    const ofCase = { causeway: figures, rclone: rcloneVersion() === undefined ? null : figures };
    expect(JSON.parse(stdout)).toEqual({ small: ofCase, large: ofCase });
  });

  test.each([
    [["--case", "moon"], /--case must be one of small, large/],
    [["--runs", "0"], /--runs must be a whole number/],
    [["--objects", "1.5"], /--objects must be a whole number/],
    [["--size", "much"], /--size must be a number of bytes/],
    [["--fast"], /--fast/],
  ])("%j ends with a sentence", async (options, sentence) => {
    await expect(bench(...options)).rejects.toMatchObject({ code: 2, stderr: expect.stringMatching(sentence) });
  });

  test("--help says what is measured", async () => {
    const { stdout } = await bench("--help");
    expect(stdout).toMatch(/1,000 objects of 1 to 64 KiB/);
  });
});

describe("the case small", () => {
  test("has a thousand objects of 1 to 64 KiB, the same ones every time", () => {
    const { objects, totalBytes } = makeCase("small", undefined, undefined);
    expect(objects).toHaveLength(1000);
    expect(new Set(objects.map(({ key }) => key)).size).toBe(1000);
    expect(Math.min(...objects.map(({ sizeBytes }) => sizeBytes))).toBeGreaterThanOrEqual(1024);
    expect(Math.max(...objects.map(({ sizeBytes }) => sizeBytes))).toBeLessThanOrEqual(65_536);
    expect(makeCase("small", undefined, undefined).totalBytes).toBe(totalBytes);
  });
});

test("the figures are medians, and a missing rclone is null", () => {
  const large = makeCase("large", undefined, 2 ** 30);
  const runs = [1, 4, 2].map((seconds) => ({ seconds, cpuSeconds: seconds, peakRssMiB: 100 * seconds }));
  const causeway = figuresOf(runs, large);
  expect(causeway).toMatchObject({ mbPerSecond: 536.9, cpuSecondsPerGiB: 2, peakRssMiB: 200, objectsPerSecond: 0.5 });
  expect(JSON.parse(jsonOf({ large: { causeway } }))).toEqual({ large: { causeway, rclone: null } });
  const table = tableOf(large, { causeway, rclone: { ...causeway, mbPerSecond: 268.45 } }, 3, "rclone v1");
  expect(table).toMatch(/causeway has 2\.00 of rclone's throughput and takes 1\.00 of its processor time/);
});
