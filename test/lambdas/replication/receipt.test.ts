// The receipt: the same facts always give the same bytes, and so the same digest; and the schema keeps all of them.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CompletedUpload } from "../../../lambdas/replication/copy.ts";
import {
  canonicalJson,
  receiptDigest,
  receiptKeyOf,
  receiptOf,
  receiptSchema,
  signedReceiptSchema,
} from "../../../lambdas/replication/receipt.ts";
import { copyOf, crc64Of, key, listedBackup, mark, me, nvmeOf, planFor, someBytes } from "./copy-facts.ts";

const content = someBytes(10_000);
const plan = planFor(content, 4000);
const completed: CompletedUpload = {
  uploadMark: mark,
  crc64: crc64Of(content),
  checksum: nvmeOf(content),
  proof: "source-checksum",
  versionId: "v1",
  etag: '"e-3"',
  completedAt: "2026-11-20T12:00:02.000Z",
};
const receipt = receiptOf(copyOf({ plan }), plan, completed, me);

/** The same value with the keys of every object in another order. */
function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, shuffled(member)]),
  );
}

describe("canonical JSON", () => {
  it("has sorted keys, no white space, and nothing that is undefined", () => {
    const value = { b: [1, { d: null, c: "x" }], a: true, gone: undefined };
    expect(canonicalJson(value)).toBe('{"a":true,"b":[1,{"c":"x","d":null}]}');
  });

  it("sorts by UTF-16 code units, as JSON's canonical forms do, and keeps any letters", () => {
    expect(canonicalJson({ ü: 1, z: 2, Z: 3, "10": 4, "9": 5, 备: "份" })).toBe(
      '{"10":4,"9":5,"Z":3,"z":2,"ü":1,"备":"份"}',
    );
    expect(canonicalJson({ "\u{1f600}": 1, "\ufb33": 2 })).toBe('{"\u{1f600}":1,"\ufb33":2}');
  });

  it("is the same for the same value in any order, reads back as that value, and tells values apart", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
        const text = canonicalJson(one);
        expect(canonicalJson(shuffled(one))).toBe(text);
        // JSON knows no minus zero.
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(one)));
        if (canonicalJson(other) === text) expect(JSON.parse(JSON.stringify(other))).toEqual(JSON.parse(text));
      }),
    );
  });
});

describe("a receipt", () => {
  it("states source, target, proof and layout as they were pinned and found", () => {
    expect(receipt).toMatchObject({
      source: { kind: "aliyun-rds", instanceId: "rm-1", backupId: "77", sizeBytes: 10_000, etag: '"memory-1"' },
      target: { bucket: "backups", key, versionId: "v1", sizeBytes: 10_000, checksum: nvmeOf(content) },
      proof: { class: "source-checksum", verified: true, crc64: crc64Of(content) },
      parts: { count: 3, bytes: 4000, rangesPerPart: 1 },
      seconds: 2,
      bytesPerSecond: 5000,
    });
  });

  it("says that it is not verified when the source stated no checksum", () => {
    const weak = receiptOf(copyOf({ plan }), plan, { ...completed, proof: "length-and-etag" }, me);
    expect(weak.proof).toMatchObject({ verified: false, sentence: expect.stringContaining("Not verified") });
  });

  it("has a rate even when the clock says that no time passed", () => {
    const quick = receiptOf(copyOf({ plan }), plan, { ...completed, completedAt: plan.plannedAt }, me);
    expect(Number.isFinite(quick.bytesPerSecond)).toBe(true);
    const backwards = receiptOf(copyOf({ plan }), plan, { ...completed, completedAt: "2026-11-20T11:00:00.000Z" }, me);
    expect(backwards.bytesPerSecond).toBeGreaterThan(0);
  });

  it("passes through its schema and through JSON without a change, and keeps its digest", () => {
    const signature = {
      keyId: "k",
      algorithm: "ECDSA_SHA_256",
      sha256: receiptDigest(receipt).toString("hex"),
      value: "s",
    };
    const read = signedReceiptSchema.parse(JSON.parse(JSON.stringify({ receipt, signature })));
    expect(read.receipt).toEqual(receipt);
    expect(receiptDigest(read.receipt).toString("hex")).toBe(signature.sha256);
    expect(receiptDigest(shuffled(receipt) as typeof receipt)).toEqual(receiptDigest(receipt));
  });

  it("has another digest as soon as anything in it is another", () => {
    const fields = Object.keys(receipt) as (keyof typeof receipt)[];
    for (const field of fields) {
      const changed = { ...receipt, [field]: typeof receipt[field] === "number" ? 77 : "changed" };
      expect(receiptDigest(changed as typeof receipt)).not.toEqual(receiptDigest(receipt));
    }
  });

  it("is refused by its schema when a field is missing or of another kind", () => {
    const { proof: _, ...withoutProof } = receipt;
    expect(receiptSchema.safeParse(withoutProof).success).toBe(false);
    expect(receiptSchema.safeParse({ ...receipt, seconds: "2" }).success).toBe(false);
    expect(receiptSchema.safeParse({ ...receipt, format: "causeway/copy-receipt/2" }).success).toBe(false);
    const otherProof = { ...receipt, proof: { ...receipt.proof, class: "trust" } };
    expect(receiptSchema.safeParse(otherProof).success).toBe(false);
  });

  it("lies outside the prefix of the backups, and each upload's in its own place", () => {
    expect(receiptKeyOf(plan)).toBe(`receipts/${key}/${mark}/copy.json`);
    expect(receiptKeyOf({ ...plan, uploadMark: "other" })).not.toBe(receiptKeyOf(plan));
  });

  it("of a backup with an odd name has the name as it is", () => {
    const odd = copyOf({ plan, backup: { ...listedBackup, fileName: `备份 a+b%20"'\\.xb` } });
    const read = JSON.parse(canonicalJson(receiptOf(odd, plan, completed, me)));
    expect(read.source.fileName).toBe(`备份 a+b%20"'\\.xb`);
  });
});
