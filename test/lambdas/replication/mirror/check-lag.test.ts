// The check for lag: what is late is told, and what nobody works on is put into the queue again, less often each time it failed.
import { describe, expect, it } from "vitest";
import { checkLag, isIdle } from "../../../../lambdas/replication/mirror/check-lag.ts";
import type { MirrorItem } from "../../../../lambdas/replication/mirror/mirror-item.ts";
import type { EventDetail } from "../../../../lambdas/shared/events.ts";

const now = Date.parse("2026-11-20T12:00:00.000Z");
const ago = (minutes: number) => new Date(now - minutes * 60_000).toISOString();

function item(sourceKey: string, waitingMinutes: number, more: Partial<MirrorItem> = {}): MirrorItem {
  return { sourceKey, targetKey: `t/${sourceKey}`, wanted: 1, fence: 1, waitingSince: ago(waitingMinutes), ...more };
}

const failedAt = (minutes: number) => ({ lastError: { error: "E", cause: "", at: ago(minutes), announced: false } });

async function check(items: readonly MirrorItem[]) {
  const enqueued: string[] = [];
  const lagging: EventDetail<"MirrorLagging">[] = [];
  const report = await checkLag(60, {
    waiting: async ({ before }) => items.filter(({ waitingSince = "9" }) => waitingSince < before),
    enqueue: async (sourceKey) => void enqueued.push(sourceKey),
    lagging: async (detail) => void lagging.push(detail),
    now: () => now,
  });
  return { report, enqueued, lagging };
}

describe("the check", () => {
  it("tells how many are late, and which is the latest", async () => {
    const items = [item("oldest", 300), item("old", 61), item("young", 59)];
    const { lagging, report } = await check(items);
    expect(lagging).toEqual([{ objects: 2, oldestKey: "oldest", oldestSince: ago(300) }]);
    expect(report).toMatchObject({ waiting: 3, lagging: 2 });
  });

  it("is silent when nothing is late", async () => {
    expect((await check([item("young", 30)])).lagging).toEqual([]);
    expect((await check([])).report).toEqual({ waiting: 0, lagging: 0, enqueued: 0 });
  });

  it("wakes what nobody works on: no lease, or one that is over", async () => {
    const items = [
      item("left", 20),
      item("dead", 20, { lease: { holder: "x", expiresAt: ago(1) } }),
      item("held", 20, { lease: { holder: "x", expiresAt: ago(-5) } }),
      item("young", 5),
    ];
    expect((await check(items)).enqueued).toEqual(["left", "dead"]);
  });
});

describe("a key that failed", () => {
  it.each([
    [12, 11, true],
    [12, 5, false],
    [100, 40, false],
    [100, 51, true],
    [10_000, 200, false],
    [10_000, 361, true],
  ])("that waits for %d minutes, and failed %d minutes ago, is idle: %s", (waits, failed, idle) => {
    expect(isIdle(item("x", waits, failedAt(failed)), now)).toBe(idle);
  });
});
