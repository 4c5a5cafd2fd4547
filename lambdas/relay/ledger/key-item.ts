// The ledger's item of a key, as DynamoDB holds it: its attributes, what they mean, and the way between them and a LedgerKey.
// Short names, because DynamoDB charges every write by the size of the whole item.
//   on  enabled and not deleted     en  the operator's switch         del  when it was deleted, ms
//   v   version of everything       chg the change that made it       policy  JSON
//   exp expiry, ms                  fu  days from the first use       h    secrets: {hash: end in ms, or 0}
//   bal balance, nano-USD           u   used by window name           L    leases by request id     q  waiting: {id: until}
import { type Attribute, number, numberOf, type StoredAttribute, type StoredItem, text, yes } from "./attributes.ts";
import { type KeyPolicy, keyPolicySchema } from "./key-policy.ts";
import type { Lease, LedgerKey, ReservedCall } from "./ledger.ts";

/** A lease as the item holds it. */
export interface StoredLease {
  readonly requestId: string;
  readonly expiresAt: number;
  readonly nanoUsd: number;
  readonly tokens: number;
  readonly sequence: number;
  readonly windows: readonly string[];
  readonly prepaid: boolean;
  readonly minute: number | undefined;
  readonly family: string | undefined;
  readonly call: ReservedCall;
  /** Of the account that serves it, as far as it was known when the lease was written last. */
  readonly accountId: string | undefined;
  /** By which it was priced, whatever the key's is by now. */
  readonly multiplierThousandths: number;
  /** Given up by a sweeper: no extension any more. */
  readonly isDead: boolean;
}

export const keyPrefix = "key#";

export const itemKeyOf = (keyId: string): { pk: { S: string } } => ({ pk: { S: keyPrefix + keyId } });

/** Whole names fit; what a client made up is cut, so that a lease stays small. */
const longestModel = 80;
const none = "";

/** Thousandths; most keys pay it, and their leases are silent about it. */
const listPrice = 1000;

/** Policies by their text: one key is read again and again. */
const policies = new Map<string, KeyPolicy>();
const mostPolicies = 500;

/** Throws a ZodError for a policy that is none: the item was not written by Causeway. */
export function ledgerKeyOf(keyId: string, item: StoredItem): LedgerKey {
  const secrets = Object.entries(item.h?.M ?? {}).map(([hash, end]) => [hash, numberOf(end) || null] as const);
  return {
    keyId,
    version: numberOf(item.v) ?? 0,
    isEnabled: item.on?.BOOL === true,
    isDeleted: item.del !== undefined,
    policy: policyOf(item.policy?.S ?? "{}"),
    expiresAt: numberOf(item.exp),
    daysFromFirstUse: numberOf(item.fu),
    secrets: Object.fromEntries(secrets),
    used: numbersOf(item.u),
    balanceNanoUsd: numberOf(item.bal),
    leaseCount: Object.keys(item.L?.M ?? {}).length,
  };
}

/** The key after a write that answered with what it changed, and nothing else. */
export function withChanges(key: LedgerKey, changed: StoredItem, forgotten: readonly string[] = []): LedgerKey {
  const used: Record<string, number> = { ...key.used, ...numbersOf(changed.u) };
  for (const name of forgotten) delete used[name];
  return {
    ...key,
    used,
    balanceNanoUsd: numberOf(changed.bal) ?? key.balanceNanoUsd,
    expiresAt: numberOf(changed.exp) ?? key.expiresAt,
  };
}

export function leasesOf(item: StoredItem): StoredLease[] {
  return Object.keys(item.L?.M ?? {}).flatMap((requestId) => leaseIn(item, requestId) ?? []);
}

export function leaseIn(item: StoredItem, requestId: string): StoredLease | undefined {
  const lease = item.L?.M?.[requestId]?.M;
  if (lease === undefined) return undefined;
  const [platform = none, operation = none, answers = none, family = none, ...model] = (lease.a?.S ?? "").split("|");
  return {
    requestId,
    expiresAt: numberOf(lease.e) ?? 0,
    nanoUsd: numberOf(lease.c) ?? 0,
    tokens: numberOf(lease.k) ?? 0,
    sequence: numberOf(lease.n) ?? 0,
    windows: (lease.w?.S ?? "").split(" ").filter(Boolean),
    prepaid: lease.b?.BOOL === true,
    minute: numberOf(lease.m),
    family: family === none ? undefined : family,
    call: { platform, operation, answers, model: model.join("|") } as ReservedCall,
    accountId: lease.s?.S,
    multiplierThousandths: numberOf(lease.p) ?? listPrice,
    isDead: lease.x?.BOOL === true,
  };
}

/** A new lease, before any extension. `e` expiry, `c` nano-USD, `k` tokens, `n` extensions, `w` windows, `b` prepaid, `m` minute, `a` about, `s` served by, `p` price's multiplier. */
export function leaseAttribute(lease: Omit<StoredLease, "requestId" | "sequence" | "isDead">): Attribute {
  const { platform, operation, answers, model } = lease.call;
  return {
    M: {
      e: number(lease.expiresAt),
      c: number(lease.nanoUsd),
      k: number(lease.tokens),
      n: number(0),
      w: text(lease.windows.join(" ")),
      a: text(
        [platform, operation, answers, lease.family ?? none, model.slice(0, longestModel).toWellFormed()].join("|"),
      ),
      ...(lease.accountId === undefined ? {} : { s: text(lease.accountId) }),
      ...(lease.multiplierThousandths === listPrice ? {} : { p: number(lease.multiplierThousandths) }),
      ...(lease.prepaid ? { b: yes } : {}),
      ...(lease.minute === undefined ? {} : { m: number(lease.minute) }),
    },
  };
}

export function leaseOf(stored: StoredLease, key: LedgerKey, admittedAt: number): Lease {
  const { requestId, nanoUsd, tokens, sequence, windows, prepaid, minute, family } = stored;
  return { requestId, keyId: key.keyId, family, windows, prepaid, nanoUsd, tokens, sequence, admittedAt, minute, key };
}

/** Of what is used, the part that running requests hold, by window; nano-USD. */
export function reservedByWindow(item: StoredItem): Record<string, number> {
  const reserved: Record<string, number> = {};
  for (const { windows, nanoUsd } of leasesOf(item)) {
    for (const name of windows) reserved[name] = (reserved[name] ?? 0) + nanoUsd;
  }
  return reserved;
}

function numbersOf(map: StoredAttribute | undefined): Record<string, number> {
  const numbers: Record<string, number> = {};
  for (const [name, value] of Object.entries(map?.M ?? {})) numbers[name] = numberOf(value) ?? 0;
  return numbers;
}

function policyOf(json: string): KeyPolicy {
  const known = policies.get(json);
  if (known !== undefined) return known;
  const policy = keyPolicySchema.parse(JSON.parse(json));
  if (policies.size >= mostPolicies) policies.clear();
  policies.set(json, policy);
  return policy;
}
