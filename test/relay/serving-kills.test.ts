// The relay dies at each of its outgoing calls: what it held comes free by the sweeper and by time, and no money is lost or made.
import { GetCommand, QueryCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Account } from "../../lambdas/relay/scheduling/account.ts";
import { RelayRig, type RigKey } from "./relay-rig.ts";

const model = "claude-sonnet-4-5";
/** Beyond one slice, so that the stream is extended. */
const outputTokens = 1500;
/** Enough for one request, not for all. */
const limit = 1_000_000_000;
/** The longest answer, a lease's margin, and the sweeper's grace. */
const untilSweptMilliseconds = 18 * 60_000;

let rig: RelayRig;
let account: Account;
let relayFunction: string;

beforeAll(async () => {
  rig = await RelayRig.start();
  relayFunction = rig.cloud.resource("Relay/Function").physicalName;
  account = await rig.addAccount("anthropic", { concurrency: 100 });
  rig.cloud.aiUpstream.script({ platform: "anthropic" }, { outputTokens, events: 30 });
});

afterAll(async () => {
  await rig?.close();
});

/** Resolves when the gateway has given up or the answer is over, whichever way. */
async function ask(key: RigKey): Promise<void> {
  const headers = {
    ...{ "content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": key.text },
    "x-claude-code-session-id": key.keyId,
  };
  const messages = [{ role: "user", content: "Tell me much." }];
  const body = JSON.stringify({ model, max_tokens: 8000, stream: true, messages });
  await fetch(`${rig.url}/v1/messages`, { method: "POST", headers, body })
    .then((answer) => answer.arrayBuffer())
    .catch(() => undefined);
}

async function itemOf(key: RigKey) {
  const Key = { pk: `key#${key.keyId}` };
  const TableName = rig.cloud.output("RelayKeysTableName");
  const { Item } = await rig.documents.send(new GetCommand({ TableName, Key, ConsistentRead: true }));
  return Item as { readonly u: Record<string, number>; readonly L: Record<string, unknown> };
}

const recordOf = (key: RigKey) => rig.until("the record", async () => (await rig.recordsOf(key))[0]);

/** The account's shards of slots. */
async function shards(): Promise<readonly Record<string, unknown>[]> {
  const { Items = [] } = await rig.documents.send(
    new QueryCommand({
      TableName: rig.cloud.output("RelayAccountsTableName"),
      KeyConditionExpression: "#partition = :relay AND begins_with(#item, :slots)",
      ExpressionAttributeNames: { "#partition": "partition", "#item": "item" },
      ExpressionAttributeValues: { ":relay": "relay", ":slots": `s#${account.accountId}#` },
    }),
  );
  return Items;
}

/** Ends of the slots that are held. */
async function slotsHeld(): Promise<number[]> {
  return (await shards()).flatMap(({ leases }) => Object.values((leases ?? {}) as Record<string, number>));
}

/** What the account's daily quota counts, nano-USD. */
async function countedCost(): Promise<number> {
  const days = (await shards()).flatMap((shard) => Object.entries(shard).filter(([name]) => /^c\d{8}$/.test(name)));
  return days.reduce((sum, [, nanoUsd]) => sum + Number(nanoUsd), 0);
}

function kill(atCall: number, when: "before" | "after", scope: "invocation" | "environment" = "invocation"): void {
  rig.faults.add({ service: "lambda", operation: relayFunction, effect: { kind: "kill", atCall, when, scope } });
}

/** Whether the invocation lived to its end. */
async function survives(key: RigKey): Promise<boolean> {
  const before = rig.cloud.lambda.lastInvocations.length;
  await ask(key);
  const { error } = await rig.until("the invocation's end", async () => {
    const ended = rig.cloud.lambda.lastInvocations.slice(before);
    return ended.find(({ functionName }) => functionName === relayFunction);
  });
  return error === undefined;
}

describe("a relay that dies", () => {
  it("before or after any of its calls leaves no lease, no slot, and books that agree, once it was swept", async () => {
    const keys: RigKey[] = [];
    let calls = 0;
    for (let isDead = true; isDead; ) {
      calls += 1;
      for (const when of ["before", "after"] as const) {
        const key = await rig.addKey({ spend: { total: limit } });
        keys.push(key);
        kill(calls, when);
        isDead = !(await survives(key));
      }
    }
    expect(calls, "reads, reservation, slot, upstream, extension, record, settlement, slot, session").toBeGreaterThan(
      8,
    );
    expect((await slotsHeld()).length, "dead ones hold slots for a while").toBeGreaterThan(0);

    const countedBefore = await countedCost();
    rig.cloud.clock.advance(untilSweptMilliseconds);
    const { payload, error } = await rig.cloud.lambda.invoke(rig.cloud.output("SweepLeasesFunctionName"), "{}");
    expect(error, payload).toBeUndefined();

    let dearest = 1;
    const found = { withRecord: 0, without: 0, swept: 0 };
    for (const key of keys) {
      const [{ u, L }, records] = await Promise.all([itemOf(key), rig.recordsOf(key)]);
      expect(L).toEqual({});
      expect(records.length).toBeLessThan(2);
      expect(u.total ?? 0).toBe(records.reduce((sum, { chargedNanoUsd }) => sum + chargedNanoUsd, 0));
      expect(u.total ?? 0).toBeLessThanOrEqual(limit);
      found[records.length === 0 ? "without" : "withRecord"] += 1;
      if (records[0]?.outcome !== "lease-expired") continue;
      found.swept += 1;
      const { accountId, provider } = account;
      expect(records[0]).toMatchObject({ accountId, provider, modelServed: model, accountsTried: 1 });
      expect(records[0].realNanoUsd).toBe(records[0].chargedNanoUsd);
      dearest = Math.max(dearest, records[0].realNanoUsd);
    }
    expect(await countedCost(), "what they cost is in the account's quota").toBeGreaterThanOrEqual(
      countedBefore + dearest,
    );
    // Before the reservation nothing is known of a request; from then on it has a record, by itself or by the sweeper.
    expect(found.without).toBeGreaterThan(0);
    expect(found.swept).toBeGreaterThan(0);
    expect(found.withRecord).toBeGreaterThan(found.swept);
    expect((await slotsHeld()).filter((until) => until > rig.now())).toEqual([]);
  });

  it("leaves its account's places to others as soon as they are over", async () => {
    const { accountId } = await rig.addAccount("anthropic", { concurrency: 1 });
    const bound = { boundTo: { kind: "account", accountId } as const };
    const dead = await rig.addKey(bound);
    await rig.passSnapshot();
    // By its seventh call it has taken its place, however warm it is.
    kill(7, "after", "environment");
    expect(await survives(dead)).toBe(false);
    const others = await rig.addKey(bound);
    await ask(others);
    expect(await recordOf(others)).toMatchObject({ outcome: "refused", reason: "AccountsLimited" });
    rig.cloud.clock.advance(untilSweptMilliseconds);
    const key = await rig.addKey(bound);
    await ask(key);
    expect(await recordOf(key)).toMatchObject({ outcome: "ok", accountId });
  });
});
