// The ledger on the local cloud: the sweeper under its own role, killed in the middle; and streams on an item that transactions hold.
import { randomBytes } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Lease, LedgerKey } from "../../lambdas/relay/ledger/ledger.ts";
import { LedgerStore } from "../../lambdas/relay/ledger.store.ts";
import { makeRequestId } from "../../lambdas/relay/request-id.ts";
import { isErrorNamed } from "../../lambdas/shared/errors.ts";
import { nobody, recordOf } from "../lambdas/relay/ledger/ledger-tables.ts";
import { RelayRig } from "./relay-rig.ts";

const minute = 60_000;
const nanoUsd = 1000;

let rig: RelayRig;
let ledger: LedgerStore;

beforeAll(async () => {
  rig = await RelayRig.start();
  ledger = new LedgerStore({
    client: new DynamoDBClient({ ...rig.cloud.clientConfig(), maxAttempts: 5 }),
    keysTable: rig.cloud.output("RelayKeysTableName"),
    usageTable: rig.cloud.output("RelayUsageTableName"),
    now: () => rig.now(),
    random: Math.random,
    recordDays: () => 90,
    findOrphan: async () => nobody,
  });
});

afterEach(() => {
  rig?.faults.clear();
  rig?.cloud.dynamodb.simulate({});
});

afterAll(async () => {
  await rig?.close();
});

async function keyWith(policy: Parameters<RelayRig["addKey"]>[0] = {}): Promise<LedgerKey> {
  const { keyId } = await rig.addKey(policy);
  const key = await ledger.readKey(keyId);
  if (key === undefined) throw new Error("the key is not there");
  return key;
}

function reserve(
  key: LedgerKey,
  leaseUntil: number,
  requestId = makeRequestId(rig.now(), randomBytes(16)),
): Promise<Lease> {
  const now = rig.now();
  return ledger.reserve({
    ...{ requestId, key, nanoUsd, tokens: 10, family: undefined, now, leaseUntil },
    ...{ accountId: undefined, asksForCount: false },
    call: { platform: "openai", operation: "chat", model: "gpt-5", answers: "sse" },
    renewed: () => ({ nanoUsd, tokens: 10 }),
  });
}

/** On a machine with much else to do a transaction holds its items for longer than the store is patient: then it is asked again. */
async function unwearied<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      if (attempt === 20 || !isErrorNamed(error, "AwsUnavailable")) throw error;
    }
  }
}

async function sweep(): Promise<{ readonly failed: boolean; readonly answer: Record<string, unknown> }> {
  const client = new LambdaClient(rig.cloud.clientConfig());
  const FunctionName = rig.cloud.output("SweepLeasesFunctionName");
  const { FunctionError, Payload } = await client.send(new InvokeCommand({ FunctionName, Payload: "{}" }));
  return { failed: FunctionError !== undefined, answer: JSON.parse(Buffer.from(Payload ?? []).toString()) };
}

describe("the sweeper", () => {
  it("settles what is over under its own role, goes on where it died, and leaves what lives", async () => {
    const key = await keyWith();
    const over = rig.now() - minute;
    const dead = await Promise.all(Array.from({ length: 6 }, () => reserve(key, over)));
    const alive = await reserve(key, rig.now() + 15 * minute);
    rig.faults.add({
      service: "lambda",
      resourceIncludes: "SweepLeases",
      times: 1,
      effect: { kind: "kill", atCall: 14, when: "after" },
    });
    rig.faults.add({
      service: "dynamodb",
      operation: "UpdateItem",
      times: 3,
      effect: { kind: "transaction-conflict" },
    });
    await sweep();
    expect(rig.faults.fired.map(({ effect }) => effect.kind)).toContain("kill");
    const { failed, answer } = await sweep();
    expect(failed).toBe(false);
    expect(answer).toMatchObject({ failed: 0, alive: 0, isComplete: true });
    expect(await ledger.readKey(key.keyId)).toMatchObject({ leaseCount: 1, used: { total: 7 * nanoUsd } });
    for (const { requestId } of dead) {
      expect(await rig.record(requestId)).toMatchObject({ outcome: "lease-expired", chargedNanoUsd: nanoUsd });
    }
    await ledger.settle(alive, recordOf(alive, 1));
    expect(await ledger.readKey(key.keyId)).toMatchObject({ leaseCount: 0, used: { total: 6 * nanoUsd + 1 } });
  });
});

describe("streams on an item that transactions hold", () => {
  it("all settle, the late ones too, and the windows say what the records say", async () => {
    const key = await keyWith({ concurrency: 100, prepaid: true });
    const topUp = (nth: number, amount: number) =>
      rig.keys.addToBalance({
        ...{ keyId: key.keyId, entryId: `top-up-${nth}`, kind: "top-up", nanoUsd: amount, note: "", by: "test" },
      });
    await topUp(0, 100 * nanoUsd);
    const over = rig.now() - minute;
    const late = await Promise.all(Array.from({ length: 8 }, () => reserve(key, over)));
    expect((await sweep()).failed).toBe(false);
    rig.cloud.dynamodb.simulate({ transactionHoldMilliseconds: 5 });
    const stream = async (nth: number) => {
      const requestId = makeRequestId(rig.now(), randomBytes(16));
      const lease = await unwearied(() => reserve(key, rig.now() + 15 * minute, requestId));
      await unwearied(() => ledger.settle(lease, recordOf(lease, nth)));
    };
    await Promise.all([
      ...Array.from({ length: 30 }, (_, nth) => stream(nth)),
      ...late.map((lease) => unwearied(() => ledger.settle(lease, recordOf(lease, 3)))),
      ...[1, 2, 3].map((nth) => unwearied(() => topUp(nth, 1))),
    ]);
    const charged = (29 * 30) / 2 + late.length * 3;
    expect(await ledger.readKey(key.keyId)).toMatchObject({
      ...{ leaseCount: 0, used: { total: charged } },
      balanceNanoUsd: 100 * nanoUsd + 3 - charged,
    });
    expect(Object.keys(rig.cloud.dynamodb.calls()).some((call) => call.startsWith("TransactWriteItems"))).toBe(true);
  });
});
