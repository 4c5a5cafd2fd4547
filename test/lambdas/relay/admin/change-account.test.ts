// What becomes of an upstream account that somebody adds, changes or deletes; and where its credential may never go.
import { beforeEach, describe, expect, it } from "vitest";
import { newAccountBody } from "../../../../lambdas/relay/admin/account-answers.ts";
import {
  changeAccount,
  createAccount,
  deleteAccount,
  replaceCredential,
} from "../../../../lambdas/relay/admin/change-account.ts";
import type { Account } from "../../../../lambdas/relay/scheduling/account.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";
import { fakeAccounts, settingsOf } from "./account-fakes.ts";

const workId = "0123456789abcdef0123456789abcdef";
const credential = { apiKey: "sk-made-up-1" };
const seen = () => undefined;

let fake: ReturnType<typeof fakeAccounts>;

beforeEach(() => {
  fake = fakeAccounts();
});

const add = (given: Parameters<typeof settingsOf>[0] = {}) =>
  createAccount({ ...settingsOf(given), credential }, workId, fake.ports);

/** The fields that an error names, with what it says of each. */
async function refusal(work: Promise<unknown>) {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(CausewayError);
  const { name, details, message } = error as CausewayError;
  expect(message).not.toContain("sk-");
  return [name, (details.fields as { field: string }[] | undefined)?.map(({ field }) => field)];
}

describe("an account that is added", () => {
  it("has its credential before anybody can see it, and none of it in its item", async () => {
    const made = await add();
    expect(made).toMatchObject({
      accountId: "acc-0123456789abcdef",
      platform: "anthropic",
      credentialVersion: 1,
      version: 1,
    });
    expect(made.condition.state).toBe("healthy");
    expect(fake.calls).toEqual(["keep credential", "create"]);
    expect(fake.sealed.get(made.accountId)).toEqual({ version: 1, credential });
    expect(JSON.stringify([...fake.accounts.values()])).not.toContain("sk-");
  });

  it("does not expire before it begins; one that has expired may be changed in other things", async () => {
    expect(await refusal(add({ expiresAt: "2020-01-01T00:00:00.000Z" }))).toEqual(["InputInvalid", ["body.expiresAt"]]);
    expect(fake.calls).toEqual([]);
    const made = await add({ expiresAt: "2999-01-01T00:00:00.000Z" });
    const over = "2020-01-01T00:00:00.000Z";
    fake.accounts.set(made.accountId, { ...made, expiresAt: over });
    const change = (given: Parameters<typeof settingsOf>[0]) =>
      changeAccount(made.accountId, settingsOf(given), seen, fake.ports);
    expect(await change({ expiresAt: over, weight: 7 })).toMatchObject({ weight: 7, expiresAt: over });
    expect(await refusal(change({ expiresAt: "2021-01-01T00:00:00.000Z" }))).toEqual([
      "InputInvalid",
      ["body.expiresAt"],
    ]);
  });

  it("is one account however often the request is repeated, with the credential that was sent last", async () => {
    await add();
    const again = await add();
    expect(fake.accounts.size).toBe(1);
    expect(again.credentialVersion).toBe(2);
    expect(fake.sealed.get(again.accountId)?.version).toBe(2);
  });

  it("has the provider's own defaults among its settings", async () => {
    expect((await add()).settings).toEqual({ baseUrl: "https://api.made-up.example" });
  });

  it.each([
    [{ provider: "nobody" }, ["InputInvalid", ["body.provider"]]],
    [{ settings: { baseUrl: "no url" } }, ["InputInvalid", ["body.settings.baseUrl"]]],
    [{ settings: { region: "x" } }, ["InputInvalid", ["body.settings.region"]]],
    [{ settings: { baseUrl: "https://metadata.internal/" } }, ["AddressRefused", ["body.settings.baseUrl"]]],
    [{ proxy: { type: "http" as const, host: "169.254.169.254", port: 80 } }, ["AddressRefused", ["body.proxy.host"]]],
  ])("is refused with the field that is wrong: %j", async (given, expected) => {
    expect(await refusal(add(given))).toEqual(expected);
    expect(fake.calls).toEqual([]);
  });

  it("is refused with a credential that is none, and no word of it is repeated", async () => {
    const wrong = (given: Record<string, unknown>) =>
      refusal(createAccount({ ...settingsOf(), credential: given }, workId, fake.ports));
    expect(await wrong({ apiKey: "sk-" })).toEqual(["InputInvalid", ["body.credential.apiKey"]]);
    // What stands in the place of a name may be the key itself.
    expect(await wrong({ ...credential, "sk-made-up-2": "" })).toEqual(["InputInvalid", ["body.credential"]]);
    expect(fake.calls).toEqual([]);
  });
});

describe("an account that is changed", () => {
  let before: Account;
  beforeEach(async () => {
    before = await add();
    fake.calls.length = 0;
  });
  const change = (given: Parameters<typeof settingsOf>[0], more: { credential?: Record<string, unknown> } = {}) =>
    changeAccount(before.accountId, { ...settingsOf(given), ...more }, seen, fake.ports);

  it("keeps its credential where that goes to the same address", async () => {
    const changed = await change({ name: "other", settings: { baseUrl: "https://API.made-up.example:443/" } });
    expect(changed).toMatchObject({ name: "other", version: 2, credentialVersion: 1 });
    expect(fake.calls).toEqual(["change"]);
  });

  it.each([
    ["another host", { settings: { baseUrl: "https://api.evil.example" } }],
    // On a gateway of many tenants, the path says whose logs the secret ends up in.
    ["another path", { settings: { baseUrl: "https://api.made-up.example/v1/somebody-else" } }],
    ["another port", { settings: { baseUrl: "https://api.made-up.example:8443" } }],
    ["a proxy", { proxy: { type: "socks5" as const, host: "proxy.evil.example", port: 1080 } }],
  ])(
    "needs the credential anew where it would go to %s: nobody has a secret sent to themselves",
    async (_what, given) => {
      expect(await refusal(change(given))).toEqual(["InputInvalid", ["body.credential"]]);
      expect(fake.calls).toEqual([]);
      const changed = await change(given, { credential: { apiKey: "sk-my-own-1" } });
      // In one write with the settings: no address meets the credential of another.
      expect(fake.calls).toEqual(["keep credential", "change"]);
      expect(changed.credentialVersion).toBe(2);
    },
  );

  it("may go without its proxy as it is", async () => {
    const proxy = { type: "http", host: "proxy.example.com", port: 3128 } as const;
    await change({ proxy }, { credential });
    before = { ...before, version: 2 };
    expect((await change({ proxy, weight: 5 })).weight).toBe(5);
    expect((await change({ proxy: null })).proxy).toBeNull();
  });

  it("keeps its provider", async () => {
    expect(await refusal(change({ provider: "other" }))).toEqual(["InputInvalid", ["body.provider"]]);
  });

  it("is refused to whoever has seen another version, before anything is looked at", async () => {
    const demand = (version: number) => {
      throw new CausewayError("PreconditionFailed", `It is at ${version}.`);
    };
    const work = changeAccount(before.accountId, settingsOf({ provider: "other" }), demand, fake.ports);
    await expect(work).rejects.toThrow("It is at 1.");
  });

  it("is none where there is none", async () => {
    expect((await refusal(changeAccount("nobody", settingsOf(), seen, fake.ports)))[0]).toBe("NotFound");
    expect((await refusal(replaceCredential("nobody", credential, fake.ports)))[0]).toBe("NotFound");
    expect((await refusal(deleteAccount("nobody", fake.ports)))[0]).toBe("NotFound");
  });
});

it("a credential that is replaced is another version, and what answers said of the old one is noted as over", async () => {
  const { accountId } = await add();
  fake.calls.length = 0;
  const changed = await replaceCredential(accountId, { apiKey: "sk-made-up-2" }, fake.ports);
  expect(changed.credentialVersion).toBe(2);
  expect(fake.calls).toEqual(["keep credential", "note credential"]);
});

it("a credential for one address is not noted where somebody sent the account to another meanwhile", async () => {
  const { accountId } = await add();
  const elsewhere = settingsOf({ settings: { baseUrl: "https://api.evil.example" } });
  const ports = {
    ...fake.ports,
    // In between, somebody else's change comes through, with a credential of their own that was kept before.
    async keepSealed(...sealed: Parameters<typeof fake.ports.keepSealed>) {
      await fake.ports.keepSealed(...sealed);
      await fake.ports.change(accountId, 1, elsewhere, "2026-11-20T12:00:00.000Z", 1);
    },
  };
  await expect(replaceCredential(accountId, { apiKey: "sk-for-us-only" }, ports)).rejects.toMatchObject({
    name: "PreconditionFailed",
  });
  expect(fake.accounts.get(accountId)?.credentialVersion).toBe(1);
});

it("a request to add that is repeated late gives its credential to no other address either", async () => {
  const { accountId } = await add();
  await fake.ports.change(
    accountId,
    1,
    settingsOf({ settings: { baseUrl: "https://other.example" } }),
    "2026-11-20T12:00:00.000Z",
    1,
  );
  await expect(add()).rejects.toMatchObject({ name: "PreconditionFailed" });
  expect(fake.accounts.get(accountId)?.credentialVersion).toBe(1);
});

it("a name in the place of a credential's field is repeated in no error: it may be the key", () => {
  const secret = `sk-${"x".repeat(90)}`;
  const parsed = newAccountBody.safeParse({ name: "a", provider: "openai", credential: { [secret]: "" } });
  // The rule that knows the provider's fields refuses it, and names those alone.
  expect(JSON.stringify(parsed.error?.issues.map(({ path, message }) => [path, message]) ?? [])).not.toContain("sk-");
});

it("an account that is deleted goes before its credential does", async () => {
  const { accountId } = await add();
  fake.calls.length = 0;
  expect(await deleteAccount(accountId, fake.ports)).toEqual({ accountId, name: "main" });
  expect(fake.calls).toEqual(["remove", "remove credential"]);
});
