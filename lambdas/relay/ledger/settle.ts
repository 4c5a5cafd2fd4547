// Settle: the record first, then the lease. Whoever comes second finds the record, and what it says is charged, once.
import { CausewayError } from "../../shared/errors.ts";
import type { UsageRecord } from "../counting/usage-record.ts";
import { tokensOf } from "../token-usage.ts";
import { leaseIn, type StoredLease } from "./key-item.ts";
import type { Lease } from "./ledger.ts";
import type { LedgerPorts } from "./ledger-ports.ts";
import { expiredRecord } from "./sweep.ts";
import { giveUpWrite, type HeldLease, settleWrite } from "./write-expressions.ts";

/** Between two looks at a lease's amount, an extension whose answer was lost may have changed it: once, perhaps twice. */
const mostTurns = 5;

type SettlePorts = Pick<LedgerPorts, "update" | "putRecord" | "correct" | "now">;

type ExpirePorts = SettlePorts & Pick<LedgerPorts, "findOrphan">;

/** See `Ledger.settle`. */
export async function settle(lease: Lease | undefined, record: UsageRecord, ports: SettlePorts): Promise<void> {
  if (lease === undefined) {
    await ports.putRecord(record);
    return;
  }
  const { nanoUsd, keyId } = lease;
  const overrunNanoUsd = Math.max(0, record.chargedNanoUsd - nanoUsd);
  const whole: UsageRecord = { ...record, reservedNanoUsd: nanoUsd, overrunNanoUsd };
  const earlier = await ports.putRecord(whole);
  await removeLease(
    keyId,
    lease,
    nanoUsd,
    earlier?.chargedNanoUsd ?? whole.chargedNanoUsd,
    tokensOf(record.usage),
    ports,
  );
  if (earlier?.outcome === "lease-expired" && whole.outcome !== "lease-expired") {
    await ports.correct(keyId, lease, earlier.chargedNanoUsd, whole);
  }
}

/** Settles a lease that is over by what it holds. `alive`: it was extended meanwhile. Throws `AwsUnavailable`; then it may be repeated. */
export async function expireLease(keyId: string, seen: StoredLease, ports: ExpirePorts): Promise<"settled" | "alive"> {
  const given = await ports.update(keyId, giveUpWrite(seen), "afterwards", "all");
  const item = given.isWritten ? given.changed : given.item;
  // As it is from now on: no extension succeeds any more.
  const lease = item && leaseIn(item, seen.requestId);
  // Somebody else has settled it.
  if (lease === undefined) return "settled";
  if (!given.isWritten) return "alive";
  const orphan = await ports.findOrphan(lease);
  const record = expiredRecord(keyId, lease, orphan);
  const earlier = await ports.putRecord(record);
  // While the lease is there, for whoever dies in between is followed by another sweeper; and the account counts it once.
  await orphan.count((earlier ?? record).realNanoUsd);
  await removeLease(keyId, lease, lease.nanoUsd, earlier?.chargedNanoUsd ?? record.chargedNanoUsd, undefined, ports);
  return "settled";
}

/** Once, whoever does it: the lease goes, and its windows keep what the record says. */
async function removeLease(
  keyId: string,
  lease: HeldLease,
  held: number,
  charged: number,
  tokens: number | undefined,
  ports: SettlePorts,
): Promise<void> {
  for (let turn = 0, holds = held; turn < mostTurns; turn += 1) {
    const write = settleWrite(lease, holds, charged, tokens, ports.now());
    const written = await ports.update(keyId, write, "afterwards", "nothing");
    const present =
      written.isWritten || written.item === undefined ? undefined : leaseIn(written.item, lease.requestId);
    // Written, or gone: taken away by an attempt whose answer was lost, or by a sweeper.
    if (present === undefined) return;
    holds = present.nanoUsd;
  }
  throw new CausewayError("AwsUnavailable", `The lease of ${lease.requestId} does not stay as it is.`);
}
