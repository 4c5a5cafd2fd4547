// Accounts that fail, are limited or dead: the next one answers while nothing was answered yet; sessions stay, and move when they must.

import { randomUUID } from "node:crypto";
import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Account } from "../../lambdas/relay/scheduling/account.ts";
import type { Behaviour } from "../../local/ai-upstream/behaviour.ts";
import { RelayRig, type RigKey } from "./relay-rig.ts";

const model = "claude-opus-4-5";
const messages = [{ role: "user" as const, content: "Say hi." }];

let rig: RelayRig;
let key: RigKey;
let first: Account;
let second: Account;

beforeAll(async () => {
  rig = await RelayRig.start();
});

afterAll(async () => {
  await rig?.close();
});

/** Each test has accounts of its own, and a key that may use no others. */
beforeEach(async () => {
  rig.cloud.aiUpstream.clear();
  const group = `g-${randomUUID().slice(0, 8)}`;
  // The first one is preferred as long as it can serve.
  first = await rig.addAccount("anthropic", { priority: 1, groups: [group] });
  second = await rig.addAccount("anthropic", { priority: 2, groups: [group] });
  key = await rig.addKey({ boundTo: { kind: "group", group } });
  await rig.passSnapshot();
});

function ask(session?: string) {
  const client = new Anthropic({ baseURL: rig.url, apiKey: key.text, maxRetries: 0 });
  const headers = session === undefined ? {} : { "x-claude-code-session-id": session };
  return client.messages.create({ model, max_tokens: 50, messages }, { headers }).withResponse();
}

async function stream() {
  const client = new Anthropic({ baseURL: rig.url, apiKey: key.text, maxRetries: 0 });
  return client.messages.stream({ model, max_tokens: 50, messages }).finalMessage();
}

const script = (account: Account, behaviour: Behaviour, times?: number) =>
  rig.cloud.aiUpstream.script({ key: account.accountId, ...(times !== undefined && { times }) }, behaviour);

const servedBy = () => rig.cloud.aiUpstream.requests.at(-1)?.key;

describe("before the first byte", () => {
  it.each<[string, Behaviour, string]>([
    ["rate-limited", { rateLimit: { resetAfterSeconds: 600 } }, "rate-limited"],
    ["overloaded", { error: { status: 529 } }, "overloaded"],
    ["unauthorised", { error: { status: 401 } }, "unauthorised"],
    ["without credit", { error: { status: 402 } }, "quota-spent"],
    ["failing", { error: { status: 500 } }, "failing"],
    ["cutting the connection", { end: { beforeHeaders: true, how: "reset" } }, "failing"],
  ])("an account that is %s hands over to the next, and is left alone", async (_, behaviour, state) => {
    script(first, behaviour, 1);
    const { response } = await ask();
    expect(response.status).toBe(200);
    expect(servedBy()).toBe(second.accountId);
    const record = await rig.record(response.headers.get("x-causeway-request-id"));
    expect(record).toMatchObject({ accountId: second.accountId, accountsTried: 2, outcome: "ok" });
    const known = await rig.until("the condition", async () => {
      const account = await rig.accounts.account(first.accountId);
      const states = [account?.condition, ...Object.values(account?.familyConditions ?? {})].map((each) => each?.state);
      return states.some((each) => each !== "healthy") ? states : undefined;
    });
    expect(known).toContain(state);
    await ask();
    expect(servedBy(), "the next request does not ask it").toBe(second.accountId);
  });

  it("an error as the first event of a stream hands over, too", async () => {
    script(first, { streamError: { status: 529, type: "overloaded_error", afterEvents: 0 } }, 1);
    expect((await stream()).stop_reason).toBe("end_turn");
    expect(servedBy()).toBe(second.accountId);
  });

  it("an error about the request passes byte for byte, and nobody else is asked", async () => {
    const body = '{"type":"error","error":{"type":"invalid_request_error","message":"messages: odd  spacing kept"}}';
    script(first, { status: 400, body, headers: { "content-type": "application/json" } }, 1);
    const answer = await fetch(`${rig.url}/v1/messages`, {
      method: "POST",
      headers: { "x-api-key": key.text, "anthropic-version": "2023-06-01", "content-type": "application/json" },
      body: JSON.stringify({ model, max_tokens: 50, messages }),
    });
    expect([answer.status, await answer.text()]).toEqual([400, body]);
    expect(rig.cloud.aiUpstream.requests).toHaveLength(1);
    const record = await rig.record(answer.headers.get("x-causeway-request-id"));
    expect(record).toMatchObject({ status: 400, chargedNanoUsd: 0 });
  });

  it("one key's request on which every account fails, sent again, leaves them to other keys, and to itself", async () => {
    const group = first.groups[0] ?? "";
    const other = await rig.addKey({ boundTo: { kind: "group", group } });
    for (let turn = 0; turn < 3; turn += 1) {
      script(first, { error: { status: 500 } }, 1);
      script(second, { error: { status: 500 } }, 1);
      await expect(ask()).rejects.toThrow();
    }
    // Accusals are written before the answer goes; here they are read as another Lambda would.
    await rig.passSnapshot();
    for (const asking of [other, key]) {
      key = asking;
      await ask();
      expect(servedBy()).toBe(first.accountId);
    }
    const { condition, familyConditions } = (await rig.accounts.account(second.accountId)) ?? first;
    expect([condition, ...Object.values(familyConditions)].map(({ failures }) => failures)).not.toContain(2);
  });

  it("when every account is limited the client is told to wait, and learns nothing of the accounts", async () => {
    script(first, { rateLimit: { resetAfterSeconds: 600 } });
    script(second, { rateLimit: { resetAfterSeconds: 900 } });
    const error = await ask().then(
      () => undefined,
      (thrown: InstanceType<typeof Anthropic.APIError>) => thrown,
    );
    expect(error?.status).toBeOneOf([429, 503, 529]);
    const told = JSON.stringify([error?.message, [...(error?.headers ?? [])]]);
    expect(told).not.toMatch(/acc-|organization|anthropic-ratelimit-(requests|tokens|input)/);
  });
});

describe("after the first byte", () => {
  it("a stream that breaks off is told as an error, charged by what was seen, and nobody else is asked", async () => {
    script(first, { outputTokens: 40, events: 10, end: { afterEvents: 6, how: "reset" } }, 1);
    await expect(stream()).rejects.toThrow();
    expect(rig.cloud.aiUpstream.requests).toHaveLength(1);
    const records = await rig.until("the record", async () => {
      const found = await rig.recordsOf(key);
      return found.length > 0 ? found : undefined;
    });
    expect(records[0]).toMatchObject({ outcome: "upstream-error", usageSource: "estimated", accountsTried: 1 });
    expect(records[0]?.usage.outputTokens).toBeGreaterThan(1);
    expect(records[0]?.chargedNanoUsd).toBeGreaterThan(0);
  });
});

describe("a session", () => {
  it("stays with its account while it can, and moves when it cannot", async () => {
    script(first, { error: { status: 500 } }, 1);
    await ask("one");
    expect(servedBy()).toBe(second.accountId);
    await rig.accounts.reset(first.accountId, rig.now());
    await rig.passSnapshot();
    for (let turn = 0; turn < 3; turn += 1) {
      await ask("one");
      expect(servedBy(), "though the first is preferred").toBe(second.accountId);
    }
    script(second, { rateLimit: { resetAfterSeconds: 600 } }, 1);
    await ask("one");
    expect(servedBy()).toBe(first.accountId);
    await ask("one");
    expect(servedBy()).toBe(first.accountId);
  });
});
