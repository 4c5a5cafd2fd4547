// The port of providers: how an account of one is called, and what its answers say about the request and about the account.
import type * as z from "zod";
import { matchesModel } from "../model-pattern.ts";
import type { Platform } from "../platform.ts";
import type { Call } from "../protocols/protocol.ts";
import type { Refusal } from "../refusal.ts";
import type { Account } from "../scheduling/account.ts";

/** What is sent, whole; the transport adds nothing but `content-length` and `host`. */
export interface UpstreamRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** The beginning of an answer, with its body where it is an error. */
export interface UpstreamAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Decoded, at most 64 KiB; empty for an answer that is not an error. */
  readonly body: Buffer;
}

/** What was asked of the account: a call, or a probe, whose model is empty. */
export interface Asked {
  /** As the client named it. */
  readonly model: string;
  /** Budget family of the model, where prices know one. Without it a family's limit counts as the whole account's. */
  readonly family?: string | undefined;
}

/** What an account is after an answer. */
export interface AccountChange {
  readonly state: "rate-limited" | "overloaded" | "unauthorised" | "blocked" | "failing" | "quota-spent";
  /** When the answer says it ends; milliseconds since 1970. Absent: the account's own growing pauses decide. */
  readonly until?: number;
  /** The family asked, where the limit is one of a family (Opus …). Absent: the whole account. */
  readonly family?: string;
  /** The request itself may have done it: one key's word is not enough. See next-condition.ts. */
  readonly isDoubtful?: true;
  /** For the error history: vendor's type and message, at most 500 characters, no secret. */
  readonly said: string;
}

export type Verdict =
  /** About the request (400, 404, 413, 422), or a success: passes byte for byte. */
  | { readonly kind: "pass" }
  /**
   * About our account: another account may be tried; else the client gets the refusal. Without a change the account is
   * as good as before: it only lacks what was asked.
   */
  | { readonly kind: "account"; readonly change?: AccountChange; readonly refusal: Refusal };

export interface Provider {
  /** As in the registry: `anthropic`, `openai-compatible` … */
  readonly name: string;
  readonly platform: Platform;
  /** Of the secret part; what an operator types in. */
  readonly credential: z.ZodObject;
  /** Of the public part (`baseUrl` …), shown in forms. */
  readonly settings: z.ZodObject;
  /** The account's base URL, checked by the address guard before use. */
  baseUrlOf(account: Account): string;
  /** `credential` as decrypted and parsed with the schema above. The model is mapped here. */
  prepare(call: Call, account: Account, credential: unknown): UpstreamRequest;
  judge(answer: UpstreamAnswer, asked: Asked, now: number): Verdict;
  /** Of an error that came inside a stream, after status 200. */
  judgeStreamed(error: { readonly type: string; readonly message: string }, asked: Asked, now: number): Verdict;
  /** Of headers of a success: a limit that the next request would meet, so that the scheduler knows before a refusal. */
  foresee(headers: Readonly<Record<string, string>>, asked: Asked, now: number): AccountChange | undefined;
  /** Service tier in which the answer was served, where its headers tell it; what the body says counts before. */
  servedTier(headers: Readonly<Record<string, string>>): string | undefined;
  /** Headers of the answer that may go to the client: none that tells of the account. */
  passHeader(name: string): boolean;
  /** The cheapest call that shows that the credential works: a 2xx does. What else comes is judged as any answer. */
  probe(account: Account, credential: unknown): UpstreamRequest;
}

/**
 * The model that is sent upstream for the one asked: its own entry of the account's mapping, else the entry whose pattern
 * matches and is the longest, else the same.
 */
export function mappedModel({ modelMapping }: Pick<Account, "modelMapping">, model: string): string {
  if (model === "") return model;
  const own = Object.hasOwn(modelMapping, model) ? modelMapping[model] : undefined;
  if (own !== undefined) return own;
  let best: { readonly pattern: string; readonly to: string } | undefined;
  for (const [pattern, to] of Object.entries(modelMapping)) {
    if (pattern.length > (best?.pattern.length ?? 0) && matchesModel([pattern], model)) best = { pattern, to };
  }
  return best?.to ?? model;
}
