// The list of copies on a real table: its order, its filters, its pages, and what it never tells.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CopiesQuery, listCopies } from "../../../../lambdas/replication/api/show-copies.ts";
import type { ListedBackup } from "../../../../lambdas/replication/backup.ts";
import { CopiesStore } from "../../../../lambdas/replication/copies.store.ts";
import { newClaim } from "../../../../lambdas/replication/copy.ts";
import { type HttpTables, startHttpTables } from "../../shared/http-tables.ts";

const count = 25;
let tables: HttpTables;
let copies: CopiesStore;
let now = Date.parse("2026-11-20T00:00:00.000Z");

beforeAll(async () => {
  tables = await startHttpTables({ Copies: { partition: "copyId", index: ["byChange", "changedAt"] } });
  copies = new CopiesStore(tables.documents, "Copies", () => now);
  for (let at = 0; at < count; at += 1) {
    now += 1000;
    await begin(backup(at));
  }
});

afterAll(async () => {
  await tables?.[Symbol.asyncDispose]();
});

function backup(at: number): ListedBackup {
  const backupId = String(1000 + at);
  const instanceId = at % 3 === 0 ? "rm-third" : "rm-other";
  return {
    copyId: `aliyun-rds:${instanceId}:${backupId}`,
    source: "aliyun-rds",
    instanceId,
    engine: at % 2 === 0 ? "mysql" : "postgresql",
    backupId,
    fileName: `${backupId}.xb`,
    sizeBytes: 10,
    startedAt: "2026-11-19T18:02:00.000Z",
    crc64: null,
    restorability: "physical",
    instanceDeleted: false,
    force: false,
  };
}

const me = "arn:aws:states:eu-central-1:000000000000:execution:replicate:me";
const failure = { executionArn: me, error: "SourceRefused", cause: "Aliyun said no.", at: "2026-11-20T00:01:00.000Z" };

async function begin(one: ListedBackup): Promise<void> {
  expect(await copies.claim(one, `mysql/${one.backupId}.xb`, newClaim(me, now), undefined)).toBe(true);
}

const list = (query: Partial<CopiesQuery> = {}) =>
  listCopies({ limit: 100, ...query }, (question) => copies.list(question));

async function allPages(query: Partial<CopiesQuery>): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | null | undefined;
  do {
    const page = await list({ ...query, cursor: cursor ?? undefined });
    expect(page.items.length).toBeLessThanOrEqual(query.limit ?? 100);
    found.push(...page.items.map(({ copyId }) => copyId));
    cursor = page.cursor;
  } while (cursor !== null);
  return found;
}

const every = Array.from({ length: count }, (_, at) => backup(at)).reverse();
const idsOf = (chosen: readonly ListedBackup[]) => chosen.map(({ copyId }) => copyId);

describe("the list of copies", () => {
  it("has the last changed first, and each once whatever the pages' size", async () => {
    for (const limit of [1, 4, 25, 100]) expect(await allPages({ limit })).toEqual(idsOf(every));
  });

  it("filters by instance, engine and state, also where a page is cut in the middle of what was looked at", async () => {
    for (const limit of [1, 2, 100]) {
      expect(await allPages({ limit, instanceId: "rm-third" })).toEqual(
        idsOf(every.filter(({ instanceId }) => instanceId === "rm-third")),
      );
      expect(await allPages({ limit, engine: "postgresql", instanceId: "rm-other" })).toEqual(
        idsOf(every.filter(({ engine, instanceId }) => engine === "postgresql" && instanceId === "rm-other")),
      );
      expect(await allPages({ limit, state: "verified" })).toEqual([]);
    }
  });

  it("refuses a cursor of other filters", async () => {
    const { cursor } = await list({ limit: 2 });
    await expect(list({ limit: 2, state: "failed", cursor: cursor ?? "" })).rejects.toMatchObject({
      name: "InputInvalid",
    });
  });

  it("moves a copy to its head when its state changes, and says why it failed", async () => {
    const one = backup(3);
    now += 1000;
    await copies.fail(one.copyId, failure, "failed", false);
    const { items } = await list({ limit: 1 });
    expect(items).toMatchObject([
      {
        copyId: one.copyId,
        state: "failed",
        changedAt: new Date(now).toISOString(),
        error: { name: "SourceRefused", cause: "Aliyun said no." },
        result: null,
      },
    ]);
    expect((await list({ state: "failed" })).items).toHaveLength(1);
  });

  it("neither tells a link nor counts the month's egress as a copy", async () => {
    const one = backup(5);
    const plan = { key: "k", sizeBytes: 10 } as unknown as Parameters<CopiesStore["keepPlan"]>[2];
    const link = { address: "https://oss.example/x?Signature=abc", expiresAt: null, version: 1 };
    await copies.keepPlan(one.copyId, me, plan, link, { month: "2026-11", bytes: 10, limitBytes: 0 });
    const page = await copies.list({ most: 100 });
    expect(page.copies).toHaveLength(count);
    expect(JSON.stringify(page)).not.toMatch(/Signature|"plan"|"claim"/);
  });
});
