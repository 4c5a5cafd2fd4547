// Reserve and sit: the worst cost in the ledger and a slot at the best account, written at the same time; both or none.
import { worstCostOf } from "../counting/cost.ts";
import type { Lease, LedgerKey } from "../ledger/ledger.ts";
import { type Admitted, type Asked, checkAsked } from "./admit.ts";
import type { ServingPorts } from "./ports.ts";
import { chooseFor, type Seat, takeSeat } from "./reach-account.ts";

/** A lease outlives its invocation by so much; then the sweeper may take it. */
export const leaseMarginMilliseconds = 60_000;

export interface Seated {
  readonly seat: Seat;
  /** Undefined for a call that is free. */
  readonly lease: Lease | undefined;
}

/** Throws `Refusal`. What one of the two got is given back when the other fails. */
export async function reserveAndSit(asked: Asked, admitted: Admitted, ports: ServingPorts): Promise<Seated> {
  const { settlement } = asked;
  // Nobody's money is reserved where no account could answer.
  const choice = chooseFor(admitted.search, new Set(), ports);
  const [reserved, seated] = await Promise.allSettled([
    reserve(asked, admitted, ports),
    takeSeat(choice, admitted.search, ports),
  ]);
  if (reserved.status === "fulfilled" && seated.status === "fulfilled") {
    const [lease, seat] = [reserved.value, seated.value];
    if (lease === undefined || isBoundAlike(lease.key, admitted.key)) return { lease, seat };
    // Meanwhile the key was bound to other accounts: this seat is not for it.
    settlement.reserved(lease);
    settlement.unused(seat);
    const search = { ...admitted.search, key: lease.key };
    return { lease, seat: await takeSeat(chooseFor(search, new Set(), ports), search, ports) };
  }
  if (reserved.status === "fulfilled") settlement.reserved(reserved.value);
  if (seated.status === "fulfilled") settlement.unused(seated.value);
  throw reserved.status === "rejected" ? reserved.reason : (seated as PromiseRejectedResult).reason;
}

function isBoundAlike(left: LedgerKey, right: LedgerKey): boolean {
  return JSON.stringify(left.policy.boundTo) === JSON.stringify(right.policy.boundTo);
}

async function reserve(
  asked: Asked,
  { key, price, worst, search }: Admitted,
  ports: ServingPorts,
): Promise<Lease | undefined> {
  if (worst === undefined) return undefined;
  const { arrival, call } = asked;
  const family = price === undefined || price.family === "" ? undefined : price.family;
  const lease = await ports.ledger.reserve({
    requestId: arrival.requestId,
    key,
    nanoUsd: worst.nanoUsd,
    tokens: worst.tokens,
    family,
    call,
    now: ports.now(),
    leaseUntil: arrival.endsAt + leaseMarginMilliseconds,
    // The key changed since it was read: everything is asked again, of what it is now.
    renewed: (newer) => {
      const again = checkAsked(newer, asked, ports);
      const { nanoUsd, tokens } = worstCostOf(call.demand, price, again.policy, search.snapshot.settings);
      return { nanoUsd, tokens };
    },
  });
  ports.keys.saw(lease.key);
  return lease;
}
