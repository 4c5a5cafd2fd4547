// Serve request: from the client's bytes to the answer's, and to its settlement. The flow of the relay, in its order.
import { holdsSecret } from "../ledger/client-key.ts";
import type { LedgerKey } from "../ledger/ledger.ts";
import type { HttpAnswer, Protocol } from "../protocols/protocol.ts";
import { Refusal, type RefusalName } from "../refusal.ts";
import { routeRequest } from "../routing.ts";
import { type Admitted, type Asked, admit } from "./admit.ts";
import { answerFrom } from "./answer-from.ts";
import { demandSecret } from "./check-key.ts";
import { identify } from "./identify.ts";
import { bindingOnce } from "./made-things.ts";
import { answerPreflight, forTheWay } from "./on-the-way.ts";
import type { Arrival, Served, ServingPorts } from "./ports.ts";
import { reachAccount } from "./reach-account.ts";
import { checkSize } from "./read-arrival.ts";
import { reserveAndSit } from "./reserve-and-sit.ts";
import { Settlement } from "./settlement.ts";

/** Never throws: whatever goes wrong is an answer in the client's protocol. */
export async function serveRequest(arrival: Arrival, ports: ServingPorts): Promise<Served> {
  return answerPreflight(arrival) ?? forTheWay(await serve(arrival, ports), arrival);
}

async function serve(arrival: Arrival, allPorts: ServingPorts): Promise<Served> {
  const { protocol, request } = routeRequest(arrival);
  const ports = { ...allPorts, bindings: bindingOnce(allPorts.bindings) };
  const settlement = new Settlement(arrival, protocol.platform, ports);
  try {
    checkSize(arrival);
    if (isCostlyToRead(arrival)) await demandHolder(arrival, ports);
    const call = protocol.read(request);
    if ("status" in call) return served(call, arrival, Promise.resolve());
    settlement.understood(call);
    const identity = await identify(arrival, ports.pepper);
    return await serveCall({ arrival, protocol, call, identity, settlement }, ports);
  } catch (error) {
    return await refused(error, arrival, protocol, settlement, ports);
  }
}

/** More of JSON than this takes tens of milliseconds and of megabytes to read; what clients say is mostly a tenth of it. */
const mostBytesForStrangers = 1024 * 1024;

function isCostlyToRead({ headers, body }: Arrival): boolean {
  return headers["content-encoding"] !== undefined || body.length > mostBytesForStrangers;
}

/** A coded body takes up to a second and hundreds of megabytes to read: only for whoever holds a key. Throws `Refusal`. */
async function demandHolder(arrival: Arrival, { keys, pepper, now }: ServingPorts): Promise<void> {
  const { keyId, hash } = await identify(arrival, pepper);
  const { key, isFresh } = await keys.key(keyId, false);
  const isKnown = isFresh || (key !== undefined && holdsSecret(key, hash, now()));
  demandSecret(isKnown ? key : (await keys.key(keyId, true)).key, hash, now());
}

async function serveCall(asked: Asked, ports: ServingPorts): Promise<Served> {
  const admitted: Admitted = await admit(asked, ports);
  const { seat, lease, worst } = await reserveAndSit(asked, admitted, ports);
  asked.settlement.reserved(lease);
  const search = { ...admitted.search, key: lease?.key ?? admitted.key };
  const reached = await reachAccount(seat, search, ports, (givenUp) => asked.settlement.gaveUp(givenUp));
  asked.settlement.reached(reached);
  return answerFrom(reached, asked, { ...admitted, worst }, lease, ports);
}

async function refused(
  error: unknown,
  arrival: Arrival,
  protocol: Protocol,
  settlement: Settlement,
  ports: ServingPorts,
): Promise<Served> {
  // Whatever is no refusal is a fault of ours: the client may try again.
  const refusal =
    error instanceof Refusal
      ? error
      : new Refusal("RelayUnavailable", "The relay cannot serve this now. Try again.", { cause: error });
  if (refusal.name === "RelayUnavailable") ports.telemetry.failure(error, arrival.requestId);
  const answer = protocol.refuse(refusal, arrival.requestId, ports.now());
  const settled = settleRefusal(refusal, answer.status, arrival, settlement, ports);
  // The client may come again at once, and must not meet what this request still held.
  if (settlement.holdsLease) await settled;
  return served(answer, arrival, settled);
}

const aboutKeys: readonly RefusalName[] = ["KeyMissing", "KeyInvalid"];

/** What was refused before anybody looked at its key has its record, too, where the key is one. Never rejects. */
async function settleRefusal(
  refusal: Refusal,
  status: number,
  arrival: Arrival,
  settlement: Settlement,
  ports: ServingPorts,
): Promise<void> {
  if (!settlement.knowsKey && !aboutKeys.includes(refusal.name)) {
    const holder = await holderOf(arrival, ports).catch(() => undefined);
    if (holder !== undefined) settlement.identified(holder);
  }
  await settlement.refused(refusal, status);
}

/** Throws `Refusal` where there is no such key any more, or its secret is another one. */
async function holderOf(arrival: Arrival, { keys, pepper, now }: ServingPorts): Promise<LedgerKey> {
  const { keyId, hash } = await identify(arrival, pepper);
  const { key } = await keys.key(keyId, false);
  demandSecret(key, hash, now());
  return key;
}

function served(answer: HttpAnswer, arrival: Arrival, settled: Promise<void>): Served {
  const headers = { ...answer.headers, "x-causeway-request-id": arrival.requestId };
  return { status: answer.status, headers, body: answer.body, settled };
}
