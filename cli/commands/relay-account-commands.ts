// `causeway relay accounts …`, over the API.
import type { ApiClient } from "../api/api-client.ts";
import type { AnswerOf, ItemOf } from "../api/operations.ts";
import { sayFacts, sayJson, sayLine, sayMore, sayTable, shortTime } from "../api/output.ts";
import { dollarsOf } from "../dollars.ts";
import { UsageProblem } from "../usage-problem.ts";
import type { OutputOptions } from "./job-commands.ts";
import { readCredential, type SecretOptions } from "./relay-credential.ts";
import { dollars, timeOf, whole } from "./relay-key-policy.ts";

export type { SecretOptions } from "./relay-credential.ts";

export interface AccountOptions extends SecretOptions {
  readonly baseUrl?: string;
  readonly setting?: readonly string[];
  readonly proxy?: string;
  readonly group?: readonly string[];
  readonly priority?: string;
  readonly weight?: string;
  readonly standby?: boolean;
  readonly concurrency?: string;
  readonly dailyQuota?: string;
  readonly model?: readonly string[];
  readonly map?: readonly string[];
  readonly expires?: string;
}

const base = "/api/relay/accounts";
const pathOf = (accountId: string, rest = "") => `${base}/${encodeURIComponent(accountId)}${rest}`;

type AccountView = AnswerOf<"getRelayAccount">;

/** Names are looked for among so many accounts. */
const mostLookedAt = 1000;
const mostErrorsShown = 5;

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
  options: AccountOptions & OutputOptions & { readonly name: string; readonly test?: true },
): Promise<number> {
  const credential = await readCredential(options);
  if (credential === undefined)
    throw new UsageProblem("The API key is missing: give --api-key-from-env or --api-key-from-file.");
  const settings = settingsOf(options);
  const body = { name: options.name, provider, ...changesOf(options), ...(settings && { settings }), credential };
  const account = await client.post("createRelayAccount", base, body);
  if (options.test) return testAccount(client, account.accountId, options);
  if (options.json) sayJson(account);
  else sayAccount(account);
  return 0;
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
  const { name, provider, settings, groups, priority, weight, schedulable, standby, expiresAt } = before;
  const { concurrency, dailyQuotaNanoUsd, models, modelMapping, proxy } = before;
  const kept = { name, provider, settings, groups, priority, weight, schedulable, standby, expiresAt };
  const body = { ...kept, concurrency, dailyQuotaNanoUsd, models, modelMapping, proxy, ...change(before) };
  return client.put("changeRelayAccount", pathOf(accountId), body, etag);
}

/** By its id, else by a name that one account alone has. */
async function find(client: ApiClient, named: string): Promise<Pick<AccountView, "accountId" | "name">> {
  const { items } = await client.list("listRelayAccounts", base, {}, mostLookedAt);
  const byId = items.find(({ accountId }) => accountId === named);
  const byName = items.filter(({ name }) => name === named);
  const [found = byId] = byId === undefined ? byName : [];
  if (found === undefined)
    throw new UsageProblem(`There is no account ${named}; npx causeway relay accounts list shows them.`);
  if (byId === undefined && byName.length > 1) {
    const ids = byName.map(({ accountId }) => accountId).join(", ");
    throw new UsageProblem(`Several accounts are called ${named}: ${ids}. Give the id.`);
  }
  return found;
}

/** What the provider's own schema is about. */
function settingsOf({ baseUrl, bearer, setting }: AccountOptions): Record<string, unknown> | undefined {
  if (baseUrl === undefined && bearer === undefined && setting === undefined) return undefined;
  const others = (setting ?? []).map((text) => pairOf(text, "--setting"));
  return {
    ...(baseUrl !== undefined && { baseUrl }),
    ...(bearer === true && { auth: "bearer" }),
    ...Object.fromEntries(others),
  };
}

function changesOf(options: AccountOptions): Record<string, unknown> {
  const { proxy, group, priority, weight, standby, concurrency, dailyQuota, model, map, expires } = options;
  const isOnly = (given: readonly string[], word: string) => given.length === 1 && given[0] === word;
  return {
    ...(proxy !== undefined && { proxy: proxy === "none" ? null : proxyOf(proxy) }),
    ...(group !== undefined && { groups: isOnly(group, "none") ? [] : group }),
    ...(priority !== undefined && { priority: whole(priority, "--priority") }),
    ...(weight !== undefined && { weight: whole(weight, "--weight") }),
    ...(standby !== undefined && { standby }),
    ...(concurrency !== undefined && { concurrency: whole(concurrency, "--concurrency") }),
    ...(dailyQuota !== undefined && { dailyQuotaNanoUsd: dollars(dailyQuota, "--daily-quota") }),
    ...(model !== undefined && { models: isOnly(model, "all") ? [] : model }),
    ...(map !== undefined && {
      modelMapping: isOnly(map, "none") ? {} : Object.fromEntries(map.map((text) => pairOf(text, "--map"))),
    }),
    ...(expires !== undefined && { expiresAt: expires === "never" ? null : timeOf(expires, "--expires") }),
  };
}

function pairOf(text: string, option: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageProblem(`${option} ${text}: give two names with a = between them.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** What stands before an @ may be a password: no message repeats the address. */
function proxyOf(text: string) {
  const url = URL.parse(text);
  const type = url?.protocol.slice(0, -1);
  if (url === null || (type !== "http" && type !== "https" && type !== "socks5")) {
    throw new UsageProblem("--proxy: give an address such as http://proxy.example.com:3128, https://… or socks5://….");
  }
  if (url.username !== "" || url.password !== "") {
    throw new UsageProblem("--proxy: a login does not belong on the command line; use --proxy-login-from-env.");
  }
  const standard = { http: 80, https: 443, socks5: 1080 };
  return {
    type,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? standard[type] : Number(url.port),
  };
}

function stateOf({ serving, condition }: Pick<AccountView, "serving" | "condition">): string {
  if (serving.now) return condition.state;
  return serving.reason ?? condition.state;
}

function sayAccount(account: AccountView): void {
  const { load, proxy } = account;
  const mapping = Object.entries(account.modelMapping).map(([asked, sent]) => `${asked} → ${sent}`);
  const families = Object.entries(account.familyConditions).map(
    ([family, { state, until }]) => `${family}: ${state}${until === null ? "" : ` until ${shortTime(until)}`}`,
  );
  sayFacts({
    account: account.accountId,
    name: account.name,
    provider: account.provider,
    state: stateOf(account),
    until: account.condition.until && shortTime(account.condition.until),
    families: families.join("; ") || undefined,
    settings: Object.keys(account.settings).length === 0 ? undefined : JSON.stringify(account.settings),
    proxy: proxy && `${proxy.type}://${proxy.host}:${proxy.port}`,
    credential: account.hasCredential ? "there, never shown" : "missing",
    groups: account.groups.join(", ") || undefined,
    models: account.models.join(", ") || "all of its platform",
    "sent upstream": mapping.join(", ") || undefined,
    priority: account.priority,
    weight: account.weight,
    standby: account.standby ? "only when nothing else can serve" : undefined,
    expires: account.expiresAt && shortTime(account.expiresAt),
    running: `${load.streams} of ${account.concurrency}`,
    "last minutes": load.answers === 0 ? undefined : `${load.answers} answers, ${load.errors} of them errors`,
    "first byte":
      load.meanFirstByteMilliseconds === null ? undefined : `${Math.round(load.meanFirstByteMilliseconds)} ms`,
    today: `${dollarsOf(load.spentTodayNanoUsd)}${account.dailyQuotaNanoUsd === null ? "" : ` of ${dollarsOf(account.dailyQuotaNanoUsd)}`}`,
  });
}

function sayErrors(errors: readonly ItemOf<"listRelayAccountErrors">[]): void {
  sayLine("");
  sayTable(
    [
      { title: "last", text: ({ lastAt }) => shortTime(lastAt) },
      { title: "times", text: (error) => error.count, align: "right" },
      { title: "it became", text: ({ state }) => state },
      { title: "its upstream said", text: ({ said }) => said, tooLong: "wrap" },
    ],
    errors,
    "",
  );
}
