// Refusals: everything that the relay itself answers instead of an upstream, by name; each protocol words them its own way.

/** Why the relay does not serve a request. The comment says who can change it. */
export const refusalNames = [
  /** No key where any client puts one. */
  "KeyMissing",
  /** Not a key of ours, unknown, deleted, or its rotated half is over. Never said apart: nobody learns which keys exist. */
  "KeyInvalid",
  "KeyDisabled",
  "KeyExpired",
  "AddressNotAllowed",
  "PlatformNotAllowed",
  "ModelNotAllowed",
  /** Something that a later version will do, such as Bedrock; or that no relay can, such as `background: true`. */
  "NotSupported",
  "NotFound",
  "MethodNotAllowed",
  /** Only for GET /v1/responses: the client goes on by POST. */
  "UpgradeRequired",
  "BodyTooLarge",
  "BodyInvalid",
  /** An id of something that lives in another account or belongs to another key. */
  "ThingNotFound",
  "RequestsPerMinute",
  "TokensPerMinute",
  "ConcurrencyReached",
  /** charged + reserved would pass a limit; `window` says which. */
  "BudgetReached",
  "BalanceSpent",
  "PriceUnknown",
  /** All accounts that could serve it are limited until `resetAt`. */
  "AccountsLimited",
  /** No account of the platform, the model or the key's group is there, or none is healthy. */
  "NoAccount",
  /** The upstream failed, or refused our account, and no other account took over. */
  "UpstreamFailed",
  "UpstreamOverloaded",
  "UpstreamTimeout",
  /** Our own infrastructure: always a 503, never a 401. */
  "RelayUnavailable",
] as const;

export type RefusalName = (typeof refusalNames)[number];

/** A budget's span; `family` is added for limits of a model family. */
export type WindowKind = "day" | "week" | "month" | "total";

export interface RefusalFacts {
  /** What was reached: nano-USD, requests, tokens or streams, by the refusal's name. */
  readonly limit?: number;
  readonly window?: { readonly kind: WindowKind; readonly family?: string };
  /** When the window ends or the accounts are free again; milliseconds since 1970. Absent: waiting does not help. */
  readonly resetAt?: number;
  /** HTTP methods of a MethodNotAllowed. */
  readonly allow?: readonly string[];
  /** Whether the client's own account of tries should go on. Decided by name when absent. */
  readonly cause?: unknown;
}

/** Thrown anywhere in the relay before the first byte; the entry answers it in the client's protocol. */
export class Refusal extends Error {
  override readonly name: RefusalName;
  readonly facts: RefusalFacts;

  /** `message` is read by people in their client: it says what was reached and what to do; no secret, no account's name. */
  constructor(name: RefusalName, message: string, facts: RefusalFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = name;
    this.facts = facts;
  }
}
