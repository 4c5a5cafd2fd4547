// One key about which the lists leave a doubt: both sides are asked, and it is put right, adopted, or left alone.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createPartChecksums } from "../../../../lambdas/replication/checksums/part-checksums.ts";
import {
  type CompareObjectPorts,
  type CompareOptions,
  compareObject,
} from "../../../../lambdas/replication/reconcile/compare-object.ts";
import { sourceBucket } from "../mirror/memory-objects.ts";
import { MirrorStage } from "../mirror/mirror-stage.ts";
import { type MirrorTable, startMirrorTable } from "../mirror/mirror-table.ts";
import { listedKey } from "./listed-keys.ts";

const start = async () => {
  const table = await startMirrorTable();
  return { table, [Symbol.asyncDispose]: () => table[Symbol.asyncDispose]() };
};

let table: MirrorTable;
let stage: MirrorStage;
let sourceKey: string;
let number = 0;

beforeAll(async () => {
  table = (await start()).table;
});

afterAll(async () => {
  await table?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  stage = new MirrorStage(table.store);
  number += 1;
  sourceKey = `mysql/key-${number}`;
});

const targetKey = () => `iotdb-backup/${sourceKey}`;

function sumsOf(bytes: Buffer) {
  const sums = createPartChecksums();
  sums.update(bytes);
  return sums.digest();
}

function ports(changes: Partial<CompareObjectPorts> = {}): CompareObjectPorts {
  const own = stage.ports();
  return {
    ...own,
    places: { sourceBucket, ossRegion: "oss-cn-hangzhou", ossBucket: "acme-iotdb" },
    mirror: table.store,
    target: stage.oss,
    sumS3: async (key, _current, { first, last }) =>
      sumsOf(stage.objects.onTheWay(stage.objects.bytes(key) ?? Buffer.alloc(0)).subarray(first, last + 1)),
    sumOss: async ({ key }, { first, last }) =>
      sumsOf((stage.oss.objects.get(key)?.bytes ?? Buffer.alloc(0)).subarray(first, last + 1)),
    summing: { s3: { segmentBytes: 4, segmentsAtOnce: 2 }, oss: { segmentBytes: 4, segmentsAtOnce: 2 } },
    bring: (wish) => stage.mirror(wish),
    mayGoOn: () => true,
    signal: new AbortController().signal,
    ...changes,
  };
}

function compare(options: Partial<CompareOptions> = {}, changes: Partial<CompareObjectPorts> = {}, isInS3List = true) {
  const listed = { sourceKey, s3: isInS3List ? listedKey(sourceKey) : null, oss: listedKey(sourceKey) };
  return compareObject(listed, { targetKey: targetKey(), readData: false, reading: null, ...options }, ports(changes));
}

/** Mirrored as it should be. */
async function mirrored(text: string) {
  stage.objects.put(sourceKey, Buffer.from(text));
  await stage.mirror({ sourceKey });
  return (await table.store.read(sourceKey))?.mirrored;
}

function rot(): void {
  const object = stage.oss.objects.get(targetKey());
  if (object === undefined) throw new Error("nothing to rot");
  const bytes = Buffer.from(object.bytes);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  stage.oss.objects.set(targetKey(), { ...object, bytes });
}

describe("a key", () => {
  it("that was put right meanwhile is equal, and nothing is written", async () => {
    const before = await mirrored("hello");
    expect(await compare()).toEqual({ outcome: "equal", bytesRead: 0 });
    expect((await table.store.read(sourceKey))?.mirrored).toEqual(before);
  });

  it("that somebody works on is left to them", async () => {
    stage.objects.put(sourceKey, Buffer.from("hello"));
    const at = (offset: number) => new Date(stage.now + offset).toISOString();
    const keys = { sourceKey, targetKey: targetKey() };
    await table.store.take({ ...keys, holder: "other", since: at(0), now: at(0), expiresAt: at(60_000) });
    expect(await compare()).toMatchObject({ outcome: "left-to-holder" });
    expect(stage.oss.puts).toEqual([]);
  });

  it("of which S3 has lost its object since it was listed is left alone", async () => {
    await mirrored("hello");
    stage.objects.delete(sourceKey);
    expect(await compare()).toMatchObject({ outcome: "changed-meanwhile" });
    expect(await compare({}, {}, false)).toMatchObject({ outcome: "kept-only-in-oss" });
    expect(stage.oss.objects.has(targetKey())).toBe(true);
  });

  it("whose newest version is not in OSS is mirrored", async () => {
    await mirrored("old one");
    stage.objects.put(sourceKey, Buffer.from("new one"));
    expect(await compare()).toEqual({ outcome: "mirrored", bytesRead: 7 });
    expect(String(stage.oss.objects.get(targetKey())?.bytes)).toBe("new one");
  });

  it("whose newest version has the bytes of the one in OSS is adopted", async () => {
    await mirrored("the same");
    const current = stage.objects.put(sourceKey, Buffer.from("the same"));
    expect(await compare()).toEqual({ outcome: "adopted", bytesRead: 8 });
    const item = await table.store.read(sourceKey);
    expect(item).toMatchObject({ mirrored: { versionId: current.versionId, s3Etag: current.etag, bytes: 8 } });
    expect(item?.lease).toBeUndefined();
    expect(item?.waitingSince).toBeUndefined();
    expect(stage.oss.puts).toHaveLength(1);
  });

  it("that changes while it is adopted is not written down as equal", async () => {
    await mirrored("the same");
    stage.objects.put(sourceKey, Buffer.from("the same"));
    let looks = 0;
    const current: CompareObjectPorts["current"] = async (key) => {
      looks += 1;
      if (looks === 2) stage.objects.put(sourceKey, Buffer.from("another"));
      return stage.objects.current(key);
    };
    const before = (await table.store.read(sourceKey))?.mirrored;
    expect(await compare({}, { current })).toMatchObject({ outcome: "changed-meanwhile" });
    const item = await table.store.read(sourceKey);
    expect(item?.mirrored).toEqual(before);
    expect(item?.lease).toBeUndefined();
    // It goes on waiting: the check for lag wakes the mirror.
    expect(item?.waitingSince).toBeDefined();
  });

  it("of which OSS states no checksum is read on both sides", async () => {
    await mirrored("the same");
    const object = stage.oss.objects.get(targetKey());
    if (object !== undefined) stage.oss.objects.set(targetKey(), { ...object, checksum: null, etag: '"other"' });
    expect(await compare()).toEqual({ outcome: "adopted", bytesRead: 8 });
  });

  it("that is in the way of another version's reading counts as changed", async () => {
    stage.objects.put(sourceKey, Buffer.from("hello"));
    stage.oss.putObject(targetKey(), Buffer.from("HELLO"), { copyId: "x", uploadMark: "y" });
    const sumS3 = () => Promise.reject(Object.assign(new Error("gone"), { name: "SourceChanged" }));
    expect(await compare({}, { sumS3 })).toMatchObject({ outcome: "changed-meanwhile" });
  });
});

describe("with readData", () => {
  it("finds what OSS has not noticed, and puts it there once more", async () => {
    await mirrored("hello world");
    expect(await compare({ readData: true })).toEqual({ outcome: "equal", bytesRead: 22 });
    rot();
    expect(await compare()).toMatchObject({ outcome: "equal" });
    expect(await compare({ readData: true })).toEqual({ outcome: "restored", bytesRead: 22 });
    expect(String(stage.oss.objects.get(targetKey())?.bytes)).toBe("hello world");
  });

  it("never lets S3's damaged bytes replace anything: OSS may hold the only good ones", async () => {
    await mirrored("hello world");
    stage.objects.onTheWay = (bytes) => Buffer.from(String(bytes).replace("w", "W"));
    await expect(compare({ readData: true })).rejects.toMatchObject({ name: "ProofFailed" });
    rot();
    await expect(compare({ readData: true })).rejects.toMatchObject({ name: "ProofFailed" });
    expect(stage.oss.puts).toHaveLength(1);
  });

  it("goes on where the time was up, and begins anew where either side changed", async () => {
    await mirrored("hello world, hello");
    const rounds = async () => {
      let left = 1;
      return compare({ readData: true, reading: null }, { mayGoOn: () => left-- > 0 });
    };
    const first = await rounds();
    if (first.outcome !== "unfinished") throw new Error("one wave is not enough");
    expect(first).toMatchObject({ bytesRead: 8, reading: { sourceKey, s3: { bytes: 8 }, oss: { bytes: 0 } } });
    const { reading } = first;
    expect(await compare({ readData: true, reading })).toEqual({ outcome: "equal", bytesRead: 28 });
    stage.objects.put(sourceKey, Buffer.from("hello world, HELLO"));
    expect(await compare({ readData: true, reading })).toEqual({ outcome: "mirrored", bytesRead: 36 });
  });
});
