// Admit: everything that is read before anything is written, at once; and whether the key may make the call at all.
import { type WorstCost, worstCostOf } from "../counting/cost.ts";
import { findPrice } from "../counting/find-price.ts";
import type { Price } from "../counting/price.ts";
import { usualTiersOf } from "../counting/usual-tiers.ts";
import type { LedgerKey } from "../ledger/ledger.ts";
import type { Call, Protocol } from "../protocols/protocol.ts";
import { Refusal } from "../refusal.ts";
import { ownerOf } from "../scheduling/choose-account.ts";
import { checkKey } from "./check-key.ts";
import type { Identity } from "./identify.ts";
import type { Arrival, ServingPorts } from "./ports.ts";
import type { Search } from "./reach-account.ts";
import type { Settlement } from "./settlement.ts";

/** A request that was understood. */
export interface Asked {
  readonly arrival: Arrival;
  readonly protocol: Protocol;
  readonly call: Call;
  readonly identity: Identity;
  readonly settlement: Settlement;
}

/** A request that may be made. */
export interface Admitted {
  readonly key: LedgerKey;
  readonly price: Price | undefined;
  /** Undefined for a call that is free. */
  readonly worst: WorstCost | undefined;
  readonly search: Search;
}

/** A slot outlives its invocation by so much, and then is free by itself. */
const slotMarginMilliseconds = 60_000;

/** Throws `Refusal`. */
export async function admit(asked: Asked, ports: ServingPorts): Promise<Admitted> {
  const { arrival, call, identity, settlement } = asked;
  const now = ports.now();
  const isFree = call.metering === "free";
  const [session] = call.sessions;
  const [found, snapshot, binding, owners] = await Promise.all([
    // Nobody reserves for a free call, so that only a fresh look sees a key that was switched off.
    ports.keys.key(identity.keyId, isFree),
    ports.snapshot(),
    session === undefined ? undefined : ports.bindings.session(identity.keyId, session, now),
    call.boundIds.length === 0 ? undefined : ports.bindings.owners(identity.keyId, call.boundIds, now),
  ]);
  const key = await checked(found, asked, ports);
  const price = findPrice(snapshot.priceOverrides, { platform: call.platform, model: call.model, now });
  const usualTiers = usualTiersOf(snapshot, call.platform, call.model);
  const worst = isFree ? undefined : worstCostOf(call.demand, price, key.policy, snapshot.settings, usualTiers);
  settlement.admitted({ snapshot, price, worst, session, binding });
  const search: Search = {
    requestId: arrival.requestId,
    protocol: asked.protocol,
    call,
    key,
    snapshot,
    price,
    session: binding?.accountId,
    owner: owners === undefined ? undefined : ownerOf(owners, call.boundIds),
    endsAt: arrival.endsAt,
    slotUntil: arrival.endsAt + slotMarginMilliseconds,
  };
  return { key, price, worst, search };
}

/** What the cache refuses is looked at again: the key may have been changed a moment ago. */
async function checked(
  found: { readonly key: LedgerKey | undefined; readonly isFresh: boolean },
  asked: Asked,
  ports: ServingPorts,
): Promise<LedgerKey> {
  try {
    return checkAsked(found.key, asked, ports);
  } catch (error) {
    if (found.isFresh || !(error instanceof Refusal)) throw error;
    const { key } = await ports.keys.key(asked.identity.keyId, true);
    return checkAsked(key, asked, ports);
  }
}

/** Throws `Refusal`; the refusal of a key that exists is a record of that key. */
export function checkAsked(key: LedgerKey | undefined, asked: Asked, ports: ServingPorts): LedgerKey {
  const { arrival, call, identity, settlement } = asked;
  const asking = { hash: identity.hash, sourceIp: arrival.sourceIp, call };
  const valid = checkKey(key, asking, ports.now(), ports.isAddressIn, (proven) => settlement.identified(proven));
  return valid;
}
