// ECDSA over a given digest, held against OpenSSL.
import { createHash, generateKeyPairSync, sign, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { signDigest, verifyDigest } from "../../../local/kms/ecdsa-digest.ts";

describe.each([
  { namedCurve: "P-256", hash: "sha256" },
  { namedCurve: "P-384", hash: "sha384" },
])("ECDSA over a digest on $namedCurve", ({ namedCurve, hash }) => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve });
  const digestOf = (message: Uint8Array) => createHash(hash).update(message).digest();

  // Numbers with leading zeros and set top bits, which DER writes differently, come up within a few dozen signatures.
  test("agrees with OpenSSL in both directions", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (message) => {
        const digest = digestOf(message);
        expect(verify(hash, message, publicKey, signDigest(privateKey, digest))).toBe(true);
        expect(verifyDigest(publicKey, digest, sign(hash, message, privateKey))).toBe(true);
      }),
      { numRuns: 12 },
    );
  });

  test("refuses any changed bit of digest or signature", () => {
    const digest = digestOf(Buffer.from("receipt"));
    const signature = signDigest(privateKey, digest);
    fc.assert(
      fc.property(fc.boolean(), fc.nat(), fc.nat(7), (inDigest, position, bit) => {
        const changed = Buffer.from(inDigest ? digest : signature);
        const at = position % changed.length;
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        expect(inDigest ? verifyDigest(publicKey, changed, signature) : verifyDigest(publicKey, digest, changed)).toBe(
          false,
        );
      }),
      { numRuns: 12 },
    );
  });
});
