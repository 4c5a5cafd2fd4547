// The guard's look-up ahead of any call: for whoever types an address in, so that a private one is refused while they look.
import { setTimeout as pause } from "node:timers/promises";
import { isErrorNamed } from "./errors.ts";
import { type AddressPolicy, guardedLookup } from "./guarded-address.ts";

/** A resolver that is slower says nothing. */
const longestLookupMilliseconds = 2000;

/**
 * Throws `AddressRefused` where the name leads to an address that must not be called. A name that does not resolve now is
 * let through: what counts is the same check at every connection.
 */
export async function checkWhereNameLeads(url: URL, policy: AddressPolicy): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race([lookUp(url, policy), pause(longestLookupMilliseconds, undefined, { signal: over.signal })]);
  } finally {
    over.abort();
  }
}

/** Literal addresses were judged before, and Node would resolve them to themselves. */
function lookUp(url: URL, policy: AddressPolicy): Promise<void> {
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return new Promise((resolve, reject) => {
    guardedLookup(url, policy)(hostname, { all: true }, (error) => {
      if (isErrorNamed(error, "AddressRefused")) reject(error);
      else resolve();
    });
  });
}
