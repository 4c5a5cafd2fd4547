// Sealed credentials: only the same account of the same stage opens them, in the same version, and nothing is told otherwise.
import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type CredentialContext,
  type DataKeys,
  decryptCredential,
  encryptCredential,
  type SealedCredential,
} from "../../../../lambdas/relay/credentials/envelope.ts";

/** A KMS that binds a key to its context, as the real one does. */
function keyService(): DataKeys & { readonly contexts: CredentialContext[] } {
  const made = new Map<string, { plain: Buffer; context: string }>();
  const contexts: CredentialContext[] = [];
  return {
    contexts,
    async make(context) {
      contexts.push(context);
      const plain = randomBytes(32);
      const sealed = createHash("sha256").update(plain).digest();
      made.set(sealed.toString("hex"), { plain: Buffer.from(plain), context: JSON.stringify(context) });
      return { plain, sealed };
    },
    async open(sealed, context) {
      const known = made.get(Buffer.from(sealed).toString("hex"));
      if (known?.context !== JSON.stringify(context)) {
        throw Object.assign(new Error(""), { name: "InvalidCiphertextException" });
      }
      return Buffer.from(known.plain);
    },
  };
}

const own = { accountId: "acc-1", stage: "test" };
const secret = { apiKey: "sk-ant-very-secret", proxyPassword: "p" };
const seal = (dataKeys: DataKeys, version = 1) =>
  encryptCredential(secret, { ...own, version }, { dataKeys, random: randomBytes });

describe("a credential", () => {
  it("comes out as it went in, whatever it is", async () => {
    const dataKeys = keyService();
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (credential) => {
        const sealed = await encryptCredential(credential, { ...own, version: 7 }, { dataKeys, random: randomBytes });
        expect(await decryptCredential(sealed, own, dataKeys)).toEqual(JSON.parse(JSON.stringify(credential)));
      }),
      { numRuns: 50 },
    );
  });

  it("is sealed with a key of its own each time, for its account and stage", async () => {
    const dataKeys = keyService();
    const [one, two] = [await seal(dataKeys), await seal(dataKeys)];
    expect(Buffer.compare(one.dataKey, two.dataKey)).not.toBe(0);
    expect(Buffer.compare(one.ciphertext, two.ciphertext)).not.toBe(0);
    expect(dataKeys.contexts).toEqual([own, own]);
  });

  it("is nowhere in what is kept", async () => {
    const sealed = await seal(keyService());
    const kept = [sealed.ciphertext, sealed.iv, sealed.tag, sealed.dataKey].map((bytes) => Buffer.from(bytes));
    expect(kept.some((bytes) => bytes.includes("secret"))).toBe(false);
  });

  it("larger than any should be is refused before a key is made for it", async () => {
    const dataKeys = keyService();
    const large = encryptCredential(
      { apiKey: "x".repeat(40_000) },
      { ...own, version: 1 },
      { dataKeys, random: randomBytes },
    );
    await expect(large).rejects.toMatchObject({ name: "InputInvalid", message: expect.not.stringContaining("xx") });
    expect(dataKeys.contexts).toEqual([]);
  });
});

describe("a sealed credential", () => {
  const changes: readonly [string, (sealed: SealedCredential) => SealedCredential][] = [
    ["its text", (sealed) => ({ ...sealed, ciphertext: flipped(sealed.ciphertext) })],
    ["its nonce", (sealed) => ({ ...sealed, iv: flipped(sealed.iv) })],
    ["its tag", (sealed) => ({ ...sealed, tag: flipped(sealed.tag) })],
    ["a shorter tag", (sealed) => ({ ...sealed, tag: sealed.tag.subarray(0, 4) })],
    ["its data key", (sealed) => ({ ...sealed, dataKey: flipped(sealed.dataKey) })],
    ["its version", (sealed) => ({ ...sealed, version: 2 })],
    ["nothing left of its text", (sealed) => ({ ...sealed, ciphertext: Buffer.alloc(0) })],
  ];

  it.each(changes)("that was changed is unreadable, and nothing more is said: %s", async (_what, change) => {
    const dataKeys = keyService();
    const opening = decryptCredential(change(await seal(dataKeys)), own, dataKeys);
    await expect(opening).rejects.toMatchObject({
      name: "CredentialUnreadable",
      message: "The account's credential cannot be opened: give it anew.",
      details: {},
    });
  });

  it.each([
    { accountId: "acc-2", stage: "test" },
    { accountId: "acc-1", stage: "prod" },
  ])("that was moved is unreadable: to %j", async (elsewhere) => {
    const dataKeys = keyService();
    await expect(decryptCredential(await seal(dataKeys), elsewhere, dataKeys)).rejects.toMatchObject({
      name: "CredentialUnreadable",
    });
  });

  it("is bound to its place even where the key service checks none", async () => {
    const dataKeys = keyService();
    const sealed = await seal(dataKeys);
    const careless: Pick<DataKeys, "open"> = { open: (key) => dataKeys.open(key, own) };
    await expect(decryptCredential(sealed, { ...own, accountId: "acc-2" }, careless)).rejects.toMatchObject({
      name: "CredentialUnreadable",
    });
  });

  it("does not turn a failure of KMS into a credential that should be given anew", async () => {
    const sealed = await seal(keyService());
    const down: Pick<DataKeys, "open"> = {
      open: () => Promise.reject(Object.assign(new Error("slow"), { name: "ThrottlingException" })),
    };
    await expect(decryptCredential(sealed, own, down)).rejects.toMatchObject({ name: "ThrottlingException" });
  });
});

function flipped(bytes: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[0] = (changed[0] ?? 0) ^ 1;
  return changed;
}
