// The copy benchmark runs from end to end with a small source, and its proof check is no formality.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { cases } from "../../bench/copy/cases.ts";
import { checkRound, expectedChecksums } from "../../bench/copy/check-proof.ts";
import { rcloneVersion } from "../../bench/copy/contestants.ts";
import { figuresOf } from "../../bench/copy/report.ts";
import { makePattern, sourceBytes } from "../../bench/copy/stand-in.ts";
import { crc64Nvme, crc64Xz } from "../../lambdas/replication/checksums/crc64.ts";
import { createPartChecksums } from "../../lambdas/replication/checksums/part-checksums.ts";

const run = promisify(execFile);
const bench = (...options: string[]) => run(process.execPath, ["bench/copy.ts", ...options]);
const figures = {
  mbPerSecond: expect.any(Number),
  cpuSecondsPerGiB: expect.any(Number),
  peakRssMiB: expect.any(Number),
};

describe("npm run bench:copy", () => {
  test("prints the three contestants' figures as JSON, and nothing else", async () => {
    const { stdout } = await bench("--size", "17 MiB", "--rounds", "1", "--json");
    expect(JSON.parse(stdout)).toEqual({
      causeway: figures,
      rclone: rcloneVersion() === undefined ? null : figures,
      floor: figures,
    });
  });

  test("runs over TLS, and prints a table", async () => {
    const { stdout } = await bench("--size", "17 MiB", "--rounds", "1", "--tls");
    expect(stdout).toMatch(/over TLS/);
    expect(stdout).toMatch(/causeway has [\d.]+ of floor's throughput/);
  });

  test.each([
    [["--case", "moon"], /--case must be one of loopback, long-distance/],
    [["--rounds", "0"], /--rounds must be a whole number/],
    [["--size", "much"], /--size must be a number of bytes/],
    [["--fast"], /--fast/],
  ])("%j ends with a sentence", async (options, sentence) => {
    await expect(bench(...options)).rejects.toMatchObject({ code: 2, stderr: expect.stringMatching(sentence) });
  });
});

describe("the check of a round", () => {
  const benchCase = { ...cases.loopback, sizeBytes: 20_000_000 };
  const expected = expectedChecksums(benchCase);
  const rows = [1, 2, 3].map((partNumber) => {
    const pattern = makePattern();
    const sums = createPartChecksums();
    const end = Math.min(benchCase.sizeBytes, partNumber * benchCase.partBytes);
    for (let at = (partNumber - 1) * benchCase.partBytes; at < end; ) {
      const bytes = sourceBytes(pattern, at, end - at);
      sums.update(bytes);
      at += bytes.length;
    }
    const taken = sums.digest();
    return {
      partNumber: { N: String(partNumber) },
      bytes: { N: String(taken.bytes) },
      crc64: { S: crc64Xz.format(taken.crc64Xz) },
      checksum: { S: crc64Nvme.format(taken.crc64Nvme) },
    };
  });
  const seen = { bytes: benchCase.sizeBytes, parts: 3, mostPartsAtOnce: 3, ledgerRows: rows };

  test("accepts parts that fold to the source, in any order", () => {
    expect(() => checkRound("causeway", benchCase, { ...seen, ledgerRows: rows.toReversed() }, expected)).not.toThrow();
  });

  test("refuses missing bytes, of anybody", () => {
    expect(() => checkRound("rclone", benchCase, { ...seen, bytes: seen.bytes - 1 }, expected)).toThrow(/rclone sent/);
  });

  test("refuses a part with another checksum, and a missing one", () => {
    const wrong = rows.map((row, index) => (index === 1 ? { ...row, crc64: { S: "1" } } : row));
    expect(() => checkRound("causeway", benchCase, { ...seen, ledgerRows: wrong }, expected)).toThrow(/do not fold/);
    expect(() => checkRound("causeway", benchCase, { ...seen, ledgerRows: rows.slice(1) }, expected)).toThrow(
      /do not fold/,
    );
  });
});

test("the figures are medians", () => {
  const rounds = [1, 4, 2].map((seconds) => ({ seconds, cpuSeconds: seconds, peakRssMiB: 100 * seconds }));
  expect(figuresOf(rounds, 2 ** 30)).toEqual({ mbPerSecond: 536.9, cpuSecondsPerGiB: 2, peakRssMiB: 200 });
});
