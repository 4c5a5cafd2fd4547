// The physical sample is a true xbstream container: Debian's mbstream unpacks it into the files that went in.
import { createHash } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { physicalBackupFiles } from "../../../local/samples/physical-backup.ts";
import { writePhysicalSample, writePieces } from "../../../local/samples/sample-file.ts";
import { run } from "./debian-tools.ts";

const directory = mkdtempSync(path.join(tmpdir(), "xbstream-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const options = { sizeBytes: 40 * 1024 * 1024, seed: 5, startedAt: Date.UTC(2026, 10, 19, 9) };

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function unpack(container: Buffer, into: string): void {
  mkdirSync(into);
  run("mbstream", ["-x", "-C", into], container);
}

test("mbstream unpacks it, and every file has the bytes that went in", async () => {
  const file = await writePhysicalSample(path.join(directory, "samples"), options);
  const container = readFileSync(file);
  expect(container.subarray(0, 8).toString()).toBe("XBSTCK01");
  expect(options.sizeBytes - container.length).toBeLessThan(5 * 16 * 1024);
  const unpacked = path.join(directory, "unpacked");
  unpack(container, unpacked);
  const files = physicalBackupFiles(options);
  const found = readdirSync(unpacked, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(path.join(unpacked, name)).isFile(),
  );
  expect(found.sort()).toEqual(files.map((contained) => contained.path).sort());
  for (const contained of files) {
    const expected = sha256(contained.bytesAt(0, contained.sizeBytes));
    expect(sha256(readFileSync(path.join(unpacked, contained.path))), contained.path).toBe(expected);
  }
  expect(readFileSync(path.join(unpacked, "xtrabackup_info"), "utf8")).toContain("start_time = 2026-11-19 09:00:00");
  expect(readFileSync(path.join(unpacked, "xtrabackup_checkpoints"), "utf8")).toContain("full-backuped");
});

test("mbstream refuses it when one bit of a payload is flipped: the checksums in it are real", async () => {
  const container = readFileSync(await writePhysicalSample(path.join(directory, "samples"), options));
  const at = container.length - 100_000;
  container.writeUInt8(container.readUInt8(at) ^ 1, at);
  expect(() => unpack(container, path.join(directory, "spoilt"))).toThrow(/checksum/i);
});

test("tablespaces are made of numbered InnoDB pages", () => {
  const table = physicalBackupFiles(options).find((file) => file.path.endsWith("orders.ibd"));
  if (!table) throw new Error("no orders table");
  const page = table.bytesAt(7 * 16_384, 16_384);
  expect(page.readUInt32BE(4)).toBe(7);
  expect(page.readUInt16BE(24)).toBe(17_855);
  expect(
    table.bytesAt(7 * 16_384 + 100, 20_000).equals(table.bytesAt(0, table.sizeBytes).subarray(114_788, 134_788)),
  ).toBe(true);
});

test("a finished sample is used again; half a one, or another seed's, is not", async () => {
  const folder = path.join(directory, "reuse");
  const file = await writePhysicalSample(folder, options);
  const before = sha256(readFileSync(file));
  utimesSync(file, 1, 1);
  expect(await writePhysicalSample(folder, options)).toBe(file);
  expect(statSync(file).mtimeMs).toBe(1000);
  writeFileSync(file, "half");
  await writePhysicalSample(folder, options);
  expect(sha256(readFileSync(file))).toBe(before);
  await writePhysicalSample(folder, { ...options, seed: 6 });
  expect(readdirSync(folder)).toEqual([path.basename(file).replace("-5-", "-6-")]);
});

test("a full disk is a sentence with the size and the folder", async () => {
  const file = path.join(directory, "full.xb.part");
  symlinkSync("/dev/full", file);
  const writing = writePieces(file, [Buffer.alloc(1024)], 300 * 1024 ** 2);
  await expect(writing).rejects.toThrow(`The disk is full: the sample backups need 300 MiB in ${directory}.`);
});

test("a place that cannot be written to is a sentence too", async () => {
  const writing = writePieces(path.join(directory, "missing", "x.xb"), [Buffer.alloc(1)], 1);
  await expect(writing).rejects.toThrow(/^The sample backups cannot be written to .*missing/);
  expect(() => physicalBackupFiles({ ...options, sizeBytes: 1000 })).toThrow(/at least/);
});
