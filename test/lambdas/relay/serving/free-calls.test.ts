// Calls that no limit of a key holds back must not use up what all keys share.
import { finished } from "node:stream/promises";
import { expect, it } from "vitest";
import type { ServingPorts } from "../../../../lambdas/relay/serving/ports.ts";
import { serveRequest } from "../../../../lambdas/relay/serving/serve-request.ts";
import { outgoing } from "../../../../lambdas/relay/serving/to-client.ts";
import { stageServing } from "./serving-stage.ts";

it("what they show of an account counts, apart from a limit of their own", async () => {
  const body = async function* () {
    yield Buffer.from('{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}');
  };
  const staged = stageServing({ answers: [() => ({ status: 529, body: body() })] });
  const told: string[] = [];
  const conditions: ServingPorts["conditions"] = {
    changed: async (_account, { state }) => told.push(state) > 0,
    works: async () => undefined,
  };
  const asked = { ...staged.arrival("01HZZZZZZZZZZZZZZZZZZZZZZZ"), path: "/v1/messages/count_tokens" };
  const served = await serveRequest(asked, { ...staged.ports, conditions });
  await finished(outgoing(served, asked.endsAt, staged.ports).resume());
  await served.settled;
  expect(staged.seen.slots.size).toBe(0);
  expect(told).toEqual(["overloaded", "overloaded"]);
});

it("of an account's slots they leave some to the calls that are paid for", async () => {
  const statusAt = async (path: string, open: number) => {
    const staged = stageServing();
    const snapshot: ServingPorts["snapshot"] = async () => {
      const seen = await staged.ports.snapshot();
      return { ...seen, accounts: seen.accounts.map((view) => ({ ...view, own: { ...view.own, open } })) };
    };
    const asked = { ...staged.arrival("01HZZZZZZZZZZZZZZZZZZZZZZZ"), path };
    const served = await serveRequest(asked, { ...staged.ports, snapshot });
    await finished(outgoing(served, asked.endsAt, staged.ports).resume());
    await served.settled;
    return served.status;
  };
  expect(await statusAt("/v1/messages/count_tokens", 74)).toBe(200);
  expect(await statusAt("/v1/messages/count_tokens", 75)).toBe(429);
  expect(await statusAt("/v1/messages", 99)).toBe(200);
});
