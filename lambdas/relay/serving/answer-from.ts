// Answer from: what the reached account answers becomes the client's answer, followed to its end.
import type { Lease } from "../ledger/ledger.ts";
import { limitHeaders } from "../wire/limit-headers.ts";
import type { Admitted, Asked } from "./admit.ts";
import type { Begun } from "./begin-stream.ts";
import { Meter } from "./meter.ts";
import { type Passed, passAnswer } from "./pass-answer.ts";
import type { Served, ServingPorts } from "./ports.ts";
import type { Reached } from "./reach-account.ts";
import { leaseMarginMilliseconds } from "./reserve-and-sit.ts";

export function answerFrom(
  reached: Reached,
  asked: Asked,
  admitted: Admitted,
  lease: Lease | undefined,
  ports: ServingPorts,
): Served {
  const { arrival, call, settlement } = asked;
  const { exchange, provider } = reached;
  const settled = Promise.withResolvers<void>();
  const settle = async (done: Promise<void>) => {
    await done.catch((error: unknown) => ports.telemetry.failure(error, arrival.requestId));
    settled.resolve();
  };
  const headers = {
    ...Object.fromEntries(Object.entries(exchange.headers).filter(([name]) => provider.passHeader(name))),
    ...limitHeaders(call.platform, lease?.key ?? admitted.key, ports.now()),
    "x-causeway-request-id": arrival.requestId,
  };
  const body =
    "error" in reached.answer
      ? passError(reached.answer.error, (passed) => settle(settlement.finished(passed, undefined, undefined)))
      : follow(reached.answer.begun, reached, asked, admitted, lease, ports, settle);
  return { status: exchange.status, headers, body, settled: settled.promise };
}

function follow(
  begun: Begun,
  { exchange }: Reached,
  { arrival, call, settlement }: Asked,
  { worst, search }: Admitted,
  lease: Lease | undefined,
  ports: ServingPorts,
  settle: (done: Promise<void>) => Promise<void>,
): AsyncGenerator<Buffer> {
  const { reader, arrivals, first, firstByteAt } = begun;
  if (firstByteAt !== undefined) settlement.began(firstByteAt);
  const leaseUntil = arrival.endsAt + leaseMarginMilliseconds;
  const meter =
    lease === undefined || worst === undefined
      ? undefined
      : new Meter(lease, worst, { ledger: ports.ledger, now: ports.now, leaseUntil });
  const options = {
    reader,
    arrivals,
    first,
    exchange,
    meter,
    pings: call.answers !== "json",
    pingMilliseconds: search.snapshot.settings.pingMilliseconds,
    endsAt: arrival.endsAt,
    waitsForEnd: lease !== undefined && lease.key.leaseCount * 2 >= lease.key.policy.concurrency,
    began: () => settlement.began(ports.now()),
  };
  return passAnswer(options, ports, (passed) => settle(settlement.finished(passed, reader, meter)));
}

/** An error about the request: its bytes pass as they are, and it costs nothing. */
async function* passError(
  body: AsyncIterable<Buffer>,
  finish: (passed: Passed) => Promise<void>,
): AsyncGenerator<Buffer> {
  let passed: Passed = { outcome: "client-gone", error: undefined };
  try {
    yield* body;
    passed = { outcome: "ok", error: undefined };
  } catch (error) {
    passed = { outcome: "upstream-error", error };
  } finally {
    await finish(passed);
  }
}
