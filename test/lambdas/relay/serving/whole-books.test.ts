// Serving on the real ledger and real slots, from seeds: upstreams that fail in every way, clients that leave, processes that die, keys
// that are changed in mid-stream. In the end records, windows and the accounts' daily costs say the same, and nothing is held.
// CAUSEWAY_LEDGER_SEEDS: how many, for a longer look.
import { createHmac } from "node:crypto";
import { finished } from "node:stream/promises";
import { DynamoDBClient, QueryCommand } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { UsageRecord } from "../../../../lambdas/relay/counting/usage-record.ts";
import { numberOf, type StoredItem } from "../../../../lambdas/relay/ledger/attributes.ts";
import { leasesOf } from "../../../../lambdas/relay/ledger/key-item.ts";
import { orphanFinder } from "../../../../lambdas/relay/scheduling/find-orphan.ts";
import { Fleet } from "../../../../lambdas/relay/scheduling/fleet.ts";
import { SlotBook, type SlotStore } from "../../../../lambdas/relay/scheduling/slot-book.ts";
import { KeyCache } from "../../../../lambdas/relay/serving/key-cache.ts";
import { serveRequest } from "../../../../lambdas/relay/serving/serve-request.ts";
import { outgoing } from "../../../../lambdas/relay/serving/to-client.ts";
import { SlotsStore } from "../../../../lambdas/relay/slots.store.ts";
import { TransportError } from "../../../../lambdas/relay/transports/transport.ts";
import { smallCalls } from "../../../../lambdas/shared/aws-clients.ts";
import { seededRandom } from "../../../../local/rig/faults.ts";
import { type HttpTables, startHttpTables } from "../../shared/http-tables.ts";
import { LedgerTables, nanoDollar, policyOf } from "../ledger/ledger-tables.ts";
import { answerOf, stageServing } from "./serving-stage.ts";

const table = "RelayAccounts";
const requests = 40;
const hourMilliseconds = 3_600_000;
const hangsMilliseconds = 90_000;
const seeds = Array.from({ length: Number(process.env.CAUSEWAY_LEDGER_SEEDS ?? 2) }, (_, index) => index + 1);

let tables: LedgerTables;
let accounts: HttpTables;

beforeAll(async () => {
  tables = await LedgerTables.start();
  accounts = await startHttpTables({ [table]: { partition: "partition", sort: "item" } });
});

afterAll(async () => {
  await tables?.[Symbol.asyncDispose]();
  await accounts?.[Symbol.asyncDispose]();
});

async function* wholeAnswer(): AsyncGenerator<Buffer> {
  const usage = { input_tokens: 100, output_tokens: 50 };
  yield Buffer.from(JSON.stringify({ id: "msg_1", type: "message", role: "assistant", content: [], usage }));
}

const hung = new TransportError("timeout", "no answer", true);

const upstreams = [
  () => ({ status: 200, body: answerOf(20) }),
  () => ({ status: 200, body: answerOf(20, 7) }),
  () => ({ status: 200, body: wholeAnswer() }),
  () => ({ status: 500, body: answerOf(0) }),
  () => new TransportError("connect", "refused", false),
  () => hung,
];

/** One seed's world: a key, two accounts, and everything that befalls their requests. */
class Books {
  /** Of processes that were to die. */
  readonly doomed = new Set<string>();
  readonly #random: () => number;
  readonly #staged;
  readonly #client = new DynamoDBClient(smallCalls);
  readonly #slots = new SlotsStore(this.#client, table);

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    const answer = () => {
      const answered = this.#pick(upstreams)();
      if (answered === hung) this.#staged.pass(hangsMilliseconds);
      return answered;
    };
    this.#staged = stageServing({ answers: [answer] });
  }

  get keyId(): string {
    return this.#staged.keyId;
  }

  async open(): Promise<void> {
    const [text = "", , pepper = ""] = this.#staged.secrets;
    const hash = createHmac("sha256", pepper).update(text).digest("hex");
    await tables.addKey({}, { keyId: this.keyId, hash });
  }

  /** One request to its end, whatever that is. */
  async ask(): Promise<void> {
    const { ports, arrival, pass } = this.#staged;
    const asked = arrival(tables.requestId(ports.now()));
    const isDoomed = this.#random() < 0.2;
    if (isDoomed) this.doomed.add(asked.requestId);
    const stream = this.#random() < 0.6;
    const body = Buffer.from(JSON.stringify({ ...JSON.parse(asked.body.toString()), stream }));
    const own = await this.#process(isDoomed ? 1 + Math.floor(this.#random() * 5) : Number.POSITIVE_INFINITY);
    const answer = await serveRequest({ ...asked, body }, { ...ports, ...own });
    const sending = outgoing(answer, asked.endsAt, ports);
    let pieces = this.#random() < 0.2 ? Math.floor(this.#random() * 4) : Number.POSITIVE_INFINITY;
    for await (const _piece of sending) {
      if (this.#random() < 0.05) await this.change();
      pieces -= 1;
      if (pieces < 0) break;
    }
    await answer.settled;
    await finished(sending).catch(() => undefined);
    pass(1);
  }

  async change(): Promise<void> {
    const { isDeleted, isEnabled } = await tables.readKey(this.keyId);
    if (isDeleted) await tables.keys.restore(this.keyId, "test");
    else if (this.#random() < 0.2) await tables.keys.markDeleted(this.keyId, "test");
    else if (!isEnabled || this.#random() < 0.2)
      await tables.keys.change(this.keyId, undefined, { enabled: !isEnabled }, "test");
    else {
      const spend = { day: Math.floor((1 + this.#random() * 9) * nanoDollar) };
      const multiplierThousandths = this.#pick([500, 1000, 3000]);
      const policy = policyOf({ spend, multiplierThousandths, timeZone: this.#pick(["UTC", "Asia/Tokyo"]) });
      await tables.keys.change(this.keyId, undefined, { policy }, "test");
    }
  }

  async sweep(): Promise<void> {
    this.#staged.pass(hourMilliseconds);
    const ledger = await this.#ledger(tables.client);
    for (const lease of leasesOf(await tables.item(this.keyId))) await ledger.expire(this.keyId, lease);
  }

  async slotItems(): Promise<readonly StoredItem[]> {
    const query = new QueryCommand({
      TableName: table,
      KeyConditionExpression: "#partition = :relay",
      ExpressionAttributeNames: { "#partition": "partition" },
      ExpressionAttributeValues: { ":relay": { S: "relay" } },
      ConsistentRead: true,
    });
    return ((await this.#client.send(query)).Items ?? []) as readonly StoredItem[];
  }

  /** Real cost by all days and accounts, as their quotas count it. */
  async countedCost(): Promise<number> {
    const sums = (await this.slotItems()).flatMap((item) => Object.entries(item));
    return sums.reduce((sum, [name, value]) => sum + (/^c\d{8}$/.test(name) ? (numberOf(value) ?? 0) : 0), 0);
  }

  /** A process of its own, which after so many calls to its tables makes none any more. */
  async #process(calls: number) {
    let left = calls;
    const isDead = () => {
      left -= 1;
      return left < 0;
    };
    const living = async () => {
      if (isDead()) throw new Error("killed");
    };
    const { ports } = this.#staged;
    const snapshot = await ports.snapshot();
    const ledger = await this.#ledger(tables.newClient(() => (isDead() ? new Error("killed") : undefined)));
    const store: SlotStore = {
      take: (...slot) => living().then(() => this.#slots.take(...slot)),
      release: (...slot) => living().then(() => this.#slots.release(...slot)),
    };
    const fleet = new Fleet({ read: async () => snapshot, now: ports.now, onStale: () => undefined });
    const keys = new KeyCache((keyId) => ledger.readKey(keyId), ports.now);
    return { ledger, keys, slots: new SlotBook(store, fleet) };
  }

  async #ledger(client: DynamoDBClient) {
    const { now, snapshot } = this.#staged.ports;
    const onFailure = (error: unknown) => {
      throw error;
    };
    const findOrphan = orphanFinder({ snapshot, slots: this.#slots, now, onFailure });
    return tables.newLedger({ client, now, random: this.#random, findOrphan });
  }

  #pick<Choice>(choices: readonly Choice[]): Choice {
    return choices[Math.floor(this.#random() * choices.length)] as Choice;
  }
}

const sumOf = (records: readonly UsageRecord[], figure: "chargedNanoUsd" | "realNanoUsd") =>
  records.reduce((sum, record) => sum + record[figure], 0);

it.each(seeds)("the books of seed %i are whole", async (seed) => {
  const books = new Books(seed);
  await books.open();
  const [before, costBefore] = [await tables.records(), await books.countedCost()];
  for (let nth = 0; nth < requests; nth += 1) {
    if (nth % 3 === 0) await books.change();
    await books.ask();
  }
  await books.sweep();

  const item = await tables.item(books.keyId);
  expect(leasesOf(item)).toEqual([]);
  const all = [...(await tables.records()).values()];
  expect(numberOf(item.u?.M?.total) ?? 0).toBe(sumOf(all, "chargedNanoUsd"));
  const records = all.filter(({ requestId }) => !before.has(requestId));
  expect(records.filter(({ overrunNanoUsd }) => overrunNanoUsd > 0)).toEqual([]);
  // Who died between its record and its slot left one of them to the sweeper, which then counts the worst.
  const alive = records.filter(({ requestId }) => !books.doomed.has(requestId));
  const counted = (await books.countedCost()) - costBefore;
  expect(counted).toBeGreaterThanOrEqual(sumOf(alive, "realNanoUsd"));
  expect(counted).toBeLessThanOrEqual(sumOf(records, "realNanoUsd"));
  const held = (await books.slotItems()).flatMap(({ leases }) => Object.keys(leases?.M ?? {}));
  expect(held.filter((requestId) => alive.some((record) => record.requestId === requestId))).toEqual([]);
  expect(sumOf(alive, "realNanoUsd"), "some were served").toBeGreaterThan(0);
});
