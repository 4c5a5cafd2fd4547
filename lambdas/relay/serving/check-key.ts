// Check key: may the holder of this key make this call from this address? All of it is asked again when the policy changed.
import { holdsSecret } from "../ledger/client-key.ts";
import type { LedgerKey } from "../ledger/ledger.ts";
import { matchesModel } from "../model-pattern.ts";
import type { Call } from "../protocols/protocol.ts";
import { Refusal } from "../refusal.ts";

export interface Asking {
  readonly hash: string;
  readonly sourceIp: string;
  readonly call: Call;
}

/** One sentence for all: nobody learns which keys exist. */
const unknown = "This is no key of this relay, or it is not valid any more. Ask whoever gave it to you for another.";

/**
 * Throws `Refusal`; answers the key. `isAddressIn` says whether an address lies in one of the ranges; `onProven` hears of
 * a key whose secret is right, whatever else speaks against it.
 */
export function checkKey(
  key: LedgerKey | undefined,
  asking: Asking,
  now: number,
  isAddressIn: (ranges: readonly string[], address: string) => boolean,
  onProven: (key: LedgerKey) => void,
): LedgerKey {
  demandSecret(key, asking.hash, now);
  onProven(key);
  if (!key.isEnabled) throw new Refusal("KeyDisabled", "This key is switched off.");
  if (key.expiresAt !== undefined && key.expiresAt <= now) {
    throw new Refusal("KeyExpired", `This key expired at ${new Date(key.expiresAt).toISOString()}.`);
  }
  const { addresses, platforms, models } = key.policy;
  if (addresses.length > 0 && !isAddressIn(addresses, asking.sourceIp)) {
    throw new Refusal("AddressNotAllowed", `This key may not be used from ${asking.sourceIp}.`);
  }
  const { platform, model } = asking.call;
  if (!platforms.includes(platform)) {
    throw new Refusal("PlatformNotAllowed", `This key may not use ${platform}; it may use ${platforms.join(", ")}.`);
  }
  if (model !== "" && models.length > 0 && !matchesModel(models, model)) {
    throw new Refusal("ModelNotAllowed", `This key may not use the model ${model}; it may use ${models.join(", ")}.`);
  }
  return key;
}

/** Throws `Refusal` KeyInvalid unless it is the key's own secret. */
export function demandSecret(key: LedgerKey | undefined, hash: string, now: number): asserts key is LedgerKey {
  if (key === undefined || key.isDeleted || !holdsSecret(key, hash, now)) throw new Refusal("KeyInvalid", unknown);
}
