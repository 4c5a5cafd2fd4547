// An upstream account's fields from the options of a command, and as a person reads them.
import type { AnswerOf, ItemOf } from "../api/operations.ts";
import { sayFacts, sayLine, sayTable, shortTime } from "../api/output.ts";
import { dollarsOf } from "../dollars.ts";
import { timeOf } from "../time-option.ts";
import { UsageProblem } from "../usage-problem.ts";
import type { SecretOptions } from "./relay-credential.ts";
import { dollars, whole } from "./relay-key-policy.ts";

export interface AccountOptions extends SecretOptions {
  readonly baseUrl?: string;
  readonly bearer?: boolean;
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

export type AccountView = AnswerOf<"getRelayAccount">;

/** What the provider's own schema is about. */
export function settingsOf({ baseUrl, bearer, setting }: AccountOptions): Record<string, unknown> | undefined {
  if (baseUrl === undefined && bearer === undefined && setting === undefined) return undefined;
  const others = (setting ?? []).map((text) => pairOf(text, "--setting"));
  return {
    ...(baseUrl !== undefined && { baseUrl }),
    ...(bearer === true && { auth: "bearer" }),
    ...Object.fromEntries(others),
  };
}

export function changesOf(options: AccountOptions): Record<string, unknown> {
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

export function stateOf({ serving, condition }: Pick<AccountView, "serving" | "condition">): string {
  return serving.reason ?? condition.state;
}

export function sayAccount(account: AccountView): void {
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

export function sayErrors(errors: readonly ItemOf<"listRelayAccountErrors">[]): void {
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
