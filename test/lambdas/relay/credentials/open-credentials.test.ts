// The credentials that an environment keeps: one read for many, never another version's, and not for long.
import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  type DataKeys,
  encryptCredential,
  type SealedCredential,
} from "../../../../lambdas/relay/credentials/envelope.ts";
import { openCredentials } from "../../../../lambdas/relay/credentials/open-credentials.ts";

const stage = "test";
const key = randomBytes(32);
const dataKeys: DataKeys = {
  make: async () => ({ plain: Buffer.from(key), sealed: Buffer.from("sealed") }),
  open: async () => Buffer.from(key),
};

class Kept {
  readonly #sealed = new Map<string, SealedCredential>();
  reads = 0;
  failing: Error | undefined;
  now = 1_000_000;

  async add(accountId: string, version: number): Promise<void> {
    const ports = { dataKeys, random: randomBytes };
    const credential = { apiKey: `${accountId} ${version}` };
    this.#sealed.set(
      `${accountId} ${version}`,
      await encryptCredential(credential, { accountId, stage, version }, ports),
    );
  }

  open() {
    return openCredentials({
      stage,
      dataKeys,
      now: () => this.now,
      store: {
        get: async (accountId, version) => {
          this.reads += 1;
          if (this.failing !== undefined) throw this.failing;
          return this.#sealed.get(`${accountId} ${version}`);
        },
      },
    });
  }
}

const account = { accountId: "a", credentialVersion: 1 };

describe("an account's credential", () => {
  it("is read once for all who ask at the same time, and later", async () => {
    const kept = new Kept();
    await kept.add("a", 1);
    const credentials = kept.open();
    const answers = await Promise.all([1, 2, 3].map(() => credentials.get(account)));
    expect([...answers, await credentials.get(account)]).toEqual(Array.from({ length: 4 }, () => ({ apiKey: "a 1" })));
    expect(kept.reads).toBe(1);
  });

  it("is read anew after five minutes", async () => {
    const kept = new Kept();
    await kept.add("a", 1);
    const credentials = kept.open();
    await credentials.get(account);
    kept.now += 5 * 60_000;
    await credentials.get(account);
    expect(kept.reads).toBe(2);
  });

  it("is that of the version that the account has, before and after a change", async () => {
    const kept = new Kept();
    await kept.add("a", 1);
    await kept.add("a", 2);
    const credentials = kept.open();
    expect(await credentials.get(account)).toEqual({ apiKey: "a 1" });
    expect(await credentials.get({ ...account, credentialVersion: 2 })).toEqual({ apiKey: "a 2" });
    expect(await credentials.get(account)).toEqual({ apiKey: "a 1" });
  });

  it("is forgotten when the upstream refused it, and another version is not", async () => {
    const kept = new Kept();
    await kept.add("a", 1);
    await kept.add("a", 2);
    const credentials = kept.open();
    await credentials.get({ ...account, credentialVersion: 2 });
    credentials.forget(account);
    await credentials.get({ ...account, credentialVersion: 2 });
    expect(kept.reads).toBe(1);
    credentials.forget({ ...account, credentialVersion: 2 });
    await credentials.get({ ...account, credentialVersion: 2 });
    expect(kept.reads).toBe(2);
  });

  it("that is not there is missing by name, and is not looked for with every request", async () => {
    const kept = new Kept();
    const credentials = kept.open();
    for (let turn = 0; turn < 3; turn += 1) {
      await expect(credentials.get(account)).rejects.toMatchObject({ name: "CredentialMissing" });
    }
    expect(kept.reads).toBe(1);
    await kept.add("a", 1);
    kept.now += 5_000;
    expect(await credentials.get(account)).toEqual({ apiKey: "a 1" });
  });

  it("is looked for again at once when AWS failed", async () => {
    const kept = new Kept();
    await kept.add("a", 1);
    const credentials = kept.open();
    kept.failing = Object.assign(new Error("slow"), { name: "ThrottlingException" });
    await expect(credentials.get(account)).rejects.toMatchObject({ name: "ThrottlingException" });
    kept.failing = undefined;
    expect(await credentials.get(account)).toEqual({ apiKey: "a 1" });
  });

  it("is one of five hundred at most: the one that was read first is read again", async () => {
    const kept = new Kept();
    const credentials = kept.open();
    for (let index = 0; index <= 500; index += 1) {
      await kept.add(`a${index}`, 1);
      await credentials.get({ accountId: `a${index}`, credentialVersion: 1 });
    }
    await credentials.get({ accountId: "a500", credentialVersion: 1 });
    expect(kept.reads).toBe(501);
    await credentials.get({ accountId: "a0", credentialVersion: 1 });
    expect(kept.reads).toBe(502);
  });
});
