// Key holder: whose client key came with a request about that key itself, and may it be used from here?
import { CausewayError } from "../../shared/errors.ts";
import type { Caller } from "../../shared/routes.ts";
import { hashClientKey, holdsSecret, readClientKey } from "../ledger/client-key.ts";
import type { LedgerKey } from "../ledger/ledger.ts";
import { readKeyText } from "../read-key-text.ts";

export interface HolderPorts {
  now(): number;
  pepper(): Promise<string>;
  /** As it is now: a key that was switched off is refused at once. */
  readKey(keyId: string): Promise<LedgerKey | undefined>;
  isAddressIn(ranges: readonly string[], address: string): boolean;
}

/** One sentence for all: nobody learns which keys exist. */
const unknown = "This is no key of this relay, or it is not valid any more. Ask whoever gave it to you for another.";

/**
 * `headers`: names in lower case; the key may be in any that clients use. The subject is the key's id. Throws
 * `Unauthenticated`, or `Forbidden` for a key that is switched off, has expired, or must not be used from this address.
 */
export async function findKeyHolder(
  headers: ReadonlyMap<string, string>,
  sourceIp: string,
  ports: HolderPorts,
): Promise<Caller> {
  const text = readKeyText({ headers: Object.fromEntries(headers), query: "" });
  if (text === undefined) {
    throw new CausewayError(
      "Unauthenticated",
      "This needs a client key of the relay, as a bearer token or in x-api-key.",
    );
  }
  const read = readClientKey(text);
  if (read === undefined) throw new CausewayError("Unauthenticated", unknown);
  const hash = hashClientKey(await ports.pepper(), text);
  const key = await ports.readKey(read.keyId);
  const now = ports.now();
  if (key === undefined || key.isDeleted || !holdsSecret(key, hash, now)) {
    throw new CausewayError("Unauthenticated", unknown);
  }
  if (!key.isEnabled) throw new CausewayError("Forbidden", "This key is switched off.");
  if (key.expiresAt !== undefined && key.expiresAt <= now) {
    throw new CausewayError("Forbidden", `This key expired at ${new Date(key.expiresAt).toISOString()}.`);
  }
  const { addresses } = key.policy;
  if (addresses.length > 0 && !ports.isAddressIn(addresses, sourceIp)) {
    throw new CausewayError("Forbidden", `This key may not be used from ${sourceIp}.`);
  }
  return { subject: key.keyId, name: key.keyId, roles: [] };
}
