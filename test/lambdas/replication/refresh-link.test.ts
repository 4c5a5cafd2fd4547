// A fresh link: asked for once for all workers, and taken only when it leads to the very same object.
import { describe, expect, it } from "vitest";
import type { Copy, CopyFailure, SourceLink } from "../../../lambdas/replication/copy.ts";
import { refreshAndNote } from "../../../lambdas/replication/refresh-link.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import { at, copyId, copyOf, me, now, planFor, someBytes, somebody, sourceBackup } from "./copy-facts.ts";
import { MemorySource } from "./memory-source.ts";

const content = someBytes(10_000);

function stage() {
  const source = new MemorySource(content);
  const link: SourceLink = { address: "https://old", expiresAt: at, version: 3 };
  const here = {
    source,
    copy: copyOf({ plan: planFor(content, 4000, { sourceFacts: source.facts }), link }) as Copy | undefined,
    kept: [] as SourceLink[],
    noted: [] as CopyFailure[],
    located: 0,
  };
  const refresh = (expiredLinkVersion = 3) =>
    refreshAndNote(
      { copyId, executionArn: me, expiredLinkVersion },
      {
        source,
        inventory: {
          list: async function* () {},
          locate: async () => {
            here.located += 1;
            if (here.located > 100) throw new CausewayError("BackupNotFound", "gone");
            return { backup: sourceBackup, address: "https://new", addressExpiresAt: "2026-11-20T13:00:00.000Z" };
          },
        },
        copies: {
          read: async () => here.copy,
          keepLink: async (_id, _arn, fresh) => void here.kept.push(fresh),
          noteError: async (_id, failure) => void here.noted.push(failure),
        },
        now: () => now,
      },
    );
  return Object.assign(here, { refresh });
}

describe("a link that expired", () => {
  it("is replaced by a fresh one with the next number", async () => {
    const here = stage();
    expect(await here.refresh()).toEqual({ linkVersion: 4 });
    expect(here.kept).toEqual([{ address: "https://new", expiresAt: "2026-11-20T13:00:00.000Z", version: 4 }]);
    expect(here.noted).toEqual([]);
  });

  it("is not asked for again when another worker has a fresh one already", async () => {
    const here = stage();
    expect(await here.refresh(2)).toEqual({ linkVersion: 3 });
    expect(here.located).toBe(0);
    expect(here.kept).toEqual([]);
  });

  it("is asked for although none is there any more", async () => {
    const here = stage();
    const { link: _, ...withoutLink } = copyOf({ plan: planFor(content, 4000, { sourceFacts: here.source.facts }) });
    here.copy = withoutLink;
    expect(await here.refresh(0)).toEqual({ linkVersion: 1 });
  });

  it.each<[string, (source: MemorySource) => void]>([
    [
      "another size",
      (source) => {
        source.content = content.subarray(1);
      },
    ],
    [
      "another ETag",
      (source) => {
        source.etag = '"memory-2"';
      },
    ],
    [
      "no ETag any more",
      (source) => {
        source.etag = null;
      },
    ],
    [
      "other bytes, by their CRC",
      (source) => {
        source.content = Buffer.from(content).fill(0, 0, 1);
      },
    ],
    [
      "no CRC any more",
      (source) => {
        source.statesCrc = false;
      },
    ],
  ])("is refused when the new address leads to %s, and the reason is noted", async (_, change) => {
    const here = stage();
    change(here.source);
    await expect(here.refresh()).rejects.toMatchObject({ name: "SourceChanged", retryable: false });
    expect(here.kept).toEqual([]);
    expect(here.noted).toMatchObject([{ executionArn: me, error: "SourceChanged", at }]);
  });

  it("notes why the inventory has none", async () => {
    const here = stage();
    here.located = 100;
    await expect(here.refresh()).rejects.toMatchObject({ name: "BackupNotFound" });
    expect(here.noted).toMatchObject([{ error: "BackupNotFound", cause: "gone" }]);
  });

  it.each<[string, (copy: Copy) => Copy | undefined]>([
    ["another execution holds the copy", (copy) => ({ ...copy, claim: { executionArn: somebody, expiresAt: at } })],
    ["the plan is gone", ({ plan: _, ...copy }) => copy],
    ["the copy is gone", () => undefined],
  ])("is not refreshed when %s", async (_, change) => {
    const here = stage();
    here.copy = change(here.copy ?? copyOf());
    await expect(here.refresh()).rejects.toMatchObject({ name: "ClaimLost" });
    expect(here.located).toBe(0);
  });
});
