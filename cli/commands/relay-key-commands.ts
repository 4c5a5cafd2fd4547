// `causeway relay keys …`, over the API.
import { randomUUID } from "node:crypto";
import type { ApiClient } from "../api/api-client.ts";
import { doOnce } from "../api/do-once.ts";
import type { AnswerOf } from "../api/operations.ts";
import { sayFacts, sayJson, sayLine, sayMore, sayTable, shortTime } from "../api/output.ts";
import { dollarsOf, nanoUsdOf } from "../dollars.ts";
import { UsageProblem } from "../usage-problem.ts";
import type { OutputOptions } from "./job-commands.ts";
import { accountIdOf } from "./relay-account-commands.ts";
import { expiryOf, type PolicyOptions, policyChange } from "./relay-key-policy.ts";

const base = "/api/relay/keys";

/** A key's text must not stand in an address, which is logged on its way. */
export function pathOf(keyId: string, rest = ""): string {
  if (keyId.startsWith("cwk_"))
    throw new UsageProblem("Give the key's id, not the key itself: relay keys list shows it.");
  // Nothing, as of a variable that is not set, would be the address of the list.
  if (keyId.trim() === "") throw new UsageProblem("Which key? Give its id: relay keys list shows it.");
  return `${base}/${encodeURIComponent(keyId)}${rest}`;
}

type KeyView = AnswerOf<"getRelayKey">;
export type LimitFigure = KeyView["limits"][number];

export async function listKeys(
  client: ApiClient,
  options: OutputOptions & {
    readonly owner?: string;
    readonly tag?: string;
    readonly only?: string;
    readonly limit: number;
  },
): Promise<void> {
  const { owner, tag, only, limit, json } = options;
  const enabled = only === "enabled" ? true : only === "disabled" ? false : undefined;
  const query = { owner, tag, enabled, deleted: only === "deleted" ? true : undefined };
  const { items, hasMore } = await client.list("listRelayKeys", base, query, limit);
  if (json) return sayJson({ items, hasMore });
  sayTable(
    [
      { title: "key", text: ({ keyId }) => keyId },
      { title: "name", text: ({ name }) => name, tooLong: "middle" },
      { title: "owner", text: (key) => key.owner, tooLong: "middle" },
      { title: "tags", text: ({ tags }) => tags.join(", "), tooLong: "wrap" },
      { title: "text", text: ({ maskedKey }) => maskedKey },
      { title: "state", text: (key) => (key.deletedAt ? "deleted" : key.enabled ? "enabled" : "disabled") },
      { title: "created", text: ({ createdAt }) => shortTime(createdAt) },
    ],
    items,
    "There are no such keys.",
  );
  sayMore(hasMore, items.length);
}

export async function createKeys(
  client: ApiClient,
  names: readonly string[],
  options: PolicyOptions &
    OutputOptions & { readonly balance?: string; readonly disabled?: true; readonly key?: string },
): Promise<void> {
  const { balance, disabled, key = randomUUID(), owner, tag, json } = options;
  // A balance that no request needs would limit nothing, and look as if it did.
  if (balance !== undefined && options.prepaid !== true) {
    throw new UsageProblem(
      "--balance is what a prepaid key begins with: give --prepaid as well, or --total for a limit.",
    );
  }
  const expiry = expiryOf(options);
  const common = {
    enabled: disabled !== true,
    ...(owner !== undefined && { owner }),
    ...(tag !== undefined && { tags: tag }),
    ...(expiry !== undefined && { expiry }),
    policy: policyChange(await withAccountId(client, options)),
    ...(balance !== undefined && { balanceNanoUsd: nanoUsdOf(balance, "--balance") }),
  };
  const [name, another] = names;
  if (another === undefined) {
    const created = await doOnce(client, key, () => client.post("createRelayKey", base, { name, ...common }, key));
    if (json) return sayJson(created);
    sayLine(created.key);
    sayLine("");
    sayKey(created);
  } else {
    const created = await doOnce(client, key, () =>
      client.post("createRelayKeys", `${base}/bulk`, { names, ...common }, key),
    );
    if (json) return sayJson(created);
    sayTable(
      [
        { title: "name", text: (made) => made.name },
        { title: "id", text: ({ keyId }) => keyId },
        { title: "key", text: (made) => made.key },
      ],
      created.items,
      "No key was made.",
    );
  }
  sayLine("");
  sayLine("Keep this: it is shown once, and stored nowhere. Who loses it gets another with relay keys rotate.");
}

/** People call accounts by their names; a policy has the id. */
async function withAccountId(client: ApiClient, options: PolicyOptions): Promise<PolicyOptions> {
  const { account } = options;
  return account === undefined || account === "any"
    ? options
    : { ...options, account: await accountIdOf(client, account) };
}

export async function showKey(client: ApiClient, keyId: string, { json }: OutputOptions): Promise<void> {
  const key = await client.get("getRelayKey", pathOf(keyId));
  if (json) return sayJson(key);
  sayKey(key);
}

export async function updateKey(
  client: ApiClient,
  keyId: string,
  options: PolicyOptions & OutputOptions & { readonly name?: string },
): Promise<void> {
  const { data: before, etag } = await client.getTagged("getRelayKey", pathOf(keyId));
  const change = policyChange(await withAccountId(client, options), before.policy);
  const expiry = expiryOf(options);
  const { name, owner, tag } = options;
  if (Object.keys(change).length === 0 && [name, owner, tag, expiry].every((given) => given === undefined)) {
    throw new UsageProblem("Say what to change; npx causeway relay keys update --help lists what can be.");
  }
  const body = {
    name: name ?? before.name,
    owner: owner ?? before.owner,
    tags: tag ?? before.tags,
    expiry: expiry === undefined ? before.expiry : expiry,
    policy: { ...before.policy, ...change },
  };
  const changed = await client.put("changeRelayKey", pathOf(keyId), body, etag);
  if (options.json) return sayJson(changed);
  sayKey(changed);
}

export async function switchKey(
  client: ApiClient,
  verb: "enable" | "disable" | "delete" | "restore",
  keyId: string,
  { json }: OutputOptions,
): Promise<void> {
  const key =
    verb === "delete"
      ? await client.delete("deleteRelayKey", pathOf(keyId))
      : await client.post(`${verb}RelayKey`, pathOf(keyId, `/${verb}`));
  if (json) return sayJson(key);
  sayLine(`Key ${key.keyId} (${key.name}) is ${key.state}.`);
}

export async function rotateKey(
  client: ApiClient,
  keyId: string,
  { overlapHours, key = randomUUID(), json }: OutputOptions & { readonly overlapHours: string; readonly key?: string },
): Promise<void> {
  if (!/^\d{1,4}(\.\d+)?$/.test(overlapHours)) {
    throw new UsageProblem(`--overlap-hours ${overlapHours} is no number of hours.`);
  }
  const body = { overlapHours: Number(overlapHours) };
  const rotated = await doOnce(client, key, () => client.post("rotateRelayKey", pathOf(keyId, "/rotate"), body, key));
  if (json) return sayJson(rotated);
  sayLine(rotated.key);
  sayLine("");
  sayLine(`The text before is taken until ${shortTime(rotated.formerEndsAt)}. This one is shown once: keep it.`);
}

function sayKey(key: KeyView): void {
  const { policy, expiry } = key;
  const { boundTo: bound, unknownPriceCeiling: ceiling, waiting } = policy;
  const { longestMilliseconds, most } = waiting;
  const formerEnd = key.secrets.find(({ endsAt }) => endsAt !== null)?.endsAt;
  sayFacts({
    key: key.keyId,
    name: key.name,
    owner: key.owner || undefined,
    tags: key.tags.join(", ") || undefined,
    text: key.maskedKey,
    state: key.state,
    created: shortTime(key.createdAt),
    // With its first request the days have become a time.
    expires: key.expiresAt
      ? shortTime(key.expiresAt)
      : expiry?.kind === "after-first-use"
        ? firstUse(expiry.days)
        : null,
    "text before": formerEnd && `taken until ${shortTime(formerEnd)}`,
    platforms: policy.platforms.join(", "),
    models: policy.models.join(", ") || "all",
    addresses: policy.addresses.join(", ") || "all",
    "served by": bound && (bound.kind === "account" ? `account ${bound.accountId}` : `group ${bound.group}`),
    multiplier: policy.multiplierThousandths === 1000 ? undefined : String(policy.multiplierThousandths / 1000),
    estimate: policy.estimate === "strict" ? undefined : policy.estimate,
    "unknown price": ceiling === null ? undefined : `${dollarsOf(ceiling)} a request`,
    waiting: most === 0 ? undefined : `up to ${longestMilliseconds / 1000} s, in a line of ${most}`,
    balance: balanceOf(key),
    "time zone": policy.timeZone,
    running: key.streams,
  });
  sayLine("");
  sayLimits(key.limits);
}

/** A balance that was filled before the key became prepaid, or is left from then, covers nothing. */
function balanceOf({ balanceNanoUsd, policy }: KeyView): string | undefined {
  if (policy.prepaid) return `${dollarsOf(balanceNanoUsd ?? 0)}, which requests need`;
  return balanceNanoUsd === null
    ? undefined
    : `${dollarsOf(balanceNanoUsd)}, which no request needs: it is not prepaid`;
}

const firstUse = (days: number) => `${days} days after its first request`;

export function sayLimits(limits: readonly LimitFigure[]): void {
  const shown = ({ unit }: LimitFigure, figure: number) => (unit === "nano-usd" ? dollarsOf(figure) : String(figure));
  sayTable(
    [
      { title: "limit", text: nameOfLimit },
      { title: "most", text: (figure) => shown(figure, figure.most), align: "right" },
      { title: "used", text: (figure) => shown(figure, figure.used), align: "right" },
      { title: "left", text: (figure) => shown(figure, figure.left), align: "right" },
      { title: "begins anew", text: ({ resetAt }) => shortTime(resetAt) },
    ],
    limits,
    "It has no limits.",
  );
}

function nameOfLimit({ limit, family, window }: LimitFigure): string {
  if (limit !== "spend") return limit.replaceAll("-", " ");
  const span = window === "total" ? "in all" : `per ${window}`;
  return `cost ${span}${family === null ? "" : `, ${family}`}`;
}
