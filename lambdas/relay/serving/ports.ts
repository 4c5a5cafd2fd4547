// What serving a request needs of the world. Everything that waits, writes or calls is handed in here.
import type { UsageRecord } from "../counting/usage-record.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { AccountChange, Provider } from "../providers/provider.ts";
import type { Account } from "../scheduling/account.ts";
import type { SlotBook } from "../scheduling/slot-book.ts";
import type { Snapshot } from "../scheduling/snapshot.ts";
import type { Transport } from "../transports/transport.ts";
import type { KeyCache } from "./key-cache.ts";

/** A request as the entry hands it on. */
export interface Arrival {
  readonly requestId: string;
  readonly method: string;
  /** As sent, without the gateway's stage; double slashes and prefixes still in it. */
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly sourceIp: string;
  /** When the invocation ends, milliseconds since 1970. */
  readonly endsAt: number;
}

/** What goes to the client. `settled` is over when everything that follows the answer is written. */
export interface Served {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | AsyncIterable<Buffer>;
  readonly settled: Promise<void>;
}

export interface Bindings {
  /** The account that the session is bound to, and whether the binding should be renewed. One read. */
  session(keyId: string, name: string, now: number): Promise<{ accountId: string; isOld: boolean } | undefined>;
  bindSession(keyId: string, name: string, accountId: string, minutes: number, now: number): Promise<void>;
  /** Of things that live in one account: the account of each id that is known. */
  owners(keyId: string, ids: readonly string[], now: number): Promise<ReadonlyMap<string, string>>;
  bindThings(keyId: string, ids: readonly string[], accountId: string, now: number): Promise<void>;
}

/** A line about one request, and what is counted of it. */
export interface Telemetry {
  finished(record: UsageRecord): void;
  /** A request without a valid key: counted, never written. Resolves when a burst of them was told of. */
  unknownKey(sourceIp: string, now: number): Promise<void>;
  sessionMoved(from: string, to: string, why: string): void;
  failure(error: unknown, requestId: string): void;
}

export interface ServingPorts {
  now(): number;
  /** Calls `tick` every so many milliseconds until the answer is called. */
  every(milliseconds: number, tick: () => void): () => void;
  /** Resolves when what was written by now is on its way to the client. */
  afterSending(): Promise<void>;
  /** Keys the hashes of client keys. */
  pepper(): Promise<string>;
  readonly keys: KeyCache;
  isAddressIn(ranges: readonly string[], address: string): boolean;
  snapshot(): Promise<Snapshot>;
  readonly ledger: Ledger;
  readonly slots: Pick<SlotBook, "take" | "release">;
  readonly bindings: Bindings;
  provider(name: string): Promise<Provider>;
  credential(account: Account): Promise<unknown>;
  forgetCredential(account: Account): void;
  readonly transport: Transport;
  /**
   * What answers said of accounts; neither throws. `sentAt`: when the request was sent upstream. `keyId`: whose it was;
   * false: it told of the same before, and nothing is learned of the account.
   */
  readonly conditions: {
    changed(account: Account, change: AccountChange, sentAt: number, keyId: string): Promise<boolean>;
    works(account: Account, family: string | undefined, sentAt: number): Promise<void>;
  };
  random(): number;
  readonly telemetry: Telemetry;
}
