// What a new client key is made of: derived instead of drawn, so that a repeated request can show the same key again.
import { createHmac } from "node:crypto";

/** What a request to make or rotate keys is told apart by. */
export interface KeyWork {
  /** At random, kept with the Idempotency-Key for a day, and nowhere else: whoever has only the pepper derives nothing. */
  readonly workId: string;
  /** As it was sent; kept as a hash alone. Undefined: there was none, and nothing can be shown again. */
  readonly idempotencyKey: string | undefined;
}

/**
 * 64 uniform bytes: HMAC-SHA-512 under the pepper. The hashes that are stored are HMAC-SHA-256 of texts that begin with
 * cwk_, so that neither is ever the other. `index`: of several keys of one request.
 */
export function clientSecret(pepper: string, purpose: "make" | "rotate", work: KeyWork, index: string): Uint8Array {
  const about = ["client key", purpose, work.workId, work.idempotencyKey ?? null, index];
  return createHmac("sha512", pepper).update(JSON.stringify(about)).digest();
}
