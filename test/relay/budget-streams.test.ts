// Many streams over one key at once, through the whole relay: what is charged and reserved is within the limit at every instant.
import { setTimeout as wait } from "node:timers/promises";
import Anthropic from "@anthropic-ai/sdk";
import { GetCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { UsageRecord } from "../../lambdas/relay/counting/usage-record.ts";
import { RelayRig, type RigKey } from "./relay-rig.ts";

const model = "claude-sonnet-4-5";
const messages = [{ role: "user" as const, content: "Tell me much." }];
const streams = 40;
/** 15,000 nano-USD each; a slice of 4,096 bytes is 61,440,000. */
const outputTokens = 2_000;

let rig: RelayRig;

beforeAll(async () => {
  rig = await RelayRig.start();
  await rig.addAccount("anthropic", { concurrency: 200 });
});

afterEach(() => {
  rig.faults.clear();
  rig.cloud.aiUpstream.clear();
});

afterAll(async () => {
  await rig?.close();
});

interface Item {
  readonly u: Readonly<Record<string, number>>;
  readonly L: Readonly<Record<string, { readonly c: number }>>;
}

async function itemOf(key: RigKey): Promise<Item> {
  const Key = { pk: `key#${key.keyId}` };
  const TableName = rig.cloud.output("RelayKeysTableName");
  const { Item } = await rig.documents.send(new GetCommand({ TableName, Key, ConsistentRead: true }));
  return Item as Item;
}

/** What the ledger holds, looked at again and again until the work is over. */
async function watched(key: RigKey, work: Promise<unknown>): Promise<number[]> {
  const seen: number[] = [];
  let isOver = false;
  void work.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    seen.push((await itemOf(key)).u.total ?? 0);
    await wait(5);
  }
  return seen;
}

async function tell(key: RigKey): Promise<string> {
  const client = new Anthropic({ baseURL: rig.url, apiKey: key.text, maxRetries: 0 });
  try {
    const message = await client.messages.stream({ model, max_tokens: 8_000, messages }).finalMessage();
    return message.stop_reason ?? "none";
  } catch (error) {
    return error instanceof Anthropic.APIError ? `refused ${error.status}` : String(error);
  }
}

async function settled(key: RigKey, count: number): Promise<{ item: Item; records: UsageRecord[] }> {
  return rig.until("everything is settled", async () => {
    const [item, records] = [await itemOf(key), await rig.recordsOf(key)];
    return Object.keys(item.L).length === 0 && records.length === count ? { item, records } : undefined;
  });
}

describe("forty streams over one key whose budget is enough for a few", () => {
  it.each([
    ["in calm", []],
    [
      "with conflicts, throttling and lost answers",
      [
        {
          service: "dynamodb",
          resourceIncludes: "RelayKeys",
          probability: 0.1,
          effect: { kind: "transaction-conflict" },
        },
        { service: "dynamodb", resourceIncludes: "RelayKeys", probability: 0.05, effect: { kind: "reset-after-work" } },
        { service: "dynamodb", resourceIncludes: "RelayUsage", probability: 0.1, effect: { kind: "fail-after-work" } },
        { service: "dynamodb", resourceIncludes: "RelayKeys", probability: 0.05, effect: { kind: "throttle" } },
      ] as const,
    ],
  ])("never pass it, leave no lease, and count to the nano-dollar, %s", async (_, faults) => {
    rig.cloud.aiUpstream.script({ platform: "anthropic" }, { outputTokens, events: 60, betweenEventsMilliseconds: 2 });
    const limit = 12 * 4096 * 15_000;
    const key = await rig.addKey({ spend: { total: limit }, concurrency: 100 });
    rig.faults.add(...faults.map((fault) => ({ times: 10_000, ...fault })));
    const work = Promise.all(Array.from({ length: streams }, () => tell(key)));
    const seen = await watched(key, work);
    const outcomes = await work;
    rig.faults.clear();
    const { item, records } = await settled(key, streams);

    expect(Math.max(...seen)).toBeLessThanOrEqual(limit);
    expect(seen.length).toBeGreaterThan(3);
    expect(item.u.total).toBe(records.reduce((sum, { chargedNanoUsd }) => sum + chargedNanoUsd, 0));
    expect(records.reduce((sum, { overrunNanoUsd }) => sum + overrunNanoUsd, 0)).toBe(0);
    expect(new Set(outcomes), outcomes.join(", ")).not.toContain("none");
    const ended = records.filter(({ outcome }) => outcome === "ok").length;
    expect(outcomes.filter((outcome) => outcome === "end_turn")).toHaveLength(ended);
    // Which of them get through is chance; that some had something, and that not all had everything, is not.
    const cut = outcomes.filter((outcome) => outcome === "max_tokens").length;
    expect(records.filter(({ outcome }) => outcome === "budget")).toHaveLength(cut);
    expect(ended + cut, "some are answered").toBeGreaterThan(0);
    expect(ended, "not all can come to their end").toBeLessThan(streams);
  });
});

describe("an upstream that lies", () => {
  it("about what it used is charged, recorded as an overrun, and uses up the budget", async () => {
    rig.cloud.aiUpstream.script({ platform: "anthropic" }, { usage: { outputTokens: 50_000 } });
    const limit = 100 * 15_000 + 10_000_000;
    const key = await rig.addKey({ spend: { day: limit } });
    const client = new Anthropic({ baseURL: rig.url, apiKey: key.text, maxRetries: 0 });
    await client.messages.create({ model, max_tokens: 100, messages });
    const { records } = await settled(key, 1);
    expect(records[0]?.chargedNanoUsd).toBeGreaterThan(50_000 * 15_000 - 1);
    expect(records[0]?.overrunNanoUsd).toBeGreaterThan(0);
    expect(await tell(key)).toMatch(/^refused (402|429)$/);
  });
});
