// Choose account: which accounts may serve a request, the best first; or why none may. Pure: clock and chance are handed in.
import type { KeyPolicy } from "../ledger/key-policy.ts";
import type { Platform } from "../platform.ts";
import { Refusal } from "../refusal.ts";
import type { Account } from "./account.ts";
import { type AccountLoad, loadOf } from "./account-load.ts";
import { type Algorithm, order, type Random } from "./algorithms.ts";
import { servesModel } from "./serves-model.ts";
import type { AccountView, Snapshot } from "./snapshot.ts";
import { type Standing, standingOf } from "./standing.ts";
import { type Tier, tierOf } from "./tiers.ts";

export interface Asked {
  readonly snapshot: Snapshot;
  readonly platform: Platform;
  /** As the client named it; empty where the call has none. */
  readonly model: string;
  /** Of the model, where prices know one. */
  readonly family: string | undefined;
  readonly keyId: string;
  readonly boundTo: KeyPolicy["boundTo"];
  /** Accounts that this request was sent to already. */
  readonly tried: ReadonlySet<string>;
  /** The account that the client's session is with. */
  readonly session: string | undefined;
  /** The account in which the things live that the request names: no other can serve it. See `ownerOf`. */
  readonly owner: string | undefined;
  readonly now: number;
  readonly random: Random;
}

export interface Chosen {
  readonly view: AccountView;
  readonly tier: Tier;
}

export type Choice =
  | {
      readonly kind: "accounts";
      /** The first is to be used; the others where it has no slot left. At least one, at most ten. */
      readonly accounts: readonly Chosen[];
      /** The session's account, where it was left, and why: a word for the log. */
      readonly left: { readonly accountId: string; readonly why: string } | undefined;
    }
  /** NoAccount, AccountsLimited with `resetAt`, or ThingNotFound. */
  | { readonly kind: "none"; readonly refusal: Refusal };

interface Candidate {
  readonly view: AccountView;
  readonly weight: number;
  readonly load: AccountLoad;
  readonly standing: Standing;
  readonly tier: Tier | undefined;
}

const mostChosen = 10;

/** A slot is free again at some moment; nobody knows which. */
const fullForMilliseconds = 1000;

export function chooseAccount(asked: Asked): Choice {
  const candidates = candidatesOf(asked);
  const usable = candidates.filter(hasTier);
  if (usable.length === 0) return { kind: "none", refusal: whyNone(asked, candidates) };
  const best = usable.reduce((least, { tier }) => Math.min(least, tier), 5);
  const session = usable.find(({ view }) => view.account.accountId === asked.session);
  const mayStay = session !== undefined && staysWith(session, best as Tier);
  const others = mayStay ? usable.filter((candidate) => candidate !== session) : usable;
  const ordered = inOrder(others, algorithmOf(asked), asked.random);
  const accounts = (mayStay ? [session, ...ordered] : ordered).slice(0, mostChosen);
  return {
    kind: "accounts",
    accounts: accounts.map(({ view, tier }) => ({ view, tier })),
    left: asked.session === undefined || mayStay ? undefined : { accountId: asked.session, why: whyLeft(asked) },
  };
}

/**
 * The account in which all these things live. Undefined: the request names none. Throws `Refusal` ThingNotFound for an id
 * that this key has not made here, and for ids of two accounts, which no account knows both.
 */
export function ownerOf(owners: ReadonlyMap<string, string>, ids: readonly string[]): string | undefined {
  if (ids.length === 0) return undefined;
  const [first, ...others] = ids.map((id) => owners.get(id));
  if (first === undefined || others.some((other) => other !== first)) throw thingNotFound();
  return first;
}

function candidatesOf(asked: Asked): Candidate[] {
  const { snapshot, family, keyId, model, now, tried } = asked;
  const candidates: Candidate[] = [];
  for (const view of snapshot.accounts) {
    const { account } = view;
    if (tried.has(account.accountId) || unfitness(account, asked) !== undefined) continue;
    const load = loadOf(view, now);
    const standing = standingOf(account, family, load, now, keyId);
    candidates.push({ view, weight: account.weight, load, standing, tier: tierOf(account, standing, load, model) });
  }
  return candidates;
}

/** Why this account can never serve this request, whatever its load; undefined: it can. */
function unfitness(account: Account, { platform, model, boundTo, owner, now }: Asked): string | undefined {
  if (account.platform !== platform) return "platform";
  if (!account.schedulable) return "unschedulable";
  if (account.credentialVersion === 0) return "without-credential";
  if (account.expiresAt !== null && Date.parse(account.expiresAt) <= now) return "expired";
  if (owner !== undefined && account.accountId !== owner) return "not-the-owner";
  if (boundTo?.kind === "account" && account.accountId !== boundTo.accountId) return "not-of-the-key";
  if (boundTo?.kind === "group" && !account.groups.includes(boundTo.group)) return "not-of-the-key";
  return servesModel(account, model) === "no" ? "model" : undefined;
}

function hasTier(candidate: Candidate): candidate is Candidate & { readonly tier: Tier } {
  return candidate.tier !== undefined;
}

/** A session stays, unless its account is not to be relied on or meant for emergencies, while a healthy one is there. */
function staysWith({ tier, standing }: Candidate & { readonly tier: Tier }, best: Tier): boolean {
  if (tier <= 3 || best > 3) return true;
  return tier === 4 && standing.kind === "recoverable" && standing.isPauseOver;
}

/** Tier by tier, priority by priority, each in the algorithm's order. */
function inOrder(
  usable: readonly (Candidate & { readonly tier: Tier })[],
  algorithm: Algorithm,
  random: Random,
): (Candidate & { readonly tier: Tier })[] {
  const ranks = Map.groupBy(usable, ({ tier, view }) => tier * 10_000 + view.account.priority);
  const ordered: (Candidate & { readonly tier: Tier })[] = [];
  for (const rank of [...ranks.keys()].sort((left, right) => left - right)) {
    if (ordered.length >= mostChosen) break;
    ordered.push(...order(ranks.get(rank) ?? [], algorithm, random));
  }
  return ordered;
}

function algorithmOf({ snapshot, boundTo }: Asked): Algorithm {
  const own = boundTo?.kind === "group" ? snapshot.groups.find(({ group }) => group === boundTo.group) : undefined;
  return own?.algorithm ?? snapshot.settings.algorithm;
}

function whyLeft(asked: Asked): string {
  const { snapshot, session, tried, family, keyId, now } = asked;
  const view = snapshot.accounts.find(({ account }) => account.accountId === session);
  if (view === undefined) return "gone";
  if (tried.has(view.account.accountId)) return "failed";
  const unfit = unfitness(view.account, asked);
  if (unfit !== undefined) return unfit;
  const load = loadOf(view, now);
  const standing = standingOf(view.account, family, load, now, keyId);
  if (standing.kind !== "well") return standing.why;
  return load.open >= load.concurrency ? "full" : "standby";
}

function whyNone(asked: Asked, candidates: readonly Candidate[]): Refusal {
  const { snapshot, platform, model, boundTo, owner, now } = asked;
  if (owner !== undefined && !snapshot.accounts.some(({ account }) => account.accountId === owner)) {
    return thingNotFound();
  }
  const resets = candidates.flatMap(({ standing }) => {
    if (standing.kind !== "paused") return [now + fullForMilliseconds];
    return standing.until === null ? [] : [standing.until];
  });
  const forWhat = `${model === "" ? platform : model}${boundTo === null ? "" : " that this key may use"}`;
  if (resets.length === 0) {
    return new Refusal("NoAccount", `There is no healthy upstream account for ${forWhat}. Tell the relay's operators.`);
  }
  const resetAt = Math.min(...resets);
  const time = new Date(resetAt).toISOString();
  return new Refusal("AccountsLimited", `All upstream accounts for ${forWhat} are busy or limited until ${time}.`, {
    resetAt,
  });
}

function thingNotFound(): Refusal {
  return new Refusal("ThingNotFound", "The request names something that does not exist here, or not for this key.");
}
