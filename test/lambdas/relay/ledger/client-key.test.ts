// The text of client keys: what it is made of, what is taken for one, and what is stored of it.
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  hashClientKey,
  holdsSecret,
  keyBytes,
  keyTextOf,
  makeClientKey,
  maskOf,
  readClientKey,
} from "../../../../lambdas/relay/ledger/client-key.ts";

const bytes = fc.uint8Array({ minLength: keyBytes, maxLength: keyBytes });

describe("a client key", () => {
  it("is read back as what it was made, whatever the bytes", () => {
    fc.assert(
      fc.property(bytes, (drawn) => {
        const { keyId, text } = makeClientKey(drawn);
        expect(text).toMatch(/^cwk_[0-9a-hjkmnp-tv-z]{12}[0-9A-Za-z]{38}$/);
        expect(readClientKey(text)).toEqual({ keyId });
      }),
    );
  });

  it("is the same for the same bytes, and another for others", () => {
    const [one, other] = [randomBytes(keyBytes), randomBytes(keyBytes)];
    expect(makeClientKey(one)).toEqual(makeClientKey(one));
    expect(makeClientKey(one).text).not.toBe(makeClientKey(other).text);
    expect(() => makeClientKey(one.subarray(1))).toThrow(RangeError);
  });

  it("is refused when any one letter is mistyped, left out, doubled or swapped with the next", () => {
    const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    fc.assert(
      fc.property(bytes, fc.nat(), fc.nat(), (drawn, where, which) => {
        const { text } = makeClientKey(drawn);
        const at = where % text.length;
        const before = text.slice(0, at);
        const letter = letters.charAt(which % letters.length);
        const wrong = [
          `${before}${letter}${text.slice(at + 1)}`,
          before + text.slice(at + 1),
          `${before}${text.charAt(at)}${text.slice(at)}`,
          `${before}${text.charAt(at + 1)}${text.charAt(at)}${text.slice(at + 2)}`,
        ].filter((changed) => changed !== text);
        for (const changed of wrong) expect(readClientKey(changed)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
    for (const text of ["", "cwk_", "sk-ant-api03-abc", "AIzaSyA", `${makeClientKey(randomBytes(64)).text}\n`]) {
      expect(readClientKey(text)).toBeUndefined();
    }
  });

  it("keeps its id when it gets another secret", () => {
    const { keyId, text } = makeClientKey(randomBytes(keyBytes));
    const rotated = keyTextOf(keyId, randomBytes(32));
    expect(rotated).not.toBe(text);
    expect(readClientKey(rotated)).toEqual({ keyId });
    expect(() => keyTextOf(keyId, randomBytes(31))).toThrow(RangeError);
  });

  it("shows the beginning of its id and its last four letters, and is stored as a hash that the pepper keys", () => {
    const { keyId, text } = makeClientKey(randomBytes(keyBytes));
    expect(maskOf(text)).toBe(`cwk_${keyId.slice(0, 4)}…${text.slice(-4)}`);
    expect(hashClientKey("pepper", text)).toMatch(/^[0-9a-f]{64}$/);
    expect(hashClientKey("pepper", text)).not.toBe(hashClientKey("other", text));
  });

  it("is held by a key until the secret's end, and by no name that every object has", () => {
    const key = { secrets: { present: null, former: 1000 } };
    expect(holdsSecret(key, "present", 10 ** 15)).toBe(true);
    expect(holdsSecret(key, "former", 999)).toBe(true);
    expect(holdsSecret(key, "former", 1000)).toBe(false);
    expect(holdsSecret(key, "unknown", 0)).toBe(false);
    expect(holdsSecret(key, "constructor", 0)).toBe(false);
  });
});
