// What can be looked at of upstream accounts, groups and providers, by operation.
import * as z from "zod";
import { readCursor, writeCursor } from "../../shared/cursor.ts";
import type { RoutesDefinition } from "../../shared/define-routes.ts";
import type { HistoryPage } from "../account-errors.store.ts";
import type { Provider } from "../providers/provider.ts";
import type { Snapshot } from "../scheduling/snapshot.ts";
import type { accountRoutes } from "./account-routes.ts";
import { listAccounts, listGroups, viewAccount } from "./list-accounts.ts";
import { providerViewOf } from "./list-providers.ts";

export interface ReadAccountsPorts {
  now(): number;
  tagOfVersion(version: number, content: string): string;
  snapshot(): Promise<Snapshot>;
  /** Newest first. */
  errors(accountId: string, page: { readonly most: number; readonly after: string | undefined }): Promise<HistoryPage>;
  allProviders(): Promise<readonly Provider[]>;
}

type Handlers = RoutesDefinition<typeof accountRoutes, "answer-relay", ReadAccountsPorts>["handlers"];

export const readAccountsHandlers: Handlers = {
  listRelayAccounts: async ({ query }, { snapshot, now }) => ({
    data: listAccounts(query, await snapshot(), now()),
  }),
  getRelayAccount: async ({ path }, { snapshot, now, tagOfVersion }) => {
    const data = viewAccount(path.accountId, await snapshot(), now());
    return { data, etag: tagOfVersion(data.version, JSON.stringify(data)) };
  },
  listRelayAccountErrors: async ({ path: { accountId }, query: { cursor, limit } }, { snapshot, errors, now }) => {
    viewAccount(accountId, await snapshot(), now());
    const scope = ["listRelayAccountErrors", accountId];
    const { entries, position } = await errors(accountId, {
      most: limit,
      after: readCursor(scope, cursor, z.string()),
    });
    return { data: { items: entries, cursor: position === undefined ? null : writeCursor(scope, position) } };
  },
  listRelayGroups: async (_request, { snapshot }) => ({ data: { items: listGroups(await snapshot()) } }),
  listRelayProviders: async (_request, { allProviders }) => ({
    data: { items: (await allProviders()).map(providerViewOf) },
  }),
};
