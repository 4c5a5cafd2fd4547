// The ledger's writes as DynamoDB's expressions. Each is idempotent: repeated after a lost answer, its condition fails.
import { type Attribute, number, text, yes } from "./attributes.ts";
import { leaseAttribute, type StoredLease } from "./key-item.ts";
import type { Lease, LedgerKey, More, ReservedCall } from "./ledger.ts";
import { countedWindows, limitOf } from "./limits.ts";
import { isForgettable, minuteOf, readWindow, requestsWindow, tokensWindow } from "./windows.ts";

export interface Write {
  readonly ConditionExpression: string;
  readonly UpdateExpression: string;
  readonly ExpressionAttributeNames: Record<string, string>;
  /** Undefined where the expressions have none: DynamoDB refuses an empty map. */
  readonly ExpressionAttributeValues: Record<string, Attribute> | undefined;
}

export interface Reservation {
  readonly write: Write;
  readonly lease: Omit<StoredLease, "requestId" | "sequence" | "isDead">;
  /** Names of windows that the write removes. */
  readonly forgotten: readonly string[];
}

export interface Wanted {
  readonly requestId: string;
  readonly key: LedgerKey;
  readonly call: ReservedCall;
  readonly accountId: string | undefined;
  readonly nanoUsd: number;
  readonly tokens: number;
  readonly family: string | undefined;
  readonly now: number;
  readonly leaseUntil: number;
  /** Places in the key's line that the write takes away: its own, if it has one, and those of requests that died there. */
  readonly places: readonly string[];
}

/** A write removes no more old windows than this; the next one goes on. */
const mostForgotten = 10;
const dayMilliseconds = 86_400_000;

const admits =
  "#on = :yes AND #v = :v AND (attribute_not_exists(#exp) OR #exp > :now) AND attribute_not_exists(#L.#id) AND size(#L) < :most";
const goesOn =
  "#on = :yes AND #v = :v AND (attribute_not_exists(#exp) OR #exp > :now) AND #L.#id.#n = :n AND attribute_not_exists(#L.#id.#x)";

/** By a window's place in the list: what is added to it, and what holds it below its limit. */
const mostWindows = 8;
const places = Array.from({ length: mostWindows }, (_, place) => ({
  name: `#w${place}`,
  limit: `:w${place}`,
  add: `#u.#w${place} = if_not_exists(#u.#w${place}, :zero) + :cost`,
  settle: `#u.#w${place} = if_not_exists(#u.#w${place}, :held) + :more`,
  allows: ` AND (attribute_not_exists(#u.#w${place}) OR #u.#w${place} <= :w${place})`,
}));

/** The caller has made sure that the cost alone is above no limit: a window that is not there yet admits anything. */
export function reserveWrite(wanted: Wanted): Reservation {
  const { requestId, key, nanoUsd, tokens, now } = wanted;
  const { policy } = key;
  const windows = countedWindows(key, wanted.family, now);
  const minute = minuteOf(now);
  const names: Record<string, string> = {
    "#on": "on",
    "#v": "v",
    "#exp": "exp",
    "#L": "L",
    "#u": "u",
    "#id": requestId,
  };
  const values: Record<string, Attribute> = {
    ":yes": yes,
    ":v": number(key.version),
    ":now": number(now),
    ":most": number(policy.concurrency),
    ":zero": number(0),
    ":cost": number(nanoUsd),
  };
  let condition = admits;
  let update = "SET #L.#id = :lease";
  if (policy.requestsPerMinute !== null) {
    names["#r"] = requestsWindow(minute);
    values[":one"] = number(1);
    values[":r"] = number(policy.requestsPerMinute);
    condition += " AND (attribute_not_exists(#u.#r) OR #u.#r < :r)";
    update += ", #u.#r = if_not_exists(#u.#r, :zero) + :one";
  }
  if (policy.tokensPerMinute !== null) {
    names["#k"] = tokensWindow(minute);
    values[":tokens"] = number(tokens);
    values[":k"] = number(policy.tokensPerMinute - tokens);
    condition += " AND (attribute_not_exists(#u.#k) OR #u.#k <= :k)";
    update += ", #u.#k = if_not_exists(#u.#k, :zero) + :tokens";
  }
  const spending = spend({ key, windows, nanoUsd, isPrepaid: policy.prepaid, names, values });
  condition += spending.condition;
  update += spending.update;
  if (key.daysFromFirstUse !== undefined) {
    values[":first"] = number(now + key.daysFromFirstUse * dayMilliseconds);
    update += ", #exp = if_not_exists(#exp, :first)";
  }
  const forgotten = Object.keys(key.used)
    .filter((name) => isForgettable(name, now))
    .slice(0, mostForgotten);
  update += removals(forgotten, wanted.places, names);
  const lease = {
    expiresAt: wanted.leaseUntil,
    nanoUsd,
    tokens,
    windows,
    prepaid: policy.prepaid,
    minute: policy.tokensPerMinute === null ? undefined : minute,
    family: wanted.family,
    call: wanted.call,
    accountId: wanted.accountId,
    multiplierThousandths: policy.multiplierThousandths,
  };
  values[":lease"] = leaseAttribute(lease);
  return { write: writeOf(condition, update, names, values), lease, forgotten };
}

/** More for a running request, in the windows in which it was admitted; `key`: the policy that counts now. */
export function extendWrite(lease: Lease, key: LedgerKey, more: More): Write {
  const { requestId, windows, sequence, prepaid } = lease;
  const names: Record<string, string> = {
    ...{ "#on": "on", "#v": "v", "#exp": "exp", "#L": "L", "#u": "u", "#id": requestId },
    ...{ "#n": "n", "#x": "x", "#c": "c", "#t": "k", "#e": "e", "#s": "s" },
  };
  const values: Record<string, Attribute> = {
    ":yes": yes,
    ":v": number(key.version),
    ":now": number(more.now),
    ":n": number(sequence),
    ":next": number(sequence + 1),
    ":zero": number(0),
    ":cost": number(more.nanoUsd),
    ":tokens": number(more.tokens),
    ":e": number(more.leaseUntil),
    ":s": text(more.accountId),
  };
  let update =
    "SET #L.#id.#c = #L.#id.#c + :cost, #L.#id.#t = #L.#id.#t + :tokens, #L.#id.#n = :next, #L.#id.#e = :e, #L.#id.#s = :s";
  if (lease.minute !== undefined) {
    // Counted, not refused: who is admitted may finish, and the next request of this minute waits for it.
    names["#k"] = tokensWindow(minuteOf(more.now));
    update += ", #u.#k = if_not_exists(#u.#k, :zero) + :tokens";
  }
  const spending = spend({ key, windows, nanoUsd: more.nanoUsd, isPrepaid: prepaid, names, values });
  return writeOf(goesOn + spending.condition, update + spending.update, names, values);
}

/** What settling needs to know of a lease. */
export type HeldLease = Pick<Lease, "requestId" | "windows" | "prepaid" | "tokens" | "minute">;

/**
 * Takes the lease away, and leaves in its windows what was charged instead of what it held. `held`: what the lease holds now;
 * the condition fails if it holds something else, or is gone. `tokens`: what was used, to correct the minute's count.
 */
export function settleWrite(
  lease: HeldLease,
  held: number,
  charged: number,
  tokens: number | undefined,
  now: number,
): Write {
  const names: Record<string, string> = { "#L": "L", "#u": "u", "#id": lease.requestId, "#c": "c" };
  const values: Record<string, Attribute> = { ":held": number(held), ":more": number(charged - held) };
  let update = `SET ${settled(lease.windows, names)}`;
  if (lease.prepaid) {
    names["#bal"] = "bal";
    update += ", #bal = #bal - :more";
  }
  // Only in the minute of its admission: a minute that is over limits nobody.
  if (tokens !== undefined && lease.minute === minuteOf(now)) {
    names["#k"] = tokensWindow(lease.minute);
    values[":reserved"] = number(lease.tokens);
    values[":tokens"] = number(tokens - lease.tokens);
    update += ", #u.#k = if_not_exists(#u.#k, :reserved) + :tokens";
  }
  return writeOf("#L.#id.#c = :held", `${update} REMOVE #L.#id`, names, values);
}

/** The lease is gone, its windows hold `charged`; they get `corrected` instead. Without a condition of its own: part of a transaction. */
export function correctionWrite(lease: HeldLease, charged: number, corrected: number): Write {
  const names: Record<string, string> = { "#pk": "pk", "#u": "u" };
  let update = `SET ${settled(lease.windows, names)}`;
  if (lease.prepaid) {
    names["#bal"] = "bal";
    update += ", #bal = #bal - :more";
  }
  const values = { ":held": number(charged), ":more": number(corrected - charged) };
  return writeOf("attribute_exists(#pk)", update, names, values);
}

/** The lease is given up: from here on no extension succeeds. Fails if it was extended meanwhile, or is gone. */
export function giveUpWrite({ requestId, expiresAt }: Pick<StoredLease, "requestId" | "expiresAt">): Write {
  return writeOf(
    "#L.#id.#e = :e",
    "SET #L.#id.#x = :yes",
    { "#L": "L", "#id": requestId, "#e": "e", "#x": "x" },
    { ":e": number(expiresAt), ":yes": yes },
  );
}

interface Spending {
  readonly key: LedgerKey;
  readonly windows: readonly string[];
  readonly nanoUsd: number;
  readonly isPrepaid: boolean;
  readonly names: Record<string, string>;
  readonly values: Record<string, Attribute>;
}

/** The money in the windows and from the balance, each held to its limit. */
function spend({ key, windows, nanoUsd, isPrepaid, names, values }: Spending): { condition: string; update: string } {
  let condition = "";
  let update = "";
  windows.forEach((window, at) => {
    const place = placeOf(at);
    names[place.name] = window;
    update += `, ${place.add}`;
    const kind = readWindow(window);
    const limit = kind && limitOf(key, kind);
    if (limit === undefined) return;
    values[place.limit] = number(limit - nanoUsd);
    condition += place.allows;
  });
  if (isPrepaid) {
    names["#bal"] = "bal";
    condition += " AND #bal >= :cost";
    update += ", #bal = #bal - :cost";
  }
  return { condition, update };
}

function settled(windows: readonly string[], names: Record<string, string>): string {
  return windows
    .map((window, at) => {
      const place = placeOf(at);
      names[place.name] = window;
      return place.settle;
    })
    .join(", ");
}

function placeOf(at: number) {
  const place = places[at];
  if (place === undefined) throw new RangeError(`a request is counted in at most ${mostWindows} windows`);
  return place;
}

function removals(forgotten: readonly string[], places: readonly string[], names: Record<string, string>): string {
  const windows = forgotten.map((name, at) => {
    names[`#f${at}`] = name;
    return `#u.#f${at}`;
  });
  const inLine = places.map((id, at) => {
    names["#q"] = "q";
    names[`#p${at}`] = id;
    return `#q.#p${at}`;
  });
  const paths = [...windows, ...inLine];
  return paths.length === 0 ? "" : ` REMOVE ${paths.join(", ")}`;
}

function writeOf(
  ConditionExpression: string,
  UpdateExpression: string,
  ExpressionAttributeNames: Record<string, string>,
  ExpressionAttributeValues: Record<string, Attribute>,
): Write {
  return { ConditionExpression, UpdateExpression, ExpressionAttributeNames, ExpressionAttributeValues };
}
