// Answer from: what the reached account answers becomes the client's answer, followed to its end.
import type { Lease } from "../ledger/ledger.ts";
import { hasRoom } from "../ledger/limits.ts";
import { limitHeaders } from "../wire/limit-headers.ts";
import type { Admitted, Asked } from "./admit.ts";
import type { Begun } from "./begin-stream.ts";
import { checkKey } from "./check-key.ts";
import { MadeThings } from "./made-things.ts";
import { Meter } from "./meter.ts";
import { type Passed, passAnswer } from "./pass-answer.ts";
import type { Served, ServingPorts } from "./ports.ts";
import type { Reached, Search, Seat } from "./reach-account.ts";
import { leaseMarginMilliseconds } from "./reserve-and-sit.ts";
import { ClientGone, EndedAlways, toClient } from "./to-client.ts";

/** The bytes for the client, and whom to tell how they ended. */
interface Answering {
  readonly body: AsyncGenerator<Buffer, void, undefined>;
  finish(passed: Passed): Promise<void>;
}

type Settle = (done: Promise<void>) => Promise<void>;

export function answerFrom(
  reached: Reached,
  asked: Asked,
  admitted: Admitted,
  lease: Lease | undefined,
  ports: ServingPorts,
): Served {
  const { arrival, call } = asked;
  const { exchange, provider } = reached;
  const settled = Promise.withResolvers<void>();
  const settle: Settle = async (done) => {
    await done.catch((error: unknown) => ports.telemetry.failure(error, arrival.requestId));
    settled.resolve();
  };
  const headers = {
    ...Object.fromEntries(Object.entries(exchange.headers).filter(([name]) => provider.passHeader(name))),
    ...limitHeaders(call.platform, lease?.key ?? admitted.key, ports.now()),
    "x-causeway-request-id": arrival.requestId,
  };
  const { body, finish } =
    "error" in reached.answer
      ? passError(reached.answer.error, asked, settle)
      : follow(reached.answer.begun, reached, asked, admitted, lease, ports, settle);
  const leave = async () => {
    exchange.abort();
    await finish({ outcome: "client-gone", error: undefined });
  };
  return { status: exchange.status, headers, body: new EndedAlways(body, leave), settled: settled.promise };
}

function follow(
  begun: Begun,
  { exchange, seat }: Reached,
  { arrival, call, identity, settlement }: Asked,
  { key, worst, search }: Admitted,
  lease: Lease | undefined,
  ports: ServingPorts,
  settle: Settle,
): Answering {
  const { reader, arrivals, first, firstByteAt } = begun;
  if (firstByteAt !== undefined) settlement.began(firstByteAt);
  const leaseUntil = arrival.endsAt + leaseMarginMilliseconds;
  const { accountId } = seat.account;
  const meter =
    lease === undefined || worst === undefined
      ? undefined
      : new Meter(lease, worst, {
          ...{ ledger: ports.ledger, now: ports.now, leaseUntil, accountId },
          renewed: (newer) => {
            const asking = { hash: identity.hash, sourceIp: arrival.sourceIp, call };
            // What it is charged by stays the policy that it was admitted under.
            checkKey(newer, asking, ports.now(), ports.isAddressIn, () => undefined);
          },
        });
  const bind = (ids: readonly string[]) => ports.bindings.bindThings(key.keyId, ids, accountId, ports.now());
  const options = {
    reader,
    arrivals,
    first,
    exchange,
    meter,
    // What fails here is tried again, and told, at the settlement.
    made: new MadeThings((ids) => bind(ids).catch(() => undefined)),
    pings: call.answers !== "json",
    pingMilliseconds: search.snapshot.settings.pingMilliseconds,
    endsAt: arrival.endsAt,
    waitsForEnd: () => isFull(seat, search) || (lease !== undefined && isTight(meter?.lease ?? lease, ports.now())),
    began: () => settlement.began(ports.now()),
  };
  const finish = (passed: Passed) => settle(settlement.finished(passed, reader, meter));
  return { body: passAnswer(options, ports, finish), finish };
}

/** The next request may be larger than this one, and others may have come since. */
const roomForRequests = 4;

/**
 * This request and those that were there when the key was last read take half of its places, or more; or there is no room
 * for some more of its worst cost, before what it did not use is given back.
 */
function isTight({ key, nanoUsd, tokens, family }: Lease, now: number): boolean {
  if ((key.leaseCount + 1) * 2 >= key.policy.concurrency) return true;
  const more = { nanoUsd: nanoUsd * roomForRequests, tokens: tokens * roomForRequests, family };
  return !hasRoom(key, more, now);
}

/** With this request half of the account's slots, or more, were taken when it was chosen. */
function isFull({ account }: Seat, { snapshot }: Search): boolean {
  const view = snapshot.accounts.find((known) => known.account.accountId === account.accountId);
  const taken = view?.shards.reduce((sum, shard) => sum + shard.taken, 0) ?? 0;
  return (taken + 1) * 2 >= account.concurrency;
}

function passError(error: AsyncIterable<Buffer>, { settlement }: Asked, settle: Settle): Answering {
  const finish = (passed: Passed) => settle(settlement.finished(passed, undefined, undefined));
  return { body: errorBytes(error, finish), finish };
}

/** An error about the request: its bytes pass as they are, and it costs nothing. */
async function* errorBytes(
  body: AsyncIterable<Buffer>,
  finish: (passed: Passed) => Promise<void>,
): AsyncGenerator<Buffer, void, undefined> {
  let passed: Passed = { outcome: "client-gone", error: undefined };
  try {
    for await (const bytes of body) yield* toClient(bytes);
    passed = { outcome: "ok", error: undefined };
  } catch (error) {
    if (!(error instanceof ClientGone)) passed = { outcome: "upstream-error", error };
  } finally {
    await finish(passed);
  }
}
