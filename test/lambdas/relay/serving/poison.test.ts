// A request on which every upstream breaks, sent again and again by one key: the other keys are served as if it were not there.
import { createHmac } from "node:crypto";
import { expect, it } from "vitest";
import { makeClientKey } from "../../../../lambdas/relay/ledger/client-key.ts";
import type { LedgerKey } from "../../../../lambdas/relay/ledger/ledger.ts";
import type { Account } from "../../../../lambdas/relay/scheduling/account.ts";
import { AccountConditions } from "../../../../lambdas/relay/scheduling/conditions.ts";
import { Fleet } from "../../../../lambdas/relay/scheduling/fleet.ts";
import type { SlotFigures } from "../../../../lambdas/relay/scheduling/slot.ts";
import { SlotBook } from "../../../../lambdas/relay/scheduling/slot-book.ts";
import { noTraffic, type SlotShard } from "../../../../lambdas/relay/scheduling/snapshot.ts";
import { KeyCache } from "../../../../lambdas/relay/serving/key-cache.ts";
import type { ServingPorts } from "../../../../lambdas/relay/serving/ports.ts";
import { serveRequest } from "../../../../lambdas/relay/serving/serve-request.ts";
import { TransportError } from "../../../../lambdas/relay/transports/transport.ts";
import { accountOf } from "../scheduling/sample-accounts.ts";
import { answerOf, stageServing } from "./serving-stage.ts";

type Behaviour = "500" | "hangs" | "streamed" | "breaks off" | "unreachable";

/** Three accounts, and as many keys as are asked for; a request with the word "poison" meets what the behaviour says. */
function stageFleet(behaviour: Behaviour) {
  const { ports: base, arrival, pass } = stageServing();
  const settings = base.snapshot().then((snapshot) => snapshot.settings);
  const accounts = new Map<string, Account>(["a", "b", "c"].map((id) => [id, accountOf(id, { priority: 1 })]));
  const figures: Record<string, SlotFigures[]> = { a: [], b: [], c: [] };
  const sentTo: string[] = [];
  const { now } = base;
  const shardOf = (id: string): SlotShard => {
    const counted = (figures[id] ?? []).filter((each) => !each.isCostAlone);
    const errors = counted.filter((each) => each.failed).length;
    const minute = Math.floor(now() / 60_000);
    return {
      ...{ shard: 0, taken: 0, lastAssignedAt: 0, spentByDay: {} },
      figures: [{ minute, answers: counted.length, errors, firstByteMilliseconds: 0 }],
    };
  };
  const fleet = new Fleet({
    read: async () => ({
      readAt: now(),
      accounts: [...accounts.values()].map((account) => ({
        ...{ account, shards: [shardOf(account.accountId)], own: noTraffic() },
      })),
      groups: [],
      priceOverrides: [],
      settings: await settings,
    }),
    now,
    onStale: () => undefined,
  });
  const conditions = new AccountConditions({
    store: {
      account: async (id) => accounts.get(id),
      replaceCondition: async (id, family, seen, next) => {
        const account = accounts.get(id);
        const present = family === undefined ? account?.condition : account?.familyConditions[family];
        if (account === undefined || present?.since !== seen?.since || present?.state !== seen?.state) return false;
        const { familyConditions } = account;
        accounts.set(
          id,
          family === undefined
            ? { ...account, condition: next }
            : { ...account, familyConditions: { ...familyConditions, [family]: next } },
        );
        return true;
      },
    },
    history: { noteError: async () => undefined },
    fleet,
    now,
    onChange: () => undefined,
    onFailure: (error) => expect(error).toBeUndefined(),
  });
  const slots = new SlotBook(
    {
      take: async () => true,
      release: async ({ accountId }, _requestId, shown) => {
        if (shown !== undefined) figures[accountId]?.push(shown);
      },
    },
    fleet,
  );
  const keys = new Map<string, LedgerKey>();
  const ledger: ServingPorts["ledger"] = {
    ...base.ledger,
    readKey: async (keyId) => keys.get(keyId),
    reserve: async (request) => ({
      ...(await base.ledger.reserve(request)),
      keyId: request.key.keyId,
      key: request.key,
    }),
  };
  const ports: ServingPorts = {
    ...{ ...base, ledger, slots, conditions, snapshot: () => fleet.snapshot() },
    keys: new KeyCache((keyId) => ledger.readKey(keyId), now),
    credential: async ({ accountId }) => ({ apiKey: `sk-upstream-${accountId}` }),
    transport: {
      send: async ({ headers, body }) => {
        sentTo.push((headers["x-api-key"] ?? "").slice(-1));
        const isPoison = body.includes("poison");
        if (isPoison && behaviour === "hangs") throw new TransportError("timeout", "no answer", true);
        if (isPoison && behaviour === "unreachable") throw new TransportError("connect", "ECONNREFUSED", false);
        const abort = () => undefined;
        const stream = { "content-type": "text/event-stream" };
        if (!isPoison) return { status: 200, headers: stream, body: answerOf(3), abort };
        if (behaviour === "breaks off") return { status: 200, headers: stream, body: answerOf(20, 2), abort };
        const error = JSON.stringify({ type: "error", error: { type: "api_error", message: "no" } });
        const text = behaviour === "500" ? error : `event: error\ndata: ${error}\n\n`;
        const bytes = (async function* () {
          yield Buffer.from(text);
        })();
        return { status: behaviour === "500" ? 500 : 200, headers: stream, body: bytes, abort };
      },
    },
  };
  let requests = 0;
  const addKey = (seed: number) => {
    const { keyId, text } = makeClientKey(new Uint8Array(64).fill(seed));
    return base.keys.key(keyId, true).then(({ key }) => {
      if (key === undefined) throw new Error("no key to copy");
      const secrets = { [createHmac("sha256", "pepper").update(text).digest("hex")]: null };
      keys.set(keyId, { ...key, keyId, secrets });
      return text;
    });
  };
  /** The accounts that were asked, and the status. */
  const ask = async (text: string, words: string) => {
    requests += 1;
    const before = sentTo.length;
    const plain = arrival(`01HZZZZZZZZZZZZZZZZZZZZ${String(requests).padStart(3, "0")}`);
    const body = JSON.stringify({ ...JSON.parse(plain.body.toString()), messages: [{ role: "user", content: words }] });
    const asked = { ...plain, headers: { ...plain.headers, "x-api-key": text }, body: Buffer.from(body) };
    const served = await serveRequest(asked, ports);
    if (typeof served.body !== "string" && !Buffer.isBuffer(served.body)) {
      for await (const _ of served.body) pass(1);
    }
    await served.settled;
    pass(1);
    return { status: served.status, sentTo: sentTo.slice(before).sort().join("") };
  };
  const errorsOf = (id: string) => figures[id]?.filter((each) => each.failed && !each.isCostAlone).length;
  return { addKey, ask, pass, accounts, errorsOf };
}

it.each<Behaviour>(["500", "hangs", "streamed", "breaks off"])(
  "one key's poison (%s), thirty times, takes no account from another key",
  async (behaviour) => {
    const { addKey, ask, pass, errorsOf } = stageFleet(behaviour);
    const [mine, other] = [await addKey(1), await addKey(2)];
    for (let turn = 0; turn < 30; turn += 1) {
      await ask(mine, "poison");
      pass(700);
      const { status } = await ask(mine, "a good one");
      expect(status, "its own good requests are served").toBe(200);
    }
    // More than the age of a snapshot: what is learned is what others wrote.
    pass(2500);
    const served = new Set<string>();
    for (let turn = 0; turn < 30; turn += 1) {
      const { status, sentTo } = await ask(other, "a good one");
      expect([status, sentTo.length], "at the first account that was asked").toEqual([200, 1]);
      served.add(sentTo);
      pass(100);
    }
    expect([...served].sort()).toEqual(["a", "b", "c"]);
    for (const id of ["a", "b", "c"]) expect(errorsOf(id), "counted once").toBeLessThan(2);
  },
);

it.each<[string, Behaviour, number]>([
  ["of two keys", "500", 2],
  ["that are certain, of one key", "unreachable", 1],
])("failures %s pause the accounts as they are", async (_, behaviour, mostKeys) => {
  const { addKey, ask, pass, accounts } = stageFleet(behaviour);
  const keys = await Promise.all([addKey(1), addKey(2)].slice(0, mostKeys));
  const [mine = ""] = keys;
  for (let turn = 0; turn < 2; turn += 1) {
    for (const key of keys) await ask(key, "poison");
    pass(2500);
  }
  const states = [...accounts.values()].map(({ condition, familyConditions }) => {
    const [ill] = [condition, ...Object.values(familyConditions)].filter(({ state }) => state === "failing");
    return [ill?.failures, ill?.accusedBy];
  });
  expect(states).toEqual(Array.from({ length: 3 }, () => [2, undefined]));
  expect((await ask(mine, "a good one")).sentTo, "nobody is asked").toBe("");
});
