// Who is let in by a client key to what belongs to it: wherever the key stands, and only while it may be used.
import { describe, expect, it } from "vitest";
import { findKeyHolder } from "../../../../lambdas/relay/admin/key-holder.ts";
import { hashClientKey, keyTextOf, makeClientKey } from "../../../../lambdas/relay/ledger/client-key.ts";
import { keyPolicySchema } from "../../../../lambdas/relay/ledger/key-policy.ts";
import type { LedgerKey } from "../../../../lambdas/relay/ledger/ledger.ts";
import { isAddressIn } from "../../../../lambdas/shared/address-ranges.ts";

const now = Date.parse("2026-11-20T12:00:00Z");
const { keyId, text } = makeClientKey(Buffer.alloc(64, 7));
const hash = hashClientKey("pepper", text);
const sourceIp = "203.0.113.7";

const well: LedgerKey = {
  ...{
    keyId,
    version: 1,
    isEnabled: true,
    isDeleted: false,
    policy: keyPolicySchema.parse({}),
    secrets: { [hash]: null },
  },
  ...{ expiresAt: undefined, daysFromFirstUse: undefined, used: {}, balanceNanoUsd: undefined, leaseCount: 0 },
};

function find(headers: Readonly<Record<string, string>>, key: Partial<LedgerKey> | null = {}) {
  let reads = 0;
  const holder = findKeyHolder(new Map(Object.entries(headers)), sourceIp, {
    now: () => now,
    pepper: async () => "pepper",
    readKey: async (asked) => {
      reads += 1;
      return key === null || asked !== keyId ? undefined : { ...well, ...key };
    },
    isAddressIn,
  });
  return holder.then(
    (caller) => ({ caller, reads, name: "", message: "" }),
    (error: Error) => ({ caller: undefined, reads, name: error.name, message: error.message }),
  );
}

const bearer = { authorization: `Bearer ${text}` };

describe("the holder of a client key", () => {
  it.each(["x-api-key", "x-goog-api-key", "api-key"])("is found by %s", async (header) => {
    expect((await find({ [header]: text })).caller).toEqual({ subject: keyId, name: keyId, roles: [] });
  });

  it("is found by a bearer token, and by the key beside another client's token", async () => {
    expect((await find(bearer)).caller?.subject).toBe(keyId);
    expect((await find({ authorization: "Bearer eyJhbGciOi", "x-api-key": text })).caller?.subject).toBe(keyId);
  });

  it("is let in with the former text while a rotation overlaps", async () => {
    expect((await find(bearer, { secrets: { [hash]: now + 1 } })).caller).toBeDefined();
    expect((await find(bearer, { secrets: { [hash]: now } })).name).toBe("Unauthenticated");
  });
});

describe("whoever has no key that is valid", () => {
  it("is told the same, whether there is such a key or not", async () => {
    const foreign = keyTextOf(keyId, Buffer.alloc(64, 9));
    const answers = [
      await find(bearer, null),
      await find({ "x-api-key": foreign }),
      await find(bearer, { isDeleted: true, isEnabled: false }),
      await find({ "x-api-key": "sk-something-else" }),
    ];
    expect(new Set(answers.map(({ name }) => name))).toEqual(new Set(["Unauthenticated"]));
    expect(new Set(answers.map(({ message }) => message)).size).toBe(1);
    for (const { message } of answers) expect(message).not.toContain(text);
  });

  it("costs no look into the table with what is no key of ours", async () => {
    const mistyped = text.slice(0, -1) + (text.endsWith("A") ? "B" : "A");
    for (const header of ["", "nonsense", mistyped, text.slice(0, -3)]) {
      expect(await find({ "x-api-key": header })).toMatchObject({ name: "Unauthenticated", reads: 0 });
    }
    expect(await find({})).toMatchObject({
      name: "Unauthenticated",
      reads: 0,
      message: expect.stringMatching(/bearer token or in/),
    });
  });
});

describe("a key that may not be used", () => {
  it.each([
    [{ isEnabled: false }, /switched off/],
    [{ expiresAt: now }, /expired at 2026-11-20T12:00:00\.000Z/],
    [{ policy: keyPolicySchema.parse({ addresses: ["198.51.100.0/24"] }) }, /may not be used from 203\.0\.113\.7/],
  ])("says why: %#", async (key, sentence) => {
    const { name, message } = await find(bearer, key);
    expect(name).toBe("Forbidden");
    expect(message).toMatch(sentence);
  });

  it("may be used from its own addresses", async () => {
    const policy = keyPolicySchema.parse({ addresses: ["198.51.100.0/24", "203.0.113.0/29"] });
    expect((await find(bearer, { policy })).caller).toBeDefined();
  });
});
