// Reserve and sit: the worst cost in the ledger and a slot at the best account, written at the same time; both or none.
import { type WorstCost, worstCostOf } from "../counting/cost.ts";
import { usualTiersOf } from "../counting/usual-tiers.ts";
import type { Lease, LedgerKey } from "../ledger/ledger.ts";
import { hasRoom } from "../ledger/limits.ts";
import { Refusal } from "../refusal.ts";
import { loadOf } from "../scheduling/account-load.ts";
import { type Admitted, type Asked, checkAsked } from "./admit.ts";
import type { ServingPorts } from "./ports.ts";
import { chooseFor, type Search, type Seat, takeSeat } from "./reach-account.ts";
import type { Settlement } from "./settlement.ts";

/** A lease outlives its invocation by so much; then the sweeper may take it. */
export const leaseMarginMilliseconds = 60_000;

export interface Seated {
  readonly seat: Seat;
  /** Undefined for a call that is free. */
  readonly lease: Lease | undefined;
  /** By the policy that the lease was taken under, which may be newer than the one that was read. */
  readonly worst: WorstCost | undefined;
}

type Reservation = Omit<Seated, "seat">;

/** Throws `Refusal`. What one of the two got is given back when the other fails. */
export async function reserveAndSit(asked: Asked, admitted: Admitted, ports: ServingPorts): Promise<Seated> {
  const { settlement } = asked;
  // Nobody's money is reserved where no account could answer.
  const chosen = chooseFor(admitted.search, new Set(), ports);
  const choice = admitted.worst === undefined ? withRoomForOthers(chosen, ports.now()) : chosen;
  const reserving = reserve(asked, admitted, choice.accounts[0]?.view.account.accountId, ports);
  const sit = () => takeSeat(choice, admitted.search, ports);
  // Who may have to wait in the key's line, or is likely to be refused, keeps no account's slot from others meanwhile.
  const sitsLater = mayWait(admitted.key) || isLikelyRefused(admitted, ports.now());
  const seating = sitsLater ? reserving.then(sit) : sit();
  const [reserved, seated] = await Promise.allSettled([reserving, seating]);
  if (reserved.status === "fulfilled") settlement.reserved(reserved.value.lease);
  if (reserved.status === "fulfilled" && seated.status === "fulfilled") {
    const [{ lease, worst }, seat] = [reserved.value, seated.value];
    if (lease === undefined || isBoundAlike(lease.key, admitted.key)) return { lease, worst, seat };
    const search = { ...admitted.search, key: lease.key };
    return { lease, worst, seat: await sitAnew(seat, search, settlement, ports) };
  }
  if (seated.status === "fulfilled") settlement.unused(seated.value);
  throw reserved.status === "rejected" ? reserved.reason : (seated as PromiseRejectedResult).reason;
}

function mayWait({ policy: { waiting } }: LedgerKey): boolean {
  return waiting.most > 0 && waiting.longestMilliseconds > 0;
}

/** Of an account's slots, calls that no limit of a key holds back leave the rest to those that are paid for. */
const shareOfFreeCalls = 0.75;

const busyMilliseconds = 1000;

/** Throws `Refusal` where one key's thousands of counts would keep everybody's messages from the accounts. */
function withRoomForOthers(choice: ReturnType<typeof chooseFor>, now: number): ReturnType<typeof chooseFor> {
  const accounts = choice.accounts.filter(
    ({ view }) => loadOf(view, now).open < view.account.concurrency * shareOfFreeCalls,
  );
  if (accounts.length > 0) return { ...choice, accounts };
  const message = "Every account that could answer is busy. Try again in a moment.";
  throw new Refusal("AccountsLimited", message, { resetAt: now + busyMilliseconds });
}

/**
 * A client whose budget is spent and that tries again and again would write to the accounts' slots twice a try, until
 * nobody's request finds one.
 */
function isLikelyRefused({ key, price, worst }: Admitted, now: number): boolean {
  return worst !== undefined && !hasRoom(key, { ...worst, family: price?.family }, now);
}

/** Meanwhile the key was bound to other accounts: is this seat still for it? */
async function sitAnew(seat: Seat, search: Search, settlement: Settlement, ports: ServingPorts): Promise<Seat> {
  try {
    const choice = chooseFor(search, new Set(), ports);
    const stays = choice.accounts.some(({ view }) => view.account.accountId === seat.account.accountId);
    // Giving back and taking anew at one account would meet each other: both go by the request's id.
    if (stays) return seat;
    const other = await takeSeat(choice, search, ports);
    settlement.unused(seat);
    return other;
  } catch (error) {
    settlement.unused(seat);
    throw error;
  }
}

function isBoundAlike(left: LedgerKey, right: LedgerKey): boolean {
  return JSON.stringify(left.policy.boundTo) === JSON.stringify(right.policy.boundTo);
}

async function reserve(
  asked: Asked,
  { key, price, worst: atFirst, search }: Admitted,
  accountId: string | undefined,
  ports: ServingPorts,
): Promise<Reservation> {
  if (atFirst === undefined) return { lease: undefined, worst: undefined };
  let worst = atFirst;
  const { arrival, call } = asked;
  const family = price === undefined || price.family === "" ? undefined : price.family;
  const asksForCount = ports.keys.isCountOld(key.keyId);
  const lease = await ports.ledger.reserve({
    requestId: arrival.requestId,
    key,
    nanoUsd: worst.nanoUsd,
    tokens: worst.tokens,
    family,
    call,
    accountId,
    asksForCount,
    now: ports.now(),
    leaseUntil: arrival.endsAt + leaseMarginMilliseconds,
    // The key changed since it was read: everything is asked again, of what it is now.
    renewed: (newer) => {
      const again = checkAsked(newer, asked, ports);
      const usualTiers = usualTiersOf(search.snapshot, call.platform, call.model);
      worst = worstCostOf(call.demand, price, again.policy, search.snapshot.settings, usualTiers);
      return worst;
    },
  });
  ports.keys.saw(lease.key, asksForCount);
  return { lease, worst };
}
