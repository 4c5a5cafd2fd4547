// A storm over some keys: streams with extensions, of which every call may fail before or after it did its work, processes that die,
// settlements that come late, a sweeper, and a manager who changes limits, switches keys off and tops balances up. From a seed.
import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import type { UsageRecord } from "../../../../lambdas/relay/counting/usage-record.ts";
import { KeysStore } from "../../../../lambdas/relay/keys.store.ts";
import { numberOf, type StoredItem } from "../../../../lambdas/relay/ledger/attributes.ts";
import { leasesOf, ledgerKeyOf, reservedByWindow } from "../../../../lambdas/relay/ledger/key-item.ts";
import type { KeyPolicy } from "../../../../lambdas/relay/ledger/key-policy.ts";
import type { Lease, LedgerKey } from "../../../../lambdas/relay/ledger/ledger.ts";
import { limitOf } from "../../../../lambdas/relay/ledger/limits.ts";
import { type SweepReport, sweepLeases } from "../../../../lambdas/relay/ledger/sweep.ts";
import { readWindow } from "../../../../lambdas/relay/ledger/windows.ts";
import type { LedgerStore } from "../../../../lambdas/relay/ledger.store.ts";
import { Refusal } from "../../../../lambdas/relay/refusal.ts";
import { CausewayError, isErrorNamed } from "../../../../lambdas/shared/errors.ts";
import { seededRandom } from "../../../../local/rig/faults.ts";
import { type Call, type LedgerTables, nanoDollar, recordOf, type Spoil, stays } from "./ledger-tables.ts";

/** Shares of calls; the rest goes well. */
export interface Weather {
  readonly lostBefore: number;
  readonly lostAfter: number;
  readonly conflict: number;
  /** Of requests: their process dies at one of their calls. */
  readonly killed: number;
  /** Of requests: they settle when the sweeper has been there. */
  readonly late: number;
}

/** What is known of a request besides what the tables say. */
interface Truth {
  readonly key: LedgerKey;
  /** Of its lease, seen as it was written; undefined: it never had one. */
  windows?: readonly string[];
  prepaid: boolean;
  /** Its process dies sooner or later. */
  readonly isKilled: boolean;
  /** What its settlement said, where that came back without an error. */
  settled?: number;
}

const minute = 60_000;

export class Storm {
  /** What broke the invariant, in words. */
  readonly breaches: string[] = [];
  readonly truths = new Map<string, Truth>();
  readonly refusals = new Map<string, number>();
  /** Milliseconds since 1970; moves on with every look at it. */
  time: number;
  readonly #tables: LedgerTables;
  readonly #weather: Weather;
  readonly #random: () => number;
  readonly #process = new AsyncLocalStorage<{ callsLeft: number }>();
  readonly #policies = new Map<string, KeyPolicy>();
  /** Of two environments: what one sees, the other learns later. */
  readonly #caches = [new Map<string, LedgerKey>(), new Map<string, LedgerKey>()] as const;
  readonly #late: (() => Promise<void>)[] = [];
  readonly #toppedUp = new Map<string, number>();
  readonly ledger: LedgerStore;
  readonly #keys: KeysStore;
  #finished = 0;
  #management: Promise<void> = Promise.resolve();

  constructor(
    tables: LedgerTables,
    options: { readonly seed: number; readonly startsAt: number; readonly weather: Weather },
  ) {
    this.#tables = tables;
    this.#weather = options.weather;
    this.time = options.startsAt;
    this.#random = seededRandom(options.seed);
    const client = tables.newClient(this.#spoil, (call, output) => this.#observe(call, output));
    this.ledger = tables.newLedger({ client, now: () => this.#now() });
    this.#keys = new KeysStore({ client, keysTable: "RelayKeys", now: () => this.#now(), random: this.#random });
  }

  async addKey(...[policy, more]: Parameters<LedgerTables["addKey"]>): Promise<LedgerKey> {
    const key = await this.#tables.addKey(policy, more);
    this.#policies.set(`${key.keyId} ${key.version}`, key.policy);
    for (const cache of this.#caches) cache.set(key.keyId, key);
    this.#toppedUp.set(key.keyId, key.balanceNanoUsd ?? 0);
    return key;
  }

  /** So many requests, so many at once; the manager and the sweeper come by in between. */
  async blow(requests: number, atOnce: number, isManaged: boolean): Promise<void> {
    let left = requests;
    const stream = async () => {
      while (left > 0) {
        left -= 1;
        const isKilled = this.#random() < this.#weather.killed;
        const callsLeft = isKilled ? 1 + Math.floor(this.#random() * 6) : Number.POSITIVE_INFINITY;
        await this.#process.run({ callsLeft }, () => this.#stream()).catch(ignoring(isKilled));
        this.#finished += 1;
        if (isManaged) await this.#manageAndSweep(this.#finished);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, stream));
    await this.#management;
  }

  /** When all processes are gone: the sweeper settles what they left, those that were late come, some of them twice. */
  async calmDown(): Promise<SweepReport> {
    this.time += 60 * minute;
    const report = await this.sweep();
    for (const settle of this.#late) await Promise.all([settle(), settle()]);
    await this.sweep();
    return report;
  }

  sweep(): Promise<SweepReport> {
    return sweepLeases({
      readPage: (segment, segments, position) => this.ledger.readExpired(segment, segments, position),
      expire: (keyId, lease) => this.ledger.expire(keyId, lease),
      now: () => this.#now(),
      remainingMilliseconds: () => Number.POSITIVE_INFINITY,
      onFailure: (error) => {
        if (!isErrorNamed(error, "AwsUnavailable")) this.breaches.push(`the sweeper failed: ${String(error)}`);
      },
    });
  }

  /** What must be so at every instant, whoever looks. */
  checkItem(keyId: string, item: StoredItem): void {
    const key = ledgerKeyOf(keyId, item);
    for (const [name, reserved] of Object.entries(reservedByWindow(item))) {
      const used = key.used[name] ?? 0;
      if (used < reserved)
        this.breaches.push(`${keyId} holds ${reserved} in ${name}, of which only ${used} are counted`);
    }
    const most = Math.max(...this.#policiesOf(keyId).map(({ concurrency }) => concurrency));
    if (key.leaseCount > most) this.breaches.push(`${keyId} runs ${key.leaseCount} streams, and may run ${most}`);
    for (const [name, used] of Object.entries(key.used)) {
      const window = readWindow(name);
      const limits = this.#policiesOf(keyId).map(
        (policy) => (window && limitOf({ policy }, window)) ?? Number.POSITIVE_INFINITY,
      );
      if (used > Math.max(...limits))
        this.breaches.push(`${keyId} has ${used} in ${name}, above every limit it ever had`);
    }
    if ((key.balanceNanoUsd ?? 0) < 0) this.breaches.push(`${keyId} has a balance of ${key.balanceNanoUsd}`);
  }

  /** What must be so in the end. Answers how many requests of each outcome there were. */
  async checkSums(): Promise<Record<string, number>> {
    const records = await this.#tables.records();
    const counts: Record<string, number> = {};
    for (const keyId of this.#caches[0].keys()) {
      const item = await this.#tables.item(keyId);
      if (leasesOf(item).length > 0) this.breaches.push(`${keyId} has leases left`);
      // Who died in the line stays there until the next one gets in.
      const places = Object.keys(item.q?.M ?? {}).filter((requestId) => !this.truths.get(requestId)?.isKilled);
      if (places.length > 0) this.breaches.push(`${keyId} has places in its line left`);
      this.#checkSumsOf(keyId, item, records);
    }
    for (const [requestId, { windows, settled }] of this.truths) {
      const record = records.get(requestId);
      counts[record?.outcome ?? "none"] = (counts[record?.outcome ?? "none"] ?? 0) + 1;
      if (windows !== undefined && record === undefined)
        this.breaches.push(`${requestId} was reserved for and has no record`);
      if (windows === undefined && (record?.chargedNanoUsd ?? 0) > 0)
        this.breaches.push(`${requestId} was charged without a lease`);
      const isTrue = record?.outcome === "ok" && record.chargedNanoUsd === settled;
      if (settled !== undefined && !isTrue)
        this.breaches.push(`${requestId} was settled with ${settled}, and its record says otherwise`);
      if ((record?.overrunNanoUsd ?? 0) > 0) this.breaches.push(`${requestId} has an overrun`);
    }
    return counts;
  }

  #checkSumsOf(keyId: string, item: StoredItem, records: ReadonlyMap<string, UsageRecord>): void {
    const sums = new Map<string, number>();
    let paid = 0;
    for (const [requestId, { key, windows, prepaid }] of this.truths) {
      if (key.keyId !== keyId || windows === undefined) continue;
      const charged = records.get(requestId)?.chargedNanoUsd ?? 0;
      for (const name of windows) sums.set(name, (sums.get(name) ?? 0) + charged);
      if (prepaid) paid += charged;
    }
    const { used } = ledgerKeyOf(keyId, item);
    for (const [name, sum] of sums) {
      // A window that is long over may have been forgotten.
      const counted = used[name];
      if (counted !== undefined && counted !== sum)
        this.breaches.push(`${keyId}: ${name} says ${counted}, its records ${sum}`);
    }
    const balance = numberOf(item.bal);
    if (balance === undefined) return;
    const expected = (this.#toppedUp.get(keyId) ?? 0) - paid;
    if (balance !== expected) this.breaches.push(`${keyId}: the balance is ${balance}, and should be ${expected}`);
  }

  async #stream(): Promise<void> {
    const cache = this.#pick(this.#caches);
    const key = this.#pick([...cache.values()]);
    const now = this.#now();
    const request = this.#tables.request(key, {
      now,
      nanoUsd: Math.floor(this.#random() * 0.2 * nanoDollar),
      tokens: Math.floor(this.#random() * 2000),
      family: this.#pick([undefined, "opus", "sonnet"]),
    });
    const isKilled = Number.isFinite(this.#process.getStore()?.callsLeft);
    const truth: Truth = { key, prepaid: false, isKilled };
    this.truths.set(request.requestId, truth);
    let lease: Lease;
    try {
      lease = await this.ledger.reserve(request);
    } catch (error) {
      this.#countRefusal(error);
      const record = recordOf({ requestId: request.requestId, keyId: key.keyId }, 0, { outcome: "refused" });
      await this.ledger.settle(undefined, record);
      return;
    }
    cache.set(key.keyId, lease.key);
    lease = await this.#extendSome(lease);
    const charged = Math.floor(this.#random() * (lease.nanoUsd + 1));
    const settle = async () => {
      await this.ledger.settle(lease, recordOf(lease, charged));
      truth.settled = charged;
    };
    if (this.#random() < this.#weather.late) this.#late.push(settle);
    else await settle();
  }

  async #extendSome(lease: Lease): Promise<Lease> {
    let extended = lease;
    for (let left = Math.floor(this.#random() * 4); left > 0; left -= 1) {
      const now = this.#now();
      const more = {
        nanoUsd: Math.floor(this.#random() * 0.1 * nanoDollar),
        tokens: 50,
        now,
        leaseUntil: now + 15 * minute,
        ...stays,
      };
      try {
        extended = await this.ledger.extend(extended, more);
      } catch (error) {
        this.#countRefusal(error);
        break;
      }
    }
    return extended;
  }

  /** Whoever comes by at the right moment; one after the other. */
  async #manageAndSweep(nth: number): Promise<void> {
    if (nth % 45 === 0) this.time += 16 * minute + Math.floor(this.#random() * 300 * minute);
    const work = async () => {
      if (nth % 12 === 0) await this.#manage().catch(ignoring(false));
      // Some of those that come late come while the sweeper is there.
      const late = nth % 20 === 0 && this.#random() < 0.5 ? this.#late.splice(0, 3) : [];
      const settling = late.map((settle) => settle().catch(ignoring(false)));
      if (nth % 20 === 0) await this.sweep().catch(ignoring(false));
      await Promise.all(settling);
    };
    this.#management = this.#management.then(work);
    await this.#management;
  }

  async #manage(): Promise<void> {
    const { keyId } = this.#pick([...this.#caches[0].values()]);
    const key = await this.#tables.readKey(keyId);
    const { version, policy, isEnabled, isDeleted, balanceNanoUsd } = key;
    if (balanceNanoUsd !== undefined && this.#random() < 0.4) return this.#topUp(keyId);
    const drawn = isDeleted || !isEnabled ? 1 : this.#random();
    const changed = drawn < 0.5 ? this.#policyLike(policy) : policy;
    this.#policies.set(`${keyId} ${version + 1}`, changed);
    if (drawn < 0.5) await this.#keys.change(keyId, version, { policy: changed }, "storm");
    else if (drawn < 0.65) await this.#keys.change(keyId, version, { enabled: false }, "storm");
    else if (drawn < 0.75) await this.#keys.markDeleted(keyId, "storm");
    else if (drawn < 0.9) {
      const hash = randomBytes(32).toString("hex");
      await this.#keys.rotate(keyId, { hash, masked: "cwk_…", overlapUntil: this.time }, "storm");
    } else if (drawn < 1) {
      const expiry = this.#pick([{ kind: "never" }, { kind: "after-first-use", days: 2 }] as const);
      await this.#keys.change(keyId, version, { expiry }, "storm");
    } else if (isDeleted) await this.#keys.restore(keyId, "storm");
    else await this.#keys.change(keyId, version, { enabled: true }, "storm");
  }

  async #topUp(keyId: string): Promise<void> {
    const entryId = randomBytes(8).toString("hex");
    const entry = { keyId, entryId, kind: "top-up", nanoUsd: nanoDollar, note: "", by: "storm" } as const;
    await this.#keys.addToBalance(entry);
    // Asked for once more, as a repeated request does.
    await this.#keys.addToBalance(entry);
    this.#toppedUp.set(keyId, (this.#toppedUp.get(keyId) ?? 0) + nanoDollar);
  }

  /** Other limits, in another zone, of other families, prepaid or not: while streams of the former policy run. */
  #policyLike(policy: KeyPolicy): KeyPolicy {
    const money = (most: number) => Math.floor((1 + this.#random() * most) * nanoDollar);
    const family = {
      day: this.#pick([null, money(1)]),
      week: money(3),
      month: null,
      total: this.#pick([null, money(6)]),
    };
    const zones = ["Europe/Berlin", "Asia/Shanghai", "America/New_York", "Pacific/Kiritimati", policy.timeZone];
    return {
      ...policy,
      timeZone: this.#pick(zones),
      spend: { ...policy.spend, day: money(4), total: this.#pick([null, money(60)]) },
      familySpend: this.#pick([{}, { opus: family }, { opus: family, sonnet: family }]),
      prepaid: this.#random() < 0.2 ? !policy.prepaid : policy.prepaid,
      multiplierThousandths: this.#pick([0, 1000, 3000]),
      tokensPerMinute: this.#pick([null, 60_000]),
      concurrency: 5 + Math.floor(this.#random() * 15),
    };
  }

  readonly #spoil: Spoil = () => {
    const running = this.#process.getStore();
    if (running !== undefined) {
      running.callsLeft -= 1;
      // Dead is dead: no later call of this process gets through either; half of the last ones had done their work.
      if (running.callsLeft < 0) return new Error("killed");
      if (running.callsLeft === 0 && this.#random() < 0.5) return new Error("killed");
    }
    const drawn = this.#random();
    const { lostBefore, lostAfter, conflict } = this.#weather;
    if (drawn < lostBefore) return "lost-before";
    if (drawn < lostBefore + lostAfter) return "lost-after";
    return drawn < lostBefore + lostAfter + conflict ? "conflict" : undefined;
  };

  /** Every answer to a reservation or an extension is held against the limits of the policy that it was made under. */
  #observe({ command, input }: Call, output: Readonly<Record<string, unknown>>): void {
    const changed = output.Attributes as StoredItem | undefined;
    if (command !== "UpdateItemCommand" || changed === undefined || !input.ConditionExpression?.includes("#v = :v"))
      return;
    const keyId = (input.Key?.pk?.S ?? "").slice("key#".length);
    const policy = this.#policies.get(`${keyId} ${numberOf(input.ExpressionAttributeValues?.[":v"])}`);
    if (policy === undefined) {
      this.breaches.push(`${keyId} was written to under a version that nobody made`);
      return;
    }
    const written = new Set(Object.values(input.ExpressionAttributeNames ?? {}));
    for (const [name, value] of Object.entries(changed.u?.M ?? {})) {
      if (!written.has(name)) continue;
      const window = readWindow(name);
      const limit = window && limitOf({ policy }, window);
      const used = numberOf(value) ?? 0;
      if (limit !== undefined && used > limit)
        this.breaches.push(`${keyId} took ${used} in ${name}, and ${limit} was the limit`);
    }
    if ((numberOf(changed.bal) ?? 0) < 0) this.breaches.push(`${keyId} took more than its balance`);
    for (const { requestId, windows, prepaid } of leasesOf(changed)) {
      const truth = this.truths.get(requestId);
      // An extension's answer has what it changed: neither windows nor balance are.
      if (truth !== undefined && windows.length > 0) Object.assign(truth, { windows, prepaid });
    }
  }

  #policiesOf(keyId: string): KeyPolicy[] {
    return [...this.#policies].flatMap(([version, policy]) => (version.startsWith(`${keyId} `) ? [policy] : []));
  }

  #countRefusal(error: unknown): void {
    if (!(error instanceof Refusal || error instanceof CausewayError)) throw error;
    this.refusals.set(error.name, (this.refusals.get(error.name) ?? 0) + 1);
  }

  #now(): number {
    this.time += Math.floor(this.#random() * 40);
    return this.time;
  }

  #pick<Choice>(choices: readonly Choice[]): Choice {
    return choices[Math.floor(this.#random() * choices.length)] as Choice;
  }
}

/** What may end a process of a storm: its own death, and a DynamoDB that did not answer for too long. */
function ignoring(isKilled: boolean) {
  return (error: unknown) => {
    const isDeath = isKilled && error instanceof Error && error.message === "killed";
    if (!isDeath && !isErrorNamed(error, "AwsUnavailable")) throw error;
  };
}
