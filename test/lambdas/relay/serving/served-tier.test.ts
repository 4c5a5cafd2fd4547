// A request whose account serves in a dearer tier by itself: reserved for it, charged by what the answer or its headers say.
import { finished } from "node:stream/promises";
import { expect, test } from "vitest";
import { findPrice } from "../../../../lambdas/relay/counting/find-price.ts";
import type { ServingPorts } from "../../../../lambdas/relay/serving/ports.ts";
import { serveRequest } from "../../../../lambdas/relay/serving/serve-request.ts";
import { outgoing } from "../../../../lambdas/relay/serving/to-client.ts";
import { model, stageServing } from "./serving-stage.ts";

const listed = findPrice([], { platform: "anthropic", model, now: Date.parse("2026-11-20T12:00:00Z") });

/** An answer of 250 tokens; the vendor says the tier at its beginning, if at all. */
async function* answer(service_tier: string | undefined): AsyncGenerator<Buffer> {
  const event = (type: string, data: object) =>
    Buffer.from(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
  const usage = { input_tokens: 10, output_tokens: 1, ...(service_tier !== undefined && { service_tier }) };
  yield event("message_start", { message: { id: "msg_1", model, content: [], usage } });
  yield event("message_delta", { delta: { stop_reason: "end_turn" }, usage: { output_tokens: 250 } });
  yield event("message_stop", {});
}

async function ask(told: { inBody?: string; inHeaders?: string }, usualTier?: string) {
  if (listed === undefined) throw new Error("there is no price");
  const staged = stageServing({ answers: [() => ({ status: 200, body: answer(told.inBody) })] });
  const { ports, seen } = staged;
  const priceOverrides = [{ ...listed, tiers: { priority: 2000 } }];
  const tiered: ServingPorts = {
    ...ports,
    snapshot: async () => {
      const snapshot = await ports.snapshot();
      const accounts = snapshot.accounts.map((view) => ({
        ...view,
        account: { ...view.account, settings: usualTier === undefined ? {} : { usualTier } },
      }));
      return { ...snapshot, accounts, priceOverrides };
    },
    provider: async (name) => ({ ...(await ports.provider(name)), servedTier: () => told.inHeaders }),
  };
  const asked = staged.arrival("01HZZZZZZZZZZZZZZZZZZZZZZZ");
  const served = await serveRequest(asked, tiered);
  const sending = outgoing(served, asked.endsAt, tiered);
  sending.resume();
  await served.settled;
  await finished(sending).catch(() => undefined);
  const [record] = seen.settled;
  if (record === undefined) throw new Error(`nothing was settled: ${seen.failures.map(String).join(", ")}`);
  return record;
}

test("is charged by the answer's word, and by its headers' where the answer says nothing", async () => {
  const plain = await ask({});
  expect(plain.serviceTier).toBeUndefined();
  for (const told of [{ inBody: "priority" }, { inHeaders: "priority" }]) {
    const record = await ask(told);
    expect(record).toMatchObject({ serviceTier: "priority", chargedNanoUsd: plain.chargedNanoUsd * 2 });
  }
});

test("is reserved for in the tier that its accounts usually serve in, so that nothing is an overrun", async () => {
  const plain = await ask({});
  const record = await ask({ inBody: "priority" }, "priority");
  expect(record).toMatchObject({ reservedNanoUsd: plain.reservedNanoUsd * 2, overrunNanoUsd: 0 });
});
