// Tests of accounts, by hand and by schedule, against an upstream and a provider that are played.
import { expect, it } from "vitest";
import type { AccountChange, Provider, UpstreamAnswer } from "../../../../lambdas/relay/providers/provider.ts";
import { Refusal } from "../../../../lambdas/relay/refusal.ts";
import type { Account, ProbeResult } from "../../../../lambdas/relay/scheduling/account.ts";
import { healthy } from "../../../../lambdas/relay/scheduling/next-condition.ts";
import {
  type ProbePorts,
  probeAccount,
  probeDueAccounts,
} from "../../../../lambdas/relay/scheduling/probe-accounts.ts";
import { relaySettingsSchema } from "../../../../lambdas/relay/settings.ts";
import { TransportError } from "../../../../lambdas/relay/transports/transport.ts";
import { accountOf, snapshotOf, start, viewOf } from "./sample-accounts.ts";

const minute = 60_000;

function playedProvider(
  changeOf: (answer: UpstreamAnswer) => AccountChange | undefined,
): Pick<Provider, "probe" | "judge"> {
  return {
    probe: ({ accountId }, credential) => ({
      method: "GET",
      url: `https://upstream.example.com/v1/models?${accountId}`,
      headers: { "x-api-key": String(credential) },
      body: Buffer.alloc(0),
      ...(accountId.startsWith("message") && { method: "POST" as const }),
    }),
    judge: (answer) => {
      const change = changeOf(answer);
      if (change === undefined) return { kind: "pass" };
      return { kind: "account", change, refusal: new Refusal("UpstreamFailed", "It failed.") };
    },
  };
}

function stageOf(accounts: readonly Account[], answer: () => number | Error, probeMinutes = 0) {
  const said: string[] = [];
  const kept = new Map<string, ProbeResult>();
  const state = { asked: [] as string[], atOnce: 0, mostAtOnce: 0, aborted: 0 };
  const ports: ProbePorts = {
    read: async () =>
      snapshotOf(
        accounts.map((account) => viewOf(account)),
        { settings: relaySettingsSchema.parse({ probeMinutes }) },
      ),
    account: async (accountId) => accounts.find((account) => account.accountId === accountId),
    provider: (name) =>
      name === "anthropic"
        ? Promise.resolve(
            playedProvider(({ status, body }) => {
              if (status === 429) return { state: "rate-limited", said: "429" };
              return status === 401
                ? { state: "unauthorised", said: `401 ${body.toString().slice(0, 20)}` }
                : undefined;
            }),
          )
        : undefined,
    credential: async ({ accountId }) => {
      if (accountId === "unreadable") throw new Error("this credential cannot be read");
      return "secret";
    },
    transport: {
      send: async ({ url, headers }) => {
        state.asked.push(url.slice(url.indexOf("?") + 1));
        expect(headers).toEqual({ "x-api-key": "secret" });
        state.atOnce += 1;
        state.mostAtOnce = Math.max(state.mostAtOnce, state.atOnce);
        await Promise.resolve();
        state.atOnce -= 1;
        const answered = answer();
        if (answered instanceof Error) throw answered;
        return {
          status: answered,
          headers: {},
          body: (async function* () {
            yield Buffer.from("authentication_error");
            yield Buffer.alloc(100_000);
          })(),
          abort: () => {
            state.aborted += 1;
          },
        };
      },
    },
    conditions: {
      changed: async ({ accountId }, change, sentAt) => {
        expect(sentAt).toBe(start);
        said.push(`${accountId} ${change.state}: ${change.said}`);
        return true;
      },
      works: async ({ accountId }) => {
        said.push(`${accountId} works`);
      },
      answersLists: async ({ accountId }) => {
        said.push(`${accountId} answers lists`);
      },
    },
    keepProbe: async (accountId, result) => {
      kept.set(accountId, result);
    },
    now: () => start,
  };
  return { ports, said, kept, state };
}

it("a test that succeeds mends a blocked account, and tells nothing of its credential", async () => {
  const blocked = { state: "blocked", since: start - minute, until: null, failures: 1 } as const;
  const { ports, said, kept, state } = stageOf([accountOf("a", { condition: blocked, schedulable: false })], () => 200);
  const shown = { ok: true, status: 200, milliseconds: 0, said: "" };
  expect(await probeAccount("a", ports)).toEqual([{ accountId: "a", ...shown, state: "blocked" }]);
  expect(kept.get("a")).toEqual({ at: "2026-11-20T12:00:00.000Z", ...shown });
  expect(said).toEqual(["a works"]);
  expect(state.aborted).toBe(1);
});

it("a list of models says nothing of a limit on messages", async () => {
  const limited = { state: "rate-limited", since: start - minute, until: start + minute, failures: 1 } as const;
  const { ports, said } = stageOf([accountOf("a", { condition: limited })], () => 200);
  expect((await probeAccount("a", ports))[0]?.ok).toBe(true);
  expect(said).toEqual([]);
  const many = stageOf([accountOf("a")], () => 429);
  expect(await probeAccount("a", many.ports)).toMatchObject([{ ok: false, status: 429, said: "429" }]);
  expect(many.said, "nor does its own limit").toEqual([]);
});

it("a test that is refused changes the account as any answer would", async () => {
  const { ports, said, kept } = stageOf([accountOf("a")], () => 401);
  expect(await probeAccount("a", ports)).toMatchObject([{ ok: false, status: 401, said: "401 authentication_error" }]);
  expect(said).toEqual(["a unauthorised: 401 authentication_error"]);
  expect(kept.get("a")?.ok).toBe(false);
});

it("a test that reaches nobody is a failure of the account, and one that our own side prevents is not", async () => {
  const down = stageOf([accountOf("a")], () => new TransportError("connect", "no connection", false));
  expect(await probeAccount("a", down.ports)).toMatchObject([{ ok: false, status: null }]);
  expect(down.said).toEqual(["a failing: TransportError: no connection"]);
  const ours = stageOf([accountOf("unreadable"), accountOf("strange", { provider: "none" })], () => 200);
  expect(await probeAccount("unreadable", ours.ports)).toMatchObject([{ ok: false, status: null }]);
  expect(await probeAccount("strange", ours.ports)).toMatchObject([{ said: "There is no provider none." }]);
  expect(ours.said).toEqual([]);
  const strange = stageOf([accountOf("a")], () => 404);
  expect(await probeAccount("a", strange.ports)).toMatchObject([{ ok: false, status: 404 }]);
  expect(strange.said).toEqual([]);
});

it("there is nothing to test where there is no account", async () => {
  const { ports } = stageOf([], () => 200);
  expect(await probeAccount("a", ports)).toEqual([]);
});

it("by schedule those are tested whose last test is too long ago, the oldest first, eight at once, if settings want it", async () => {
  const testedAt = (at: number) => ({
    at: new Date(at).toISOString(),
    ok: true,
    status: 200,
    milliseconds: 1,
    said: "",
  });
  const accounts = [
    accountOf("fresh", { lastProbe: testedAt(start - 4 * minute) }),
    accountOf("old", { lastProbe: testedAt(start - 5 * minute) }),
    accountOf("older", { lastProbe: testedAt(start - 6 * minute) }),
    accountOf("never"),
    accountOf("off", { schedulable: false }),
    accountOf("bare", { credentialVersion: 0 }),
  ];
  const wanted = stageOf(accounts, () => 200, 5);
  await probeDueAccounts(wanted.ports);
  expect(wanted.state.asked).toEqual(["never", "older", "old"]);
  const unwanted = stageOf(accounts, () => 200);
  expect(await probeDueAccounts(unwanted.ports)).toEqual([]);
  const many = Array.from({ length: 80 }, (_, at) => accountOf(`a${at}`, { condition: healthy(start) }));
  const crowd = stageOf(many, () => 200, 5);
  expect(await probeDueAccounts(crowd.ports)).toHaveLength(64);
  expect(crowd.state.mostAtOnce).toBe(8);
});

it("whoever only a person or a test brings back is tested each hour, whatever the setting", async () => {
  const lockedOut = { state: "unauthorised", since: start - 9 * minute, until: null, failures: 1 } as const;
  const testedBefore = (minutes: number) => ({
    ...{ at: new Date(start - minutes * minute).toISOString(), ok: false, status: 401, milliseconds: 1, said: "" },
  });
  const accounts = [
    accountOf("well"),
    accountOf("locked", { condition: lockedOut }),
    accountOf("just", { condition: lockedOut, lastProbe: testedBefore(30) }),
    accountOf("again", { condition: lockedOut, lastProbe: testedBefore(61) }),
    accountOf("paused", { condition: { ...lockedOut, state: "failing", until: start + minute } }),
    accountOf("off", { condition: lockedOut, schedulable: false }),
  ];
  const messages = stageOf([accountOf("message", { condition: lockedOut })], () => 200);
  await probeDueAccounts(messages.ports);
  expect(messages.said).toEqual(["message works"]);
  const never = stageOf(accounts, () => 200);
  await probeDueAccounts(never.ports);
  expect(never.state.asked).toEqual(["locked", "again"]);
  expect(never.said.sort(), "which shows less than a message would").toEqual([
    "again answers lists",
    "locked answers lists",
  ]);
  const daily = stageOf(accounts, () => 200, 24 * 60);
  await probeDueAccounts(daily.ports);
  expect(daily.state.asked).toContain("again");
});
