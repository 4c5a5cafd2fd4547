// Client keys as they are made and rotated: derived so that a repetition shows the same key, and nobody else can.
import { describe, expect, it } from "vitest";
import { changeKey } from "../../../../lambdas/relay/admin/change-key.ts";
import { clientSecret } from "../../../../lambdas/relay/admin/client-secret.ts";
import { changedKeyBody, newKeyBody } from "../../../../lambdas/relay/admin/key-answers.ts";
import { type MakingPorts, makeKeys, rotateKey } from "../../../../lambdas/relay/admin/make-keys.ts";
import { expiryOf } from "../../../../lambdas/relay/admin/view-key.ts";
import { hashClientKey, readClientKey } from "../../../../lambdas/relay/ledger/client-key.ts";
import type { KeyChange, KeyView, NewKey } from "../../../../lambdas/relay/ledger/kept-key.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";

const now = Date.parse("2026-11-20T12:00:00Z");
const work = { workId: "0".repeat(32), idempotencyKey: "mine" };
const how = { work, by: "tester" };
const asked = newKeyBody.parse({ name: "x" });

/** Keys in a map, as the store keeps them. */
function fakeKeys() {
  const kept = new Map<string, KeyView>();
  const changes: KeyChange[] = [];
  const viewOf = (key: NewKey): KeyView => ({
    meta: {
      ...{ keyId: key.keyId, masked: key.masked, name: key.name, owner: key.owner, tags: key.tags },
      ...{
        enabled: key.enabled,
        createdAt: "",
        createdBy: key.by,
        changedAt: "",
        changedBy: key.by,
        deletedAt: undefined,
      },
    },
    key: {
      ...{ keyId: key.keyId, version: 1, isEnabled: key.enabled, isDeleted: false, policy: key.policy },
      ...{ used: {}, leaseCount: 0, balanceNanoUsd: key.balanceNanoUsd, secrets: { [key.hash]: null } },
      expiresAt: key.expiry.kind === "at" ? key.expiry.at : undefined,
      daysFromFirstUse: key.expiry.kind === "after-first-use" ? key.expiry.days : undefined,
    } as KeyView["key"],
  });
  const mustHave = (keyId: string): KeyView => {
    const found = kept.get(keyId);
    if (found === undefined) throw new CausewayError("NotFound", "none");
    return found;
  };
  const keys = {
    async create(made: readonly NewKey[]) {
      for (const key of made) {
        const there = kept.get(key.keyId);
        if (there !== undefined && !Object.hasOwn(there.key.secrets, key.hash))
          throw new CausewayError("Conflict", "no");
        if (there === undefined) kept.set(key.keyId, viewOf(key));
      }
    },
    read: async (keyId: string) => kept.get(keyId),
    async markDeleted(keyId: string) {
      const { meta, key } = mustHave(keyId);
      const deleted = { meta, key: { ...key, isDeleted: true } };
      kept.set(keyId, deleted);
      return deleted;
    },
    async rotate(keyId: string, { hash, overlapUntil }: { hash: string; overlapUntil: number }) {
      const { meta, key } = mustHave(keyId);
      if (Object.hasOwn(key.secrets, hash)) return { meta, key };
      const former = Object.keys(key.secrets).map((secret) => [secret, overlapUntil] as const);
      const next = { meta, key: { ...key, secrets: { ...Object.fromEntries(former), [hash]: null } } };
      kept.set(keyId, next);
      return next;
    },
    async change(keyId: string, _seen: number | undefined, change: KeyChange) {
      changes.push(change);
      return mustHave(keyId);
    },
  };
  const surroundings = {
    accountIds: async () => ["acc-1"],
    groups: async () => ["team"],
    families: async () => ["opus", "sonnet"],
  };
  const ports: MakingPorts & { keys: typeof keys } = {
    now: () => now,
    pepper: async () => "a pepper",
    keys,
    surroundings,
  };
  return { ports, kept, changes };
}

const fieldsOf = (error: unknown) =>
  ((error as CausewayError).details.fields as { field: string }[]).map(({ field }) => field);
const refused = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error("it was not refused")),
    (error: unknown) => error,
  );

describe("what a key is made of", () => {
  it("is the same for the same work, and another for anything else", () => {
    const hex = (...[pepper, purpose, of, index]: Parameters<typeof clientSecret>) =>
      Buffer.from(clientSecret(pepper, purpose, of, index)).toString("hex");
    const one = hex("pepper", "make", work, "0");
    expect(hex("pepper", "make", { ...work }, "0")).toBe(one);
    const others = [
      hex("other pepper", "make", work, "0"),
      hex("pepper", "rotate", work, "0"),
      hex("pepper", "make", work, "1"),
      hex("pepper", "make", { ...work, workId: "1".repeat(32) }, "0"),
      hex("pepper", "make", { ...work, idempotencyKey: undefined }, "0"),
      hex("pepper", "make", { ...work, idempotencyKey: "null" }, "0"),
    ];
    expect(new Set([one, ...others]).size).toBe(7);
    expect(one).toHaveLength(128);
  });
});

describe("keys that are made", () => {
  it("are of Causeway's form, kept as a hash, and found again by a repetition", async () => {
    const { ports, kept } = fakeKeys();
    const [made] = await makeKeys(asked, ["x"], how, ports);
    const [again] = await makeKeys(asked, ["x"], how, ports);
    const text = made?.text ?? "";
    expect(readClientKey(text)).toEqual({ keyId: made?.stored.meta.keyId });
    expect(again?.text).toBe(text);
    expect([...kept]).toHaveLength(1);
    expect(JSON.stringify([...kept])).not.toContain(text);
    expect(Object.keys(made?.stored.key.secrets ?? {})).toEqual([hashClientKey("a pepper", text)]);
  });

  it("come in the order of their names, each of its own", async () => {
    const { ports } = fakeKeys();
    const made = await makeKeys(asked, ["b", "a", "c"], how, ports);
    expect(made.map(({ stored }) => stored.meta.name)).toEqual(["b", "a", "c"]);
    expect(new Set(made.map(({ text }) => text)).size).toBe(3);
  });

  it("are not shown again once one of them was rotated: the first text is worth nothing", async () => {
    const { ports } = fakeKeys();
    const [made] = await makeKeys(asked, ["x"], how, ports);
    const keyId = made?.stored.meta.keyId ?? "";
    const rotation = { workId: "2".repeat(32), idempotencyKey: undefined };
    const { stored } = await rotateKey(keyId, 0, { work: rotation, by: "tester" }, ports);
    const hash = Object.keys(stored.key.secrets).at(-1) ?? "";
    ports.keys.read = async () => ({ ...stored, key: { ...stored.key, secrets: { [hash]: null } } });
    ports.keys.create = async () => Promise.reject(new CausewayError("Conflict", "another secret"));
    await expect(makeKeys(asked, ["x"], how, ports)).rejects.toThrow(/has been rotated since/);
  });

  it("are named before the first is made, and made to the end by a repetition of a call that failed half way", async () => {
    const { ports, kept } = fakeKeys();
    const { create } = ports.keys;
    const named: string[][] = [];
    const onNamed = (ids: string[]) => named.push(ids);
    ports.keys.create = async (keys) => {
      await create(keys.slice(0, 2));
      throw new CausewayError("AwsUnavailable", "no");
    };
    const names = ["a", "b", "c"];
    await expect(makeKeys(asked, names, { ...how, onNamed }, ports)).rejects.toMatchObject({ name: "AwsUnavailable" });
    expect([named[0]?.length, kept.size]).toEqual([3, 2]);
    ports.keys.create = create;
    const made = await makeKeys(asked, names, how, ports);
    expect(made.map(({ stored }) => stored.meta.keyId)).toEqual(named[0]);
    expect([kept.size, [...kept.values()].some(({ key }) => key.isDeleted)]).toEqual([3, false]);
  });

  it("are deleted again where not all can be made and no repetition could ever show them", async () => {
    const { ports, kept } = fakeKeys();
    const { create } = ports.keys;
    ports.keys.create = async (keys) => {
      await create(keys.slice(0, 2));
      throw new CausewayError("AwsUnavailable", "no");
    };
    const unnamed = { work: { ...work, idempotencyKey: undefined }, by: "tester" };
    await expect(makeKeys(asked, ["a", "b", "c"], unnamed, ports)).rejects.toMatchObject({ name: "AwsUnavailable" });
    expect([...kept.values()].map(({ key }) => key.isDeleted)).toEqual([true, true]);
  });

  it.each([
    [{ policy: { boundTo: { kind: "account", accountId: "acc-2" } } }, "body.policy.boundTo.accountId"],
    [{ policy: { boundTo: { kind: "group", group: "nobody" } } }, "body.policy.boundTo.group"],
    [{ policy: { familySpend: { opsu: { week: 1 } } } }, "body.policy.familySpend.opsu"],
    [{ expiry: { kind: "at", at: "2026-11-20T11:59:59Z" } }, "body.expiry.at"],
  ])("are refused with the field that names nothing: %j", async (given, field) => {
    const { ports, kept } = fakeKeys();
    const error = await refused(makeKeys(newKeyBody.parse({ name: "x", ...given }), ["x"], how, ports));
    expect(fieldsOf(error)).toEqual([field]);
    expect(kept.size).toBe(0);
  });

  it("may be bound to what is there", async () => {
    const { ports } = fakeKeys();
    const policy = {
      boundTo: { kind: "group", group: "team" },
      familySpend: { opus: { week: 1 } },
      timeZone: "Asia/Shanghai",
    };
    expect(await makeKeys(newKeyBody.parse({ name: "x", policy }), ["x"], how, ports)).toHaveLength(1);
  });
});

describe("a key that is rotated", () => {
  it("has another text of the same id, and says until when the one before is taken", async () => {
    const { ports } = fakeKeys();
    const [made] = await makeKeys(asked, ["x"], how, ports);
    const keyId = made?.stored.meta.keyId ?? "";
    const rotated = await rotateKey(keyId, 1.5, how, ports);
    expect(readClientKey(rotated.text)).toEqual({ keyId });
    expect(rotated.text).not.toBe(made?.text);
    expect(rotated.formerEndsAt).toBe(now + 1.5 * 3_600_000);
    const again = await rotateKey(keyId, 1.5, how, ports);
    expect([again.text, again.formerEndsAt]).toEqual([rotated.text, rotated.formerEndsAt]);
  });

  it("is none where there is none", async () => {
    await expect(rotateKey("nobody", 1, how, fakeKeys().ports)).rejects.toMatchObject({ name: "NotFound" });
  });
});

describe("a key that is changed", () => {
  const seen = () => undefined;
  it("goes on with its days from first use where they are given back with the rest", async () => {
    const { ports, changes } = fakeKeys();
    const expiry = { kind: "after-first-use", days: 30 };
    const [made] = await makeKeys(newKeyBody.parse({ name: "x", expiry }), ["x"], how, ports);
    const { key, meta } = made?.stored ?? (undefined as never);
    const body = { name: "y", policy: key.policy, expiry: expiryOf({ ...key, expiresAt: now + 5 }) };
    await changeKey(meta.keyId, changedKeyBody.parse(body), { demand: seen, by: "tester" }, ports);
    await changeKey(meta.keyId, changedKeyBody.parse({ ...body, expiry: null }), { demand: seen, by: "tester" }, ports);
    expect(changes.map(({ expiry: changed }) => changed)).toEqual([undefined, { kind: "never" }]);
  });

  it("may keep an expiry that is over, but not be given one", async () => {
    const { ports } = fakeKeys();
    const [made] = await makeKeys(
      newKeyBody.parse({ name: "x", expiry: { kind: "at", at: "2026-11-21T00:00:00Z" } }),
      ["x"],
      how,
      ports,
    );
    const { meta } = made?.stored ?? (undefined as never);
    const later = { ...ports, now: () => now + 9 * 86_400_000 };
    const put = (at: string) =>
      changeKey(
        meta.keyId,
        changedKeyBody.parse({ name: "x", expiry: { kind: "at", at } }),
        { demand: seen, by: "t" },
        later,
      );
    await put("2026-11-21T08:00:00+08:00");
    expect(fieldsOf(await refused(put("2026-11-22T00:00:00Z")))).toEqual(["body.expiry.at"]);
  });
});
