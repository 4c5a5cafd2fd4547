// What can be looked at of usage, records, prices and settings, by operation; and what a key's holder may see.
import type { RoutesDefinition } from "../../shared/define-routes.ts";
import type { ListRecordsPorts } from "../counting/list-records.ts";
import { usageCsv } from "../counting/usage-csv.ts";
import type { UsageQueryPorts } from "../counting/usage-query.ts";
import type { KeyView as StoredKey } from "../ledger/kept-key.ts";
import type { Snapshot } from "../scheduling/snapshot.ts";
import type { VersionedSettings } from "../settings.store.ts";
import type { keyRoutes } from "./key-routes.ts";
import { existingKey } from "./make-keys.ts";
import { listPrices } from "./prices.ts";
import { askUsage, pageOfRecords, usageOf } from "./usage.ts";
import type { usageRoutes } from "./usage-routes.ts";
import { ownKeyViewOf } from "./view-key.ts";

export interface ReadUsagePorts extends UsageQueryPorts, ListRecordsPorts {
  tagOf(version: number): string;
  snapshot(): Promise<Pick<Snapshot, "priceOverrides">>;
  settings(): Promise<VersionedSettings>;
}

type Handlers = RoutesDefinition<typeof usageRoutes, "answer-relay", ReadUsagePorts>["handlers"];

export const readUsageHandlers: Handlers = {
  getRelayUsage: async ({ query }, ports) => ({ data: usageOf(await askUsage(query, ports)) }),
  exportRelayUsageTable: async ({ query }, ports) => ({
    content: usageCsv(await askUsage(query, ports)),
    headers: { "Content-Disposition": 'attachment; filename="relay-usage.csv"' },
  }),
  listRelayRecords: async ({ query }, ports) => ({ data: await pageOfRecords(query, ports) }),
  listRelayPrices: async ({ query }, { snapshot, now }) => ({
    data: { items: listPrices((await snapshot()).priceOverrides, now(), query.model) },
  }),
  getRelaySettings: async (_request, ports) => {
    const { settings, version } = await ports.settings();
    return { data: settings, etag: ports.tagOf(version) };
  },
};

export interface ShowOwnUsagePorts extends UsageQueryPorts {
  readonly keys: { read(keyId: string): Promise<StoredKey | undefined> };
}

type OwnHandlers = RoutesDefinition<typeof keyRoutes, "show-own-usage", ShowOwnUsagePorts>["handlers"];

/** The caller's subject is the id of the key that was sent: nothing that is sent with it names another. */
export const showOwnUsageHandlers: OwnHandlers = {
  getOwnRelayKey: async ({ caller }, { keys, now }) => ({
    data: ownKeyViewOf(await existingKey(caller.subject, keys), now()),
  }),
  getOwnRelayUsage: async ({ query, caller }, ports) => ({
    data: usageOf(await askUsage({ ...query, keyId: caller.subject }, ports)),
  }),
};
