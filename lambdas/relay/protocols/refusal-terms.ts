// Refusal terms: what a refusal means to any client (its kind, whether to try again and when), before a protocol words it.
import { dollars } from "../ledger/dollars.ts";
import type { Refusal, RefusalName } from "../refusal.ts";

export type RefusalKind =
  | "authentication"
  | "permission"
  | "model"
  | "unsupported"
  | "not-found"
  | "method"
  | "upgrade"
  | "too-large"
  | "invalid"
  | "rate"
  | "spent"
  | "unavailable"
  | "overloaded"
  | "timeout";

export interface RefusalTerms {
  readonly kind: RefusalKind;
  /** Refusal.name as a code: BudgetReached → budget_reached. */
  readonly code: string;
  readonly message: string;
  /** Whether the client should try again by itself. */
  readonly retry: boolean;
  /** When it will be different, where that is known; whole seconds, at least 1. */
  readonly retryAfterSeconds: number | undefined;
}

const kinds = {
  KeyMissing: "authentication",
  KeyInvalid: "authentication",
  KeyDisabled: "permission",
  KeyExpired: "permission",
  AddressNotAllowed: "permission",
  PlatformNotAllowed: "permission",
  ModelNotAllowed: "model",
  PriceUnknown: "model",
  NotSupported: "unsupported",
  NotFound: "not-found",
  ThingNotFound: "not-found",
  MethodNotAllowed: "method",
  UpgradeRequired: "upgrade",
  BodyTooLarge: "too-large",
  BodyInvalid: "invalid",
  RequestsPerMinute: "rate",
  TokensPerMinute: "rate",
  ConcurrencyReached: "rate",
  AccountsLimited: "rate",
  BudgetReached: "spent",
  BalanceSpent: "spent",
  NoAccount: "unavailable",
  UpstreamFailed: "unavailable",
  RelayUnavailable: "unavailable",
  UpstreamOverloaded: "overloaded",
  UpstreamTimeout: "timeout",
} as const satisfies Record<RefusalName, RefusalKind>;

const retriedKinds: ReadonlySet<RefusalKind> = new Set(["rate", "unavailable", "overloaded", "timeout"]);

/** Vendors' clients ignore a longer wait than a minute and come back at once, so that they are told to stop instead. */
const longestWaitSeconds = 60;

/** Other requests of the key end at any moment, unlike a window. */
const concurrencySeconds = 2;

/** `now`: milliseconds since 1970. */
export function termsOf(refusal: Refusal, now: number): RefusalTerms {
  const { name } = refusal;
  const kind = kinds[name];
  const seconds =
    secondsUntil(refusal.facts.resetAt, now) ?? (name === "ConcurrencyReached" ? concurrencySeconds : undefined);
  return {
    kind,
    code: name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase(),
    message: messageOf(refusal),
    retry: retriedKinds.has(kind) && mayRetry(name, seconds),
    retryAfterSeconds: seconds,
  };
}

/** Without a time, waiting helps against faults; it does not where a request is above a limit by itself. */
function mayRetry(name: RefusalName, seconds: number | undefined): boolean {
  if (seconds !== undefined) return seconds <= longestWaitSeconds;
  return name !== "TokensPerMinute";
}

function secondsUntil(resetAt: number | undefined, now: number): number | undefined {
  return resetAt === undefined ? undefined : Math.max(1, Math.ceil((resetAt - now) / 1000));
}

/** Limit, window and reset stand in the message, where whoever refused did not put them there already. */
function messageOf({ name, message, facts }: Refusal): string {
  const { limit, window, resetAt } = facts;
  const said: string[] = [];
  const amount = limit === undefined ? undefined : amountOf(name, limit);
  if (amount !== undefined && !message.includes(amount)) {
    const span =
      window === undefined ? "" : ` per ${window.kind}${window.family === undefined ? "" : ` on ${window.family}`}`;
    said.push(`limit ${amount}${span}`);
  }
  const reset = resetAt === undefined ? undefined : new Date(resetAt).toISOString();
  if (reset !== undefined && !message.includes(reset)) said.push(`resets at ${reset}`);
  return said.length === 0 ? message : `${message} (${said.join(", ")})`;
}

function amountOf(name: RefusalName, limit: number): string {
  return name === "BudgetReached" || name === "BalanceSpent" ? dollars(limit) : String(limit);
}

/** Headers of every refusal: what SDKs of Anthropic and OpenAI obey before anything else, and when to come again. */
export function retryHeaders({ retry, retryAfterSeconds }: RefusalTerms): Record<string, string> {
  return {
    "content-type": "application/json",
    "x-should-retry": String(retry),
    ...(retryAfterSeconds !== undefined && { "retry-after": String(retryAfterSeconds) }),
  };
}
