// Open serving: the ports of an execution environment, from its stores. What they keep is shared by all of its requests.

import type { Log } from "../../shared/log.ts";
import type { Credentials } from "../credentials/open-credentials.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { FindOrphan } from "../ledger/ledger-ports.ts";
import type { Provider } from "../providers/provider.ts";
import { RelayLog } from "../relay-log.ts";
import { AccountConditions, type ConditionPorts } from "../scheduling/conditions.ts";
import { type OrphanSlots, orphanFinder } from "../scheduling/find-orphan.ts";
import { Fleet } from "../scheduling/fleet.ts";
import { SlotBook, type SlotStore } from "../scheduling/slot-book.ts";
import type { Snapshot } from "../scheduling/snapshot.ts";
import { relaySettingsSchema } from "../settings.ts";
import type { Transport } from "../transports/transport.ts";
import { KeyCache } from "./key-cache.ts";
import type { Bindings, ServingPorts } from "./ports.ts";
import { RequestTelemetry, type TelemetryPorts } from "./request-telemetry.ts";

export interface ServingParts {
  readonly accounts: ConditionPorts["store"] & { readSnapshot(now: number): Promise<Snapshot> };
  readonly errors: ConditionPorts["history"];
  readonly slots: SlotStore & OrphanSlots;
  readonly bindings: Bindings;
  /** `recordDays`: as the settings of the moment say. */
  openLedger(ours: { recordDays(): number; readonly findOrphan: FindOrphan }): Ledger;
  readonly credentials: Credentials;
  readonly transport: Transport;
  readonly log: Log;
  publishLine: TelemetryPorts["publishLine"];
  announceBurst: TelemetryPorts["announceBurst"];
  providerNamed(name: string): Promise<Provider> | undefined;
  pepper(): Promise<string>;
  isAddressIn(ranges: readonly string[], address: string): boolean;
  every(milliseconds: number, tick: () => void): () => void;
  afterSending(): Promise<void>;
  now(): number;
  random(): number;
}

export function openServing(parts: ServingParts): ServingPorts {
  const { accounts, now } = parts;
  // Until the first snapshot is read: what holds where nobody set anything.
  let settings = relaySettingsSchema.parse({});
  const log = new RelayLog(parts.log, () => settings.logLevels);
  const telemetry = new RequestTelemetry({
    ...{ log, now, publishLine: parts.publishLine, announceBurst: parts.announceBurst },
  });
  const fleet = new Fleet({
    read: async () => {
      const snapshot = await accounts.readSnapshot(now());
      settings = snapshot.settings;
      return snapshot;
    },
    now,
    onStale: (error, ageMilliseconds) =>
      log.warn("scheduler", "goes on with an old snapshot", { error: String(error), ageMilliseconds }),
  });
  const findOrphan = orphanFinder({
    ...{ now, slots: parts.slots, snapshot: () => fleet.snapshot() },
    onFailure: (error, requestId) => telemetry.failure(error, requestId),
  });
  const ledger = parts.openLedger({ recordDays: () => settings.recordDays, findOrphan });
  const conditions = new AccountConditions({
    store: accounts,
    history: parts.errors,
    fleet,
    now,
    onChange: (accountId, family, condition) =>
      log.info("scheduler", "an account's condition changed", { accountId, family, ...condition }),
    onFailure: (error) => telemetry.failure(error, ""),
  });
  return {
    ...{ now, random: parts.random, every: parts.every, afterSending: parts.afterSending },
    ...{ isAddressIn: parts.isAddressIn, telemetry, conditions },
    ...{ ledger, bindings: parts.bindings, transport: parts.transport },
    pepper: () => parts.pepper(),
    keys: new KeyCache((keyId) => ledger.readKey(keyId), now),
    snapshot: () => fleet.snapshot(),
    slots: new SlotBook(parts.slots, fleet),
    provider: async (name) => {
      const provider = await parts.providerNamed(name);
      if (provider === undefined) throw new Error(`There is no provider ${name}; an account names it.`);
      return provider;
    },
    credential: (account) => parts.credentials.get(account),
    forgetCredential: (account) => parts.credentials.forget(account),
  };
}
