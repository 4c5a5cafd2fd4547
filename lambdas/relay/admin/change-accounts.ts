// The changes of upstream accounts, by operation: what change-accounts.lambda.ts answers.
import type { RoutesDefinition } from "../../shared/define-routes.ts";
import type { Account } from "../scheduling/account.ts";
import type { Snapshot } from "../scheduling/snapshot.ts";
import type { accountRoutes } from "./account-routes.ts";
import {
  type AccountPorts,
  changeAccount,
  createAccount,
  deleteAccount,
  existingAccount,
  replaceCredential,
} from "./change-account.ts";
import { accountViewIn } from "./list-accounts.ts";

export interface ChangeAccountsPorts extends AccountPorts {
  tagOf(version: number): string;
  reset(accountId: string): Promise<Account>;
  /** What the upstream said to the account, redacted. */
  probe(accountId: string): Promise<ProbeAnswer>;
  snapshot(): Promise<Snapshot>;
}

interface ProbeAnswer {
  readonly ok: boolean;
  readonly status: number | null;
  readonly said: string;
  readonly milliseconds: number;
  readonly state: string;
}

type Handlers = RoutesDefinition<typeof accountRoutes, "change-accounts", ChangeAccountsPorts>["handlers"];

export const changeAccountsHandlers: Handlers = {
  createRelayAccount: async ({ body, workId, audit }, ports) => {
    const made = await createAccount(body, workId, ports);
    audit.note({ accountId: made.accountId, name: made.name, provider: made.provider });
    return { data: await shown(made, ports) };
  },
  changeRelayAccount: async ({ path: { accountId }, body, ifMatch, audit }, ports) => {
    const changed = await changeAccount(accountId, body, ifMatch.demandVersion, ports);
    audit.note({ version: changed.version, withCredential: body.credential !== undefined });
    return { data: await shown(changed, ports), etag: ports.tagOf(changed.version) };
  },
  replaceRelayCredential: async ({ path: { accountId }, body, audit }, ports) => {
    const changed = await replaceCredential(accountId, body.credential, ports);
    audit.note({ credentialVersion: changed.credentialVersion });
    return { data: await shown(changed, ports) };
  },
  testRelayAccount: async ({ path: { accountId }, audit }, ports) => {
    await existingAccount(accountId, ports);
    const { ok, status, said, milliseconds, state } = await ports.probe(accountId);
    audit.note({ ok, status });
    return { data: { accountId, ok, status, said, milliseconds: Math.round(milliseconds), state } };
  },
  resetRelayAccount: async ({ path: { accountId }, audit }, ports) => {
    const before = await existingAccount(accountId, ports);
    audit.note({ was: before.condition.state });
    return { data: await shown(await ports.reset(accountId), ports) };
  },
  deleteRelayAccount: async ({ path: { accountId }, audit }, ports) => {
    const removed = await deleteAccount(accountId, ports);
    audit.note({ name: removed.name });
    return { data: removed };
  },
};

/** With its load, which another look at the fleet knows. */
async function shown(account: Account, ports: Pick<ChangeAccountsPorts, "snapshot" | "now">) {
  return accountViewIn(await ports.snapshot(), account, ports.now());
}
