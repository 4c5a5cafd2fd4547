// A stage for serveRequest: the real protocol and provider, and ports that keep account of money and slots and fail where told.
import { createHmac } from "node:crypto";
import type { UsageRecord } from "../../../../lambdas/relay/counting/usage-record.ts";
import { makeClientKey } from "../../../../lambdas/relay/ledger/client-key.ts";
import { keyPolicySchema } from "../../../../lambdas/relay/ledger/key-policy.ts";
import type { Lease, Ledger, LedgerKey } from "../../../../lambdas/relay/ledger/ledger.ts";
import { providerNamed } from "../../../../lambdas/relay/providers/index.ts";
import { Refusal } from "../../../../lambdas/relay/refusal.ts";
import { accountSettingsSchema } from "../../../../lambdas/relay/scheduling/account.ts";
import type { Slot } from "../../../../lambdas/relay/scheduling/slot.ts";
import { noTraffic } from "../../../../lambdas/relay/scheduling/snapshot.ts";
import { KeyCache } from "../../../../lambdas/relay/serving/key-cache.ts";
import type { Arrival, ServingPorts } from "../../../../lambdas/relay/serving/ports.ts";
import { relaySettingsSchema } from "../../../../lambdas/relay/settings.ts";
import { TransportError } from "../../../../lambdas/relay/transports/transport.ts";

export const model = "claude-sonnet-4-5";
const pepper = "pepper";
const clientKey = makeClientKey(new Uint8Array(64).fill(7));

/** What a call of a port can be; in the order in which a request meets them. */
export const steps = [
  ...(["pepper", "readKey", "snapshot", "session", "reserve", "take", "provider", "credential", "send"] as const),
  ...(["bindSession", "extend", "settle", "release"] as const),
];

export type Step = (typeof steps)[number];

const event = (name: string, data: object) =>
  Buffer.from(`event: ${name}\ndata: ${JSON.stringify({ type: name, ...data })}\n\n`);

/** A stream of so many words of 1,000 bytes; where it ends early, its end is an error. */
export async function* answerOf(words: number, cutAfter = Number.POSITIVE_INFINITY): AsyncGenerator<Buffer> {
  const usage = { input_tokens: 10, output_tokens: 1 };
  const message = { id: "msg_1", type: "message", role: "assistant", model, content: [], stop_reason: null, usage };
  yield event("message_start", { message });
  yield event("content_block_start", { index: 0, content_block: { type: "text", text: "" } });
  for (let word = 0; word < words; word += 1) {
    if (word >= cutAfter) throw new TransportError("cut", "upstream ended its answer", true);
    yield event("content_block_delta", { index: 0, delta: { type: "text_delta", text: "x".repeat(1000) } });
  }
  yield event("content_block_stop", { index: 0 });
  yield event("message_delta", { delta: { stop_reason: "end_turn" }, usage: { output_tokens: words * 250 } });
  yield event("message_stop", {});
}

export interface StageOptions {
  /** These steps fail as the fault says, each time. */
  readonly failing?: readonly Step[];
  readonly fault?: Error;
  readonly policy?: object;
  /** Of an account each; the last one is for all that follow. */
  readonly answers?: readonly (() => { status: number; body: AsyncIterable<Buffer> } | TransportError)[];
}

const away = Object.assign(new Error("DynamoDB is away"), { name: "AwsUnavailable" });

export function stageServing({ failing = [], fault = away, policy = {}, answers }: StageOptions = {}) {
  let now = Date.parse("2026-11-20T12:00:00Z");
  const ticks = new Set<() => void>();
  const seen = {
    steps: [] as Step[],
    /** Held by request id; what was settled, how often. */
    leases: new Map<string, Lease>(),
    settled: [] as UsageRecord[],
    settledLeases: 0,
    slots: new Set<string>(),
    failures: [] as unknown[],
    aborts: [] as string[],
  };
  const step = async <Answer>(name: Step, work: () => Answer): Promise<Answer> => {
    seen.steps.push(name);
    await Promise.resolve();
    if (failing.includes(name)) throw fault;
    return work();
  };
  const key: LedgerKey = {
    ...{ keyId: clientKey.keyId, version: 1, isEnabled: true, isDeleted: false },
    ...{ policy: keyPolicySchema.parse(policy), expiresAt: undefined, daysFromFirstUse: undefined },
    secrets: { [createHmac("sha256", pepper).update(clientKey.text).digest("hex")]: null },
    ...{ used: {}, balanceNanoUsd: undefined, leaseCount: 0 },
  };
  const accounts = ["a", "b"].map((accountId) => ({
    account: {
      ...accountSettingsSchema.parse({ name: accountId, provider: "anthropic", settings: {} }),
      ...({ accountId, platform: "anthropic", version: 1, credentialVersion: 1 } as const),
      ...{ createdAt: "2026-11-01T00:00:00.000Z", changedAt: "2026-11-01T00:00:00.000Z" },
      condition: { state: "healthy", since: 0, until: null, failures: 0 } as const,
      familyConditions: {},
    },
    shards: [],
    own: noTraffic(),
  }));
  const settings = relaySettingsSchema.parse({ sliceTokens: 4096 });
  const ledger: Ledger = {
    readKey: () => step("readKey", () => key),
    reserve: (request) =>
      step("reserve", () => {
        const { requestId, nanoUsd, tokens, family } = request;
        const lease: Lease = {
          ...{ requestId, keyId: key.keyId, family, windows: ["total"], prepaid: false, nanoUsd, tokens },
          ...{ sequence: 0, admittedAt: now, minute: undefined, key },
        };
        seen.leases.set(requestId, lease);
        return lease;
      }),
    extend: (lease, more) =>
      step("extend", () => ({ ...lease, nanoUsd: lease.nanoUsd + more.nanoUsd, sequence: lease.sequence + 1 })),
    settle: (lease, record) =>
      step("settle", () => {
        seen.settled.push(record);
        if (lease !== undefined && seen.leases.delete(lease.requestId)) seen.settledLeases += 1;
      }),
  };
  let sent = 0;
  const ports: ServingPorts = {
    now: () => now,
    afterSending: async () => undefined,
    every: (_milliseconds, tick) => {
      ticks.add(tick);
      return () => ticks.delete(tick);
    },
    pepper: () => step("pepper", () => pepper),
    keys: new KeyCache(
      (keyId) => ledger.readKey(keyId),
      () => now,
    ),
    isAddressIn: () => true,
    snapshot: () => step("snapshot", () => ({ readAt: now, accounts, groups: [], priceOverrides: [], settings })),
    ledger,
    slots: {
      take: ({ account }, requestId) =>
        step("take", (): Slot => {
          seen.slots.add(`${account.accountId} ${requestId}`);
          return { accountId: account.accountId, shard: 0, shown: undefined };
        }),
      release: (slot, requestId) =>
        step("release", () => {
          seen.slots.delete(`${slot.accountId} ${requestId}`);
        }),
    },
    bindings: {
      session: () => step("session", () => undefined),
      bindSession: () => step("bindSession", () => undefined),
      owners: async () => new Map(),
      bindThings: async () => undefined,
    },
    provider: (name) =>
      step("provider", () => name).then(async () => {
        const provider = await providerNamed(name);
        if (provider === undefined) throw new Error(`no provider ${name}`);
        return provider;
      }),
    credential: () => step("credential", () => ({ apiKey: "sk-upstream-0123456789" })),
    forgetCredential: () => undefined,
    transport: {
      send: () =>
        step("send", () => {
          const answer = (
            answers?.[Math.min(sent, answers.length - 1)] ?? (() => ({ status: 200, body: answerOf(3) }))
          )();
          sent += 1;
          if (answer instanceof TransportError) throw answer;
          const headers = { "content-type": "text/event-stream", "set-cookie": "account=1" };
          return {
            ...answer,
            headers,
            abort: () => {
              seen.aborts.push("abort");
            },
          };
        }),
    },
    conditions: { changed: async () => true, works: async () => undefined },
    random: () => 0.5,
    telemetry: {
      finished: () => undefined,
      unknownKey: async () => undefined,
      sessionMoved: () => undefined,
      failure: (error) => {
        seen.failures.push(error);
      },
    },
  };
  const body = { model, max_tokens: 8000, stream: true, messages: [{ role: "user", content: "Say hi." }] };
  const arrival = (requestId: string): Arrival => ({
    ...{ requestId, method: "POST", path: "/v1/messages", query: "", sourceIp: "203.0.113.1", endsAt: now + 900_000 },
    headers: { "x-api-key": clientKey.text, "anthropic-version": "2023-06-01", "x-claude-code-session-id": "s" },
    body: Buffer.from(JSON.stringify(body)),
  });
  const pass = (milliseconds: number) => {
    now += milliseconds;
    for (const tick of ticks) tick();
  };
  return {
    ports,
    seen,
    arrival,
    pass,
    ticks,
    keyId: clientKey.keyId,
    secrets: [clientKey.text, "sk-upstream-0123456789", pepper],
  };
}

export const refusalOf = (name: "KeyDisabled" | "BudgetReached") => new Refusal(name, "no more");
