// The fleet as one environment sees it: the snapshot, at most two seconds old, and what this environment itself did since.
import { Refusal } from "../refusal.ts";
import type { Account, AccountCondition } from "./account.ts";
import { type AccountView, noTraffic, type OwnTraffic, type Snapshot } from "./snapshot.ts";

export interface FleetPorts {
  /** The `own` of its views is replaced here. */
  readonly read: () => Promise<Snapshot>;
  readonly now: () => number;
  /** A refresh failed, and an old snapshot serves on. */
  readonly onStale: (error: unknown, ageMilliseconds: number) => void;
}

const freshMilliseconds = 2000;
/** So long an old one serves while DynamoDB fails. Accounts change slowly; leases and budgets are checked elsewhere. */
const longestStaleMilliseconds = 30_000;
/** After a refresh that failed, the old one serves for so long before the next try. */
const pauseAfterFailureMilliseconds = 1000;

/** `settled`: the part of `open` that is written, so that a snapshot whose query begins now shows it. */
interface Traffic {
  readonly own: OwnTraffic;
  settled: number;
}

interface Learned {
  readonly accountId: string;
  readonly family: string | undefined;
  readonly condition: AccountCondition;
}

export class Fleet {
  readonly #ports: FleetPorts;
  readonly #traffic = new Map<string, Traffic>();
  /** Conditions that this environment wrote or met, until a snapshot shows them. */
  readonly #learned = new Map<string, Learned>();
  #kept: Snapshot | undefined;
  #reading: Promise<void> | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(ports: FleetPorts) {
    this.#ports = ports;
  }

  /** Throws `Refusal` RelayUnavailable where there is none that is at most 30 s old. */
  async snapshot(): Promise<Snapshot> {
    const age = () => this.#ports.now() - (this.#kept?.readAt ?? Number.NEGATIVE_INFINITY);
    if (this.#kept !== undefined && age() < freshMilliseconds) return this.#kept;
    const isResting = this.#ports.now() - this.#failedAt < pauseAfterFailureMilliseconds;
    if (this.#kept !== undefined && isResting && age() <= longestStaleMilliseconds) return this.#kept;
    try {
      this.#reading ??= this.#refresh().finally(() => {
        this.#reading = undefined;
      });
      await this.#reading;
    } catch (error) {
      this.#failedAt = this.#ports.now();
      if (this.#kept === undefined || age() > longestStaleMilliseconds) {
        throw new Refusal("RelayUnavailable", "The relay cannot read its accounts just now. Try again.", {
          cause: error,
        });
      }
      this.#ports.onStale(error, age());
    }
    // Set by the refresh, or the old one.
    return this.#kept as Snapshot;
  }

  /** A slot is about to be taken: it counts from now on. */
  starts(accountId: string): void {
    const { own } = this.#trafficOf(accountId);
    own.open += 1;
    own.lastAssignedAt = this.#ports.now();
  }

  /** What `starts` announced is written, or did not come about. */
  started(accountId: string, isTaken: boolean): void {
    const traffic = this.#trafficOf(accountId);
    if (isTaken) traffic.settled += 1;
    else traffic.own.open -= 1;
  }

  /** A slot was given back, and that is written. */
  released(accountId: string): void {
    const traffic = this.#trafficOf(accountId);
    traffic.own.open -= 1;
    traffic.settled -= 1;
  }

  /** Counts for this environment at once, for the others with their next snapshot. */
  learn(accountId: string, family: string | undefined, condition: AccountCondition): void {
    const learned: Learned = { accountId, family, condition };
    this.#learned.set(`${accountId} ${family ?? ""}`, learned);
    if (this.#kept !== undefined) this.#kept = withCondition(this.#kept, learned);
  }

  async #refresh(): Promise<void> {
    const settledBefore = new Map([...this.#traffic].map(([accountId, { settled }]) => [accountId, settled]));
    const read = await this.#ports.read();
    for (const [accountId, settled] of settledBefore) {
      const traffic = this.#trafficOf(accountId);
      traffic.own.open -= settled;
      traffic.settled -= settled;
    }
    const present = new Set(read.accounts.map(({ account }) => account.accountId));
    for (const accountId of this.#traffic.keys()) {
      if (!present.has(accountId)) this.#traffic.delete(accountId);
    }
    const accounts = read.accounts.map((view) => ({ ...view, own: this.#trafficOf(view.account.accountId).own }));
    let snapshot: Snapshot = { ...read, accounts };
    for (const [name, learned] of this.#learned) {
      if (isShown(snapshot, learned)) this.#learned.delete(name);
      else snapshot = withCondition(snapshot, learned);
    }
    this.#kept = snapshot;
  }

  #trafficOf(accountId: string): Traffic {
    const known = this.#traffic.get(accountId);
    if (known !== undefined) return known;
    const traffic: Traffic = { own: noTraffic(), settled: 0 };
    this.#traffic.set(accountId, traffic);
    return traffic;
  }
}

/** Whether the snapshot has this condition or a newer one, or no such account. */
function isShown(snapshot: Snapshot, { accountId, family, condition }: Learned): boolean {
  const account = snapshot.accounts.find((view) => view.account.accountId === accountId)?.account;
  if (account === undefined) return true;
  const shown = family === undefined ? account.condition : account.familyConditions[family];
  if (shown === undefined) return condition.state === "healthy";
  return shown.since >= condition.since;
}

function withCondition(snapshot: Snapshot, learned: Learned): Snapshot {
  const accounts = snapshot.accounts.map((view): AccountView => {
    if (view.account.accountId !== learned.accountId) return view;
    return { ...view, account: accountWith(view.account, learned) };
  });
  return { ...snapshot, accounts };
}

function accountWith(account: Account, { family, condition }: Learned): Account {
  if (family === undefined) return { ...account, condition };
  return { ...account, familyConditions: { ...account.familyConditions, [family]: condition } };
}
