// `causeway relay accounts …`, over the API.
import type { ApiClient } from "../api/api-client.ts";
import { sayJson, sayLine, sayMore, sayTable } from "../api/output.ts";
import { dollarsOf } from "../dollars.ts";
import { UsageProblem } from "../usage-problem.ts";
import type { OutputOptions } from "./job-commands.ts";
import {
  type AccountOptions,
  type AccountView,
  changesOf,
  sayAccount,
  sayErrors,
  settingsOf,
  stateOf,
} from "./relay-account-fields.ts";
import { readCredential, type SecretOptions } from "./relay-credential.ts";

const base = "/api/relay/accounts";
const pathOf = (accountId: string, rest = "") => `${base}/${encodeURIComponent(accountId)}${rest}`;

/** Names are looked for among so many accounts. */
const mostLookedAt = 1000;
const mostErrorsShown = 5;

/** What a change replaces: whoever changes one of these gives the others as they were. */
export function settingsKept(account: AccountView) {
  const { name, provider, settings, groups, priority, weight, schedulable, standby, expiresAt } = account;
  const { concurrency, dailyQuotaNanoUsd, models, modelMapping, proxy } = account;
  const kept = { name, provider, settings, groups, priority, weight, schedulable, standby, expiresAt };
  return { ...kept, concurrency, dailyQuotaNanoUsd, models, modelMapping, proxy };
}

export async function listAccounts(
  client: ApiClient,
  options: OutputOptions & {
    readonly platform?: string;
    readonly group?: string;
    readonly only?: string;
    readonly limit: number;
  },
): Promise<void> {
  const { platform, group, only, limit, json } = options;
  const { items, hasMore } = await client.list("listRelayAccounts", base, { platform, group, state: only }, limit);
  if (json) return sayJson({ items, hasMore });
  sayTable(
    [
      { title: "account", text: ({ accountId }) => accountId },
      { title: "name", text: ({ name }) => name, tooLong: "middle" },
      { title: "provider", text: ({ provider }) => provider },
      { title: "state", text: stateOf },
      { title: "running", text: ({ load, concurrency }) => `${load.streams} of ${concurrency}`, align: "right" },
      { title: "today", text: ({ load }) => dollarsOf(load.spentTodayNanoUsd), align: "right" },
      { title: "groups", text: ({ groups }) => groups.join(", "), tooLong: "wrap" },
    ],
    items,
    "There are no such accounts. To add one: npx causeway relay accounts add anthropic --name main --api-key-from-env ANTHROPIC_API_KEY",
  );
  sayMore(hasMore, items.length);
}

/** Returns the exit code: 1 when it was added and does not work. */
export async function addAccount(
  client: ApiClient,
  provider: string,
  options: AccountOptions & OutputOptions & { readonly name?: string; readonly test?: true },
): Promise<number> {
  const credential = await readCredential(options);
  if (credential === undefined)
    throw new UsageProblem("The API key is missing: give --api-key-from-env or --api-key-from-file.");
  const settings = settingsOf(options);
  const { name = provider } = options;
  await demandNewName(client, name);
  const body = { name, provider, ...changesOf(options), ...(settings && { settings }), credential };
  const account = await client.post("createRelayAccount", base, body);
  if (!options.test) {
    if (options.json) sayJson(account);
    else sayAccount(account);
    return 0;
  }
  const { accountId } = account;
  const code = await testAccount(client, accountId, options);
  if (!options.json) {
    const cure = `For another API key: npx causeway relay accounts set-credential ${accountId}; to take it away: … accounts delete ${accountId}.`;
    sayLine(code === 0 ? `It is added as ${accountId}.` : `It is added all the same, as ${accountId}. ${cure}`);
  }
  return code;
}

/** Whoever types the command again, after a test that failed or an answer that was lost, does not want a second account. */
async function demandNewName(client: ApiClient, name: string): Promise<void> {
  const { items } = await client.list("listRelayAccounts", base, {}, mostLookedAt);
  const present = items.find((account) => account.name === name.trim());
  if (present === undefined) return;
  throw new UsageProblem(
    `There is an account ${present.name} already, ${present.accountId}. To give it another API key: ` +
      `npx causeway relay accounts set-credential ${present.accountId}; for one more choose another --name.`,
  );
}

export async function showAccount(client: ApiClient, named: string, { json }: OutputOptions): Promise<void> {
  const { accountId } = await find(client, named);
  const [account, errors] = await Promise.all([
    client.get("getRelayAccount", pathOf(accountId)),
    client.list("listRelayAccountErrors", pathOf(accountId, "/errors"), {}, mostErrorsShown),
  ]);
  if (json) return sayJson({ ...account, errors: errors.items });
  sayAccount(account);
  if (errors.items.length > 0) sayErrors(errors.items);
}

export async function updateAccount(
  client: ApiClient,
  named: string,
  options: AccountOptions & OutputOptions & { readonly name?: string },
): Promise<void> {
  const { accountId } = await find(client, named);
  const credential = await readCredential(options, false);
  const settings = settingsOf(options);
  const change = {
    ...(options.name !== undefined && { name: options.name }),
    ...changesOf(options),
    ...(credential && { credential }),
  };
  if (Object.keys(change).length === 0 && settings === undefined) {
    throw new UsageProblem("Say what to change; npx causeway relay accounts update --help lists what can be.");
  }
  const changed = await replace(client, accountId, (before) => ({
    ...change,
    ...(settings && { settings: { ...before.settings, ...settings } }),
  }));
  if (options.json) return sayJson(changed);
  sayAccount(changed);
}

export async function setCredential(
  client: ApiClient,
  named: string,
  options: SecretOptions & OutputOptions,
): Promise<void> {
  const { accountId } = await find(client, named);
  const credential = await readCredential(options);
  if (credential === undefined)
    throw new UsageProblem("The API key is missing: give --api-key-from-env or --api-key-from-file.");
  const account = await client.put("replaceRelayCredential", pathOf(accountId, "/credential"), { credential });
  if (options.json) return sayJson(account);
  sayLine(`${account.name} has a new credential. To try it: npx causeway relay accounts test ${account.accountId}`);
}

/** Returns the exit code: 1 when the account does not work. */
export async function testAccount(client: ApiClient, named: string, { json }: OutputOptions): Promise<number> {
  const { accountId, name } = await find(client, named);
  const tested = await client.post("testRelayAccount", pathOf(accountId, "/test"));
  if (json) sayJson(tested);
  else if (tested.ok) sayLine(`${name} works: its upstream answered ${tested.status} after ${tested.milliseconds} ms.`);
  else sayLine(`${name} does not work (${tested.state}): ${tested.status ?? "no answer"}: ${tested.said}`);
  return tested.ok ? 0 : 1;
}

export async function resetAccount(client: ApiClient, named: string, { json }: OutputOptions): Promise<void> {
  const { accountId } = await find(client, named);
  const account = await client.post("resetRelayAccount", pathOf(accountId, "/reset"));
  if (json) return sayJson(account);
  sayLine(`What was said against ${account.name} is forgotten; it is ${stateOf(account)}.`);
}

export async function enableAccount(client: ApiClient, named: string, options: OutputOptions): Promise<void> {
  await switchAccount(client, named, true, options);
}

export async function disableAccount(client: ApiClient, named: string, options: OutputOptions): Promise<void> {
  await switchAccount(client, named, false, options);
}

export async function deleteAccount(client: ApiClient, named: string, { json }: OutputOptions): Promise<void> {
  const { accountId } = await find(client, named);
  const removed = await client.delete("deleteRelayAccount", pathOf(accountId));
  if (json) return sayJson(removed);
  sayLine(`${removed.name} is deleted, and its credential with it.`);
}

async function switchAccount(
  client: ApiClient,
  named: string,
  schedulable: boolean,
  { json }: OutputOptions,
): Promise<void> {
  const { accountId } = await find(client, named);
  const changed = await replace(client, accountId, () => ({ schedulable }));
  if (json) return sayJson(changed);
  sayLine(`${changed.name} is ${schedulable ? "given requests again" : "given no more requests"}.`);
}

async function replace(
  client: ApiClient,
  accountId: string,
  change: (before: AccountView) => Readonly<Record<string, unknown>>,
): Promise<AccountView> {
  const { data: before, etag } = await client.getTagged("getRelayAccount", pathOf(accountId));
  const body = { ...settingsKept(before), ...change(before) };
  return client.put("changeRelayAccount", pathOf(accountId), body, etag);
}

/** Its id, from that or from its name; an id of an account that was deleted stays what it is. */
export async function accountIdOf(client: ApiClient, named: string): Promise<string> {
  return /^acc-[0-9a-f]+$/.test(named) ? named : (await find(client, named)).accountId;
}

/** By its id, else by a name that one account alone has. */
async function find(client: ApiClient, named: string): Promise<Pick<AccountView, "accountId" | "name">> {
  const { items } = await client.list("listRelayAccounts", base, {}, mostLookedAt);
  const byId = items.find(({ accountId }) => accountId === named);
  const byName = items.filter(({ name }) => name === named);
  const [found = byId] = byId === undefined ? byName : [];
  if (named.trim() === "")
    throw new UsageProblem("Which account? Give its id or its name: relay accounts list shows them.");
  if (found === undefined)
    throw new UsageProblem(`There is no account ${named}; npx causeway relay accounts list shows them.`);
  if (byId === undefined && byName.length > 1) {
    const ids = byName.map(({ accountId }) => accountId).join(", ");
    throw new UsageProblem(`Several accounts are called ${named}: ${ids}. Give the id.`);
  }
  return found;
}
