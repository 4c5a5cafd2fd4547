// What can be looked at of client keys, by operation.
import type { RoutesDefinition } from "../../shared/define-routes.ts";
import type { KeyListsStore } from "../key-lists.store.ts";
import type { KeysStore } from "../keys.store.ts";
import { listBalance, listKeys } from "./change-key.ts";
import type { keyRoutes } from "./key-routes.ts";
import { existingKey } from "./make-keys.ts";
import { keyViewOf } from "./view-key.ts";

export interface ReadKeysPorts {
  now(): number;
  tagOfVersion(version: number, content: string): string;
  readonly keys: Pick<KeysStore, "read">;
  readonly lists: Pick<KeyListsStore, "list" | "listBalance">;
}

type Handlers = RoutesDefinition<typeof keyRoutes, "answer-relay", ReadKeysPorts>["handlers"];

export const readKeysHandlers: Handlers = {
  listRelayKeys: async ({ query }, { lists }) => ({ data: await listKeys(query, lists) }),
  getRelayKey: async ({ path }, { keys, now, tagOfVersion }) => {
    const data = keyViewOf(await existingKey(path.keyId, keys), now());
    return { data, etag: tagOfVersion(data.version, JSON.stringify(data)) };
  },
  listRelayBalance: async ({ path, query }, ports) => ({ data: await listBalance(path.keyId, query, ports) }),
};
