// What failed: what a request that did not go well says of its account, and the word for its record.
import { isErrorNamed } from "../../shared/errors.ts";
import type { AccountChange } from "../providers/provider.ts";
import { TransportError } from "../transports/transport.ts";
import type { Passed } from "./pass-answer.ts";

/** Before a request is sent the way or the provider is at fault; from then on the request may be. */
export function failureOf({ kind, message, sent }: TransportError): AccountChange {
  return { state: "failing", said: `${kind}: ${message}`.slice(0, 500), ...(sent && { isDoubtful: true }) };
}

/** What is kept of the account cannot be used, where another account's can. Undefined: it is not that. */
export function unusableBy(error: unknown): AccountChange | undefined {
  if (isErrorNamed(error, "CredentialMissing", "CredentialUnreadable")) {
    return { state: "unauthorised", said: error instanceof Error ? error.message.slice(0, 500) : "" };
  }
  if (!isErrorNamed(error, "ZodError")) return undefined;
  return { state: "failing", said: "Its settings or its credential do not fit its provider: enter them anew." };
}

/** The upstream did not say anything, or go on, for too long: it may be at work all the same, and its vendor bills that. */
export function isGivenUp(error: unknown): boolean {
  return error instanceof TransportError && error.kind === "timeout" && error.sent;
}

/** A word for the record: the error's name, the vendor's type, or the status that was passed on. */
export function reasonOf({ outcome, error }: Passed, status: number): string {
  if (outcome === "ok") return status >= 400 ? `status ${status}` : "";
  if (error instanceof Error) return error.name;
  const { type } = (error ?? {}) as { readonly type?: unknown };
  return typeof type === "string" ? type : outcome;
}
