// Orphans: where a request ran whose end nobody saw, by its slot, else by its lease; and nothing of it stops the sweeper.
import { describe, expect, it, vi } from "vitest";
import type { StoredLease } from "../../../../lambdas/relay/ledger/key-item.ts";
import { type OrphanPorts, orphanFinder } from "../../../../lambdas/relay/scheduling/find-orphan.ts";
import type { Slot } from "../../../../lambdas/relay/scheduling/slot.ts";
import { noTraffic } from "../../../../lambdas/relay/scheduling/snapshot.ts";
import { accountOf, start } from "./sample-accounts.ts";

const lease = (accountId: string | undefined): StoredLease => ({
  ...{ requestId: "r", expiresAt: start, nanoUsd: 7, tokens: 1, sequence: 0, windows: ["total"], prepaid: false },
  ...{ minute: undefined, family: undefined, accountId, multiplierThousandths: 1000, isDead: false },
  call: { platform: "anthropic", operation: "messages", model: "claude-opus-5", answers: "sse" },
});

const nobody = { accountId: "", provider: "", modelServed: "" };

function stage(slot: Slot | undefined, more: Partial<OrphanPorts["slots"]> = {}) {
  const release = vi.fn(async () => undefined);
  const failures: unknown[] = [];
  const mapped = { ...accountOf("b"), modelMapping: { "claude-*": "glm-5" } };
  const accounts = [accountOf("a"), mapped].map((account) => ({ account, shards: [], own: noTraffic() }));
  const find = orphanFinder({
    snapshot: async () => ({ accounts }),
    slots: { find: async () => slot, release, ...more },
    now: () => start,
    onFailure: (error) => failures.push(error),
  });
  return { find, release, failures };
}

const slotAt = (accountId: string): Slot => ({ accountId, shard: 0, shown: undefined });

describe("an orphan", () => {
  it("ran at the account whose slot it holds, whatever its lease said before a failover, and its cost counts there", async () => {
    const { find, release } = stage(slotAt("b"));
    const orphan = await find(lease("a"));
    expect(orphan).toMatchObject({ accountId: "b", provider: "anthropic", modelServed: "glm-5" });
    await orphan.count(70);
    const figures = { failed: false, firstByteMilliseconds: undefined, realNanoUsd: 70, isCostAlone: true };
    expect(release.mock.calls).toEqual([[slotAt("b"), "r", figures, { minutes: [], days: [] }, start]]);
  });

  it("without a slot is its lease's account's, and counts nothing: the account may have counted it", async () => {
    const { find, release } = stage(undefined);
    const orphan = await find(lease("a"));
    expect(orphan).toMatchObject({ accountId: "a", provider: "anthropic", modelServed: "claude-opus-5" });
    await orphan.count(70);
    expect(release).not.toHaveBeenCalled();
    expect(await find(lease(undefined))).toMatchObject(nobody);
    expect(await find(lease("gone"))).toMatchObject({ ...nobody, accountId: "gone" });
  });

  it("that cannot be looked up or counted is told of, and stops nobody", async () => {
    const away = () => Promise.reject(new Error("DynamoDB is away"));
    const blind = stage(undefined, { find: away });
    expect(await blind.find(lease("a"))).toMatchObject({ accountId: "a", provider: "anthropic" });
    const stuck = stage(slotAt("b"), { release: away });
    await (await stuck.find(lease("a"))).count(70);
    expect([blind.failures.length, stuck.failures.length]).toEqual([1, 1]);
  });
});
