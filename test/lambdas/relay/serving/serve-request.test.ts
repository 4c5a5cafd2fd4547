// Serving a request while everything around it fails, one thing at a time: an answer in any case, and nothing held afterwards.

import { Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { describe, expect, it } from "vitest";
import { serveRequest } from "../../../../lambdas/relay/serving/serve-request.ts";
import { outgoing } from "../../../../lambdas/relay/serving/to-client.ts";
import { TransportError } from "../../../../lambdas/relay/transports/transport.ts";
import { answerOf, refusalOf, type StageOptions, stageServing, steps } from "./serving-stage.ts";

/** Twenty words are more than one slice of output. */
const long = () => ({ status: 200, body: answerOf(20) });
const cut = () => ({ status: 200, body: answerOf(20, 5) });

type Stage = ReturnType<typeof stageServing>;

/** A client that reads so many pieces and then leaves. */
async function ask({ ports, arrival }: Stage, pieces = Number.POSITIVE_INFINITY) {
  const asked = arrival("01HZZZZZZZZZZZZZZZZZZZZZZZ");
  const served = await serveRequest(asked, ports);
  const read: Buffer[] = [];
  const sending = outgoing(served, asked.endsAt, ports);
  if (pieces === 0) sending.destroy();
  else {
    for await (const piece of sending) {
      read.push(Buffer.from(piece));
      if (read.length >= pieces) break;
    }
  }
  await served.settled;
  await finished(sending).catch(() => undefined);
  return { status: served.status, headers: served.headers, text: Buffer.concat(read).toString() };
}

const stage = (options: StageOptions = {}) => stageServing({ answers: [long], ...options });

describe("a request, while", () => {
  it.each(steps)("%s fails for good, is answered, and holds nothing that could be given back", async (failing) => {
    const staged = stage({ failing: [failing] });
    const { seen, secrets } = staged;
    const { status, headers, text } = await ask(staged);
    const isBeside = ["bindSession", "settle", "release", "extend"].includes(failing);
    expect(status).toBe(isBeside ? 200 : 503);
    expect(seen.failures.length, "somebody hears of it").toBeGreaterThan(0);
    if (failing !== "settle") expect([...seen.leases.keys()]).toEqual([]);
    if (failing !== "release") expect([...seen.slots]).toEqual([]);
    expect(seen.steps.filter((step) => step === "settle").length, "settled once at the most").toBeLessThan(2);
    const said = JSON.stringify([status, headers, text, seen.failures.map(String)]);
    expect(secrets.filter((secret) => said.includes(secret))).toEqual([]);
    expect(staged.ticks.size, "no timer stays").toBe(0);
  });

  it("an extension fails, ends its stream as a fault of the relay's and charges what was seen", async () => {
    const staged = stage({ failing: ["extend"] });
    const { text } = await ask(staged);
    expect(text).toContain("event: error");
    expect(staged.seen.settled).toMatchObject([{ outcome: "relay-error" }]);
    expect(staged.seen.settled[0]?.chargedNanoUsd).toBeGreaterThan(0);
  });

  it("its key is switched off, goes on for what is paid for, and ends in its own form", async () => {
    const staged = stage({ failing: ["extend"], fault: refusalOf("KeyDisabled") });
    const { text } = await ask(staged);
    expect(text).toContain('"stop_reason":"max_tokens"');
    expect(text).toContain("message_stop");
    expect(staged.seen.settled).toMatchObject([{ outcome: "budget", reason: "KeyDisabled" }]);
  });

  it("reservation and slot both fail, tells the reservation's refusal", async () => {
    const staged = stage({ failing: ["reserve", "take"], fault: refusalOf("BudgetReached") });
    expect((await ask(staged)).status).toBe(402);
  });

  it("its first account cannot be reached, holds a slot at the second one alone", async () => {
    const unreachable = () => new TransportError("connect", "the provider could not be reached", false);
    const staged = stage({ answers: [unreachable, long] });
    const { status } = await ask(staged, 1);
    expect(status).toBe(200);
    expect(staged.seen.steps.filter((step) => step === "take" || step === "release")).toEqual([
      ...["take", "release", "take", "release"],
    ]);
    expect([...staged.seen.slots]).toEqual([]);
  });
});

it("an account whose credential does not fit its provider any more hands over to the next one", async () => {
  const staged = stage();
  const said: unknown[] = [];
  const credentials = [{ token: "of an older version" }, { apiKey: "sk-upstream-0123456789" }];
  const ports = {
    ...staged.ports,
    credential: async () => credentials.shift(),
    conditions: {
      ...staged.ports.conditions,
      changed: async (_account: unknown, change: unknown) => {
        said.push(change);
        return true;
      },
    },
  };
  expect((await ask({ ...staged, ports })).status).toBe(200);
  expect(said).toEqual([{ state: "failing", said: expect.stringContaining("enter them anew") }]);
  expect(staged.seen.slots.size).toBe(0);
});

it("a limit of calls that cost nothing is no limit of the account's for those that do", async () => {
  const staged = stage();
  const said: unknown[] = [];
  const limited = JSON.stringify({ type: "error", error: { type: "rate_limit_error", message: "no more" } });
  const statuses = [429, 200];
  const failed: (boolean | undefined)[] = [];
  const ports: Stage["ports"] = {
    ...staged.ports,
    slots: {
      take: staged.ports.slots.take,
      release: (slot, requestId, figures, at) => {
        failed.push(figures?.failed);
        return staged.ports.slots.release(slot, requestId, figures, at);
      },
    },
    transport: {
      send: async () => ({
        status: statuses.shift() ?? 500,
        headers: {
          "content-type": "application/json",
          "anthropic-ratelimit-requests-remaining": "0",
          "anthropic-ratelimit-requests-reset": new Date(staged.ports.now() + 30_000).toISOString(),
        },
        body: (async function* () {
          yield Buffer.from(statuses.length > 0 ? limited : '{"input_tokens":7}');
        })(),
        abort: () => undefined,
      }),
    },
    conditions: {
      ...staged.ports.conditions,
      changed: async (_account: unknown, change: unknown) => {
        said.push(change);
        return true;
      },
    },
  };
  const arrival = (requestId: string) => {
    const asked = staged.arrival(requestId);
    const { max_tokens: _, stream: __, ...body } = JSON.parse(asked.body.toString());
    return { ...asked, path: "/v1/messages/count_tokens", body: Buffer.from(JSON.stringify(body)) };
  };
  const { status, text } = await ask({ ...staged, ports, arrival });
  expect([status, text, said]).toEqual([200, '{"input_tokens":7}', []]);
  expect(failed, "nor is it an error of its figures").toEqual([undefined, false]);
  expect(staged.seen.slots.size).toBe(0);
});

describe("a client", () => {
  it.each([
    ["before it reads anything", 0],
    ["after the first piece", 1],
    ["in the middle", 6],
  ])("that leaves %s: the request is settled, once, as one whose client is gone", async (_, pieces) => {
    const staged = stage();
    await ask(staged, pieces);
    const { seen } = staged;
    expect(seen.settled).toMatchObject([{ outcome: "client-gone" }]);
    expect([seen.leases.size, seen.slots.size, seen.failures.length]).toEqual([0, 0, 0]);
    expect(seen.aborts).toHaveLength(1);
    expect(staged.ticks.size).toBe(0);
  });

  it("whose connection breaks is no fault of the relay's", async () => {
    const staged = stage();
    const asked = staged.arrival("01HZZZZZZZZZZZZZZZZZZZZZZZ");
    const served = await serveRequest(asked, staged.ports);
    let written = 0;
    const breaking = new Writable({
      write: (_chunk, _encoding, done) => {
        written += 1;
        done(written > 3 ? new Error("EPIPE") : null);
      },
    });
    await expect(pipeline(outgoing(served, asked.endsAt, staged.ports), breaking)).rejects.toThrow("EPIPE");
    await served.settled;
    expect(staged.seen.settled).toMatchObject([{ outcome: "client-gone" }]);
    expect(staged.seen.failures).toEqual([]);
  });

  it("that leaves while an error about its request passes is not held against the account", async () => {
    const error = Buffer.from(
      JSON.stringify({ type: "error", error: { type: "invalid_request_error", message: "no" } }),
    );
    const refusing = () => ({
      status: 400,
      body: (async function* () {
        yield error;
      })(),
    });
    for (const pieces of [0, 1]) {
      const staged = stage({ answers: [refusing] });
      await ask(staged, pieces);
      expect([staged.seen.leases.size, staged.seen.slots.size]).toEqual([0, 0]);
      expect(staged.seen.settled).toHaveLength(1);
      expect(staged.seen.settled[0]).toMatchObject({ chargedNanoUsd: 0 });
      expect(staged.seen.settled[0]?.outcome).not.toBe("upstream-error");
    }
  });

  it("that reads no more is given up while there is time to settle, and charged what it had", async () => {
    const staged = stage();
    const asked = staged.arrival("01HZZZZZZZZZZZZZZZZZZZZZZZ");
    const served = await serveRequest(asked, staged.ports);
    const stalled = new Writable({ highWaterMark: 1, write: () => undefined });
    const sent = pipeline(outgoing(served, asked.endsAt, staged.ports), stalled).catch(() => "broken off");
    // The first piece is on its way, and nobody takes it.
    await new Promise((resolve) => setImmediate(resolve));
    staged.pass(896_000);
    expect(staged.seen.settled).toEqual([]);
    staged.pass(1_500);
    expect(await sent).toBe("broken off");
    await served.settled;
    expect(staged.seen.settled).toHaveLength(1);
    expect([staged.seen.leases.size, staged.seen.slots.size, staged.ticks.size]).toEqual([0, 0, 0]);
  });

  it("has its refusal when what the request had reserved is free again", async () => {
    const staged = stage({ answers: [() => new TransportError("timeout", "no answer", true)] });
    const { ports, arrival, seen } = staged;
    const served = await serveRequest(arrival("01HZZZZZZZZZZZZZZZZZZZZZZZ"), ports);
    expect([served.status, seen.leases.size, seen.settledLeases]).toEqual([504, 0, 1]);
  });

  it("has its record where nobody could read what it asked, and nobody else's request has one", async () => {
    const staged = stage();
    const asked = staged.arrival("01HZZZZZZZZZZZZZZZZZZZZZZZ");
    const unreadable = { ...asked, body: Buffer.from('{"model":') };
    const { status, settled } = await serveRequest(unreadable, staged.ports);
    await settled;
    expect(staged.seen.settled).toMatchObject([
      { keyId: staged.keyId, outcome: "refused", reason: "BodyInvalid", status, operation: "unread" },
    ]);
    for (const headers of [{}, { "x-api-key": "cwk_nobody" }]) {
      const served = await serveRequest({ ...unreadable, headers }, staged.ports);
      await served.settled;
    }
    expect(staged.seen.settled).toHaveLength(1);
  });

  it("has no record of what nobody could read where its key was deleted", async () => {
    const staged = stage();
    const readKey = staged.ports.ledger.readKey.bind(staged.ports.ledger);
    staged.ports.ledger.readKey = async (keyId) => {
      const key = await readKey(keyId);
      return key && { ...key, isDeleted: true };
    };
    const asked = { ...staged.arrival("01HZZZZZZZZZZZZZZZZZZZZZZZ"), body: Buffer.from('{"model":') };
    const { settled } = await serveRequest(asked, staged.ports);
    await settled;
    expect(staged.seen.settled).toEqual([]);
  });

  it("is charged what an upstream that was given up may bill, and nothing where none was at work", async () => {
    const charged = async (kind: "timeout" | "connect", wasSent: boolean, waits: number, stream = false) => {
      let pass: (milliseconds: number) => void = () => undefined;
      const failing = () => {
        pass(waits);
        return new TransportError(kind, "no answer", wasSent);
      };
      const staged = stage({ answers: [failing, failing, failing] });
      pass = staged.pass;
      let counted = 0;
      const release = staged.ports.slots.release.bind(staged.ports.slots);
      staged.ports.slots.release = async (slot, requestId, figures, now) => {
        counted += figures?.realNanoUsd ?? 0;
        await release(slot, requestId, figures, now);
      };
      const asked = staged.arrival("01HZZZZZZZZZZZZZZZZZZZZZZZ");
      const body = Buffer.from(JSON.stringify({ ...JSON.parse(asked.body.toString()), stream }));
      const served = await serveRequest({ ...asked, body }, staged.ports);
      await served.settled;
      expect(staged.seen.leases.size).toBe(0);
      const [settled] = staged.seen.settled;
      expect(counted, "in the account's quota of the day, too").toBe(settled?.realNanoUsd);
      return settled;
    };
    const record = await charged("timeout", true, 20_000);
    expect(record).toMatchObject({ outcome: "upstream-error", usageSource: "estimated", accountsTried: 1 });
    expect(record?.accountId).not.toBe("");
    expect(record?.chargedNanoUsd).toBeGreaterThan(0);
    expect(record?.chargedNanoUsd).toBeLessThanOrEqual(record?.reservedNanoUsd ?? 0);
    expect(await charged("timeout", false, 20_000)).toMatchObject({ usageSource: "none", chargedNanoUsd: 0 });
    expect(await charged("timeout", true, 20_000, true)).toMatchObject({ usageSource: "none", chargedNanoUsd: 0 });
    expect(await charged("connect", true, 20)).toMatchObject({ usageSource: "none", chargedNanoUsd: 0 });
  });

  it.each([
    ["goes on, charged as it began, where the key's price was changed", { multiplierThousandths: 5000 }, "ok"],
    ["ends where its model was taken from the key", { models: ["gpt-*"] }, "budget"],
    ["ends where its address was", { addresses: ["192.0.2.0/24"] }, "budget"],
  ])("a running stream %s", async (_, policy, outcome) => {
    const charged = async (change: object) => {
      const staged = stage();
      const { ledger } = staged.ports;
      const extend = ledger.extend.bind(ledger);
      const key = await ledger.readKey(staged.keyId);
      ledger.extend = (lease, more) => {
        if (key !== undefined) more.renewed({ ...key, version: 2, policy: { ...key.policy, ...change } });
        return extend(lease, more);
      };
      const isAddressIn = (ranges: readonly string[]) => !ranges.includes("192.0.2.0/24");
      await ask({ ...staged, ports: { ...staged.ports, isAddressIn } });
      expect(staged.seen.settled).toHaveLength(1);
      return staged.seen.settled[0];
    };
    const record = await charged(policy);
    expect(record?.outcome).toBe(outcome);
    if (outcome === "ok") expect(record?.chargedNanoUsd).toBe((await charged({}))?.chargedNanoUsd);
  });

  it("in one piece that began and did not end in time is charged the time that it may have been at work", async () => {
    async function* never() {
      yield Buffer.from(" ");
      await new Promise<never>(() => undefined);
    }
    const staged = stage({ answers: [() => ({ status: 200, body: never() })] });
    const asked = staged.arrival("01HZZZZZZZZZZZZZZZZZZZZZZZ");
    const body = Buffer.from(JSON.stringify({ ...JSON.parse(asked.body.toString()), stream: false }));
    const served = await serveRequest({ ...asked, body }, staged.ports);
    for await (const _piece of outgoing(served, asked.endsAt, staged.ports)) staged.pass(895_000);
    await served.settled;
    const [record] = staged.seen.settled;
    expect(record).toMatchObject({ outcome: "deadline", usageSource: "estimated" });
    // All of its 8,000 tokens: at 50 a second it would have made more.
    expect(record?.usage.outputTokens).toBe(8000);
  });

  it("of a key with one place sees the end of an answer when that place is free again", async () => {
    const staged = stage({ policy: { concurrency: 1 } });
    const asked = staged.arrival("01HZZZZZZZZZZZZZZZZZZZZZZZ");
    const served = await serveRequest(asked, staged.ports);
    for await (const _piece of outgoing(served, asked.endsAt, staged.ports)) expect(staged.seen.leases.size).toBe(1);
    expect(staged.seen.leases.size).toBe(0);
  });

  it("of a key with room for little more sees the end when what was not used is free again", async () => {
    const staged = stage({ policy: { spend: { day: 200_000_000 } } });
    const asked = staged.arrival("01HZZZZZZZZZZZZZZZZZZZZZZZ");
    const neverSent = () => new Promise<void>(() => {});
    const served = await serveRequest(asked, { ...staged.ports, afterSending: neverSent });
    for await (const _piece of outgoing(served, asked.endsAt, staged.ports)) expect(staged.seen.leases.size).toBe(1);
    expect(staged.seen.leases.size).toBe(0);
  });

  it("at an account with one slot sees the end when that slot is free again", async () => {
    const staged = stage();
    const snapshot: typeof staged.ports.snapshot = async () => {
      const seen = await staged.ports.snapshot();
      return {
        ...seen,
        accounts: seen.accounts.map((view) => ({ ...view, account: { ...view.account, concurrency: 1 } })),
      };
    };
    const asked = staged.arrival("01HZZZZZZZZZZZZZZZZZZZZZZZ");
    const afterSending = () => new Promise<void>(() => {});
    const served = await serveRequest(asked, { ...staged.ports, snapshot, afterSending });
    for await (const _piece of outgoing(served, asked.endsAt, staged.ports)) expect(staged.seen.slots.size).toBe(1);
    expect(staged.seen.slots.size).toBe(0);
  });

  it("of a key that may wait in a line takes no account's slot before its turn", async () => {
    const staged = stage({ policy: { waiting: { most: 10, longestMilliseconds: 5000 } } });
    await ask(staged);
    const { steps: taken } = staged.seen;
    expect(taken.indexOf("take")).toBeGreaterThan(taken.indexOf("reserve"));
    const refused = stage({
      policy: { waiting: { most: 10, longestMilliseconds: 5000 } },
      failing: ["reserve"],
      fault: refusalOf("BudgetReached"),
    });
    await ask(refused);
    expect(refused.seen.steps).not.toContain("take");
  });
});

describe("an answer that breaks off", () => {
  it("is told in the stream, charged by what was seen, and leaves nothing", async () => {
    const staged = stage({ answers: [cut] });
    const { text } = await ask(staged);
    expect(text).toContain("event: error");
    expect(staged.seen.settled).toMatchObject([{ outcome: "upstream-error", usageSource: "estimated" }]);
    expect([staged.seen.leases.size, staged.seen.slots.size]).toEqual([0, 0]);
  });
});
