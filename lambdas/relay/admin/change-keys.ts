// The changes of client keys, by operation: what change-keys.lambda.ts answers.
import type { RoutesDefinition } from "../../shared/define-routes.ts";
import type { KeysStore } from "../keys.store.ts";
import { changeKey } from "./change-key.ts";
import type { PolicySurroundings } from "./check-policy.ts";
import type { keyRoutes } from "./key-routes.ts";
import { existingKey, makeKeys, rotateKey } from "./make-keys.ts";
import { keyViewOf } from "./view-key.ts";

export interface ChangeKeysPorts {
  now(): number;
  pepper(): Promise<string>;
  tagOf(version: number): string;
  readonly keys: KeysStore;
  readonly surroundings: PolicySurroundings;
}

type Handlers = RoutesDefinition<typeof keyRoutes, "change-keys", ChangeKeysPorts>["handlers"];

export const changeKeysHandlers: Handlers = {
  createRelayKey: async (request, ports) => {
    const { body, caller, audit } = request;
    const onNamed = ([keyId]: string[]) => audit.note({ keyId, name: body.name });
    const [made] = await makeKeys(body, [body.name], { work: workOf(request), by: caller.name, onNamed }, ports);
    if (made === undefined) throw new TypeError("a key that was made is given back");
    return { data: { ...keyViewOf(made.stored, ports.now()), key: made.text } };
  },
  createRelayKeys: async (request, ports) => {
    const { body, caller, audit } = request;
    const onNamed = (keyIds: string[]) => audit.note({ keyIds });
    const made = await makeKeys(body, body.names, { work: workOf(request), by: caller.name, onNamed }, ports);
    const items = made.map(({ stored: { meta }, text }) => ({ keyId: meta.keyId, name: meta.name, key: text }));
    return { data: { items } };
  },
  changeRelayKey: async ({ path: { keyId }, body, ifMatch, caller, audit }, ports) => {
    const { demandVersion: demand } = ifMatch;
    const changed = await changeKey(keyId, body, { demand, by: caller.name }, ports);
    audit.note({ version: changed.key.version });
    return { data: keyViewOf(changed, ports.now()), etag: ports.tagOf(changed.key.version) };
  },
  enableRelayKey: async ({ path: { keyId }, caller }, { keys, now }) => ({
    data: keyViewOf(await keys.change(keyId, undefined, { enabled: true }, caller.name), now()),
  }),
  disableRelayKey: async ({ path: { keyId }, caller }, { keys, now }) => ({
    data: keyViewOf(await keys.change(keyId, undefined, { enabled: false }, caller.name), now()),
  }),
  deleteRelayKey: async ({ path: { keyId }, caller, audit }, { keys, now }) => {
    const deleted = await keys.markDeleted(keyId, caller.name);
    audit.note({ name: deleted.meta.name });
    return { data: keyViewOf(deleted, now()) };
  },
  restoreRelayKey: async ({ path: { keyId }, caller }, { keys, now }) => ({
    data: keyViewOf(await keys.restore(keyId, caller.name), now()),
  }),
  rotateRelayKey: async (request, ports) => {
    const { path, body, caller } = request;
    const how = { work: workOf(request), by: caller.name };
    const { text, formerEndsAt } = await rotateKey(path.keyId, body.overlapHours, how, ports);
    return { data: { keyId: path.keyId, key: text, formerEndsAt: new Date(formerEndsAt).toISOString() } };
  },
  changeRelayBalance: async ({ path: { keyId }, body, caller, workId, audit }, { keys }) => {
    await existingKey(keyId, keys);
    audit.note({ kind: body.kind, nanoUsd: body.nanoUsd });
    // The entry is named by the work, shortened: what else the work's name opens, nobody can read from a list.
    const entryId = workId.slice(0, entryLetters);
    const entry = await keys.addToBalance({ keyId, entryId, ...body, by: caller.name });
    const { key } = await existingKey(keyId, keys);
    return { data: { ...entry, balanceNanoUsd: key.balanceNanoUsd ?? 0 } };
  },
};

const entryLetters = 20;

/** What a repeated request shows the same keys again by. */
function workOf(request: { readonly workId: string; header(name: string): string | undefined }) {
  return { workId: request.workId, idempotencyKey: request.header("idempotency-key") };
}
