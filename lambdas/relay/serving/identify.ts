// Identify: the client key's text, wherever the client put it, and the hash that proves it.
import { hashClientKey, readClientKey } from "../ledger/client-key.ts";
import { readKeyText } from "../read-key-text.ts";
import { Refusal } from "../refusal.ts";
import type { Arrival } from "./ports.ts";

/** Of a client key's text: whose it claims to be, and the hash that proves it. */
export interface Identity {
  readonly keyId: string;
  readonly hash: string;
}

/** Throws `Refusal`: KeyMissing, or KeyInvalid for what is not even of the form of Causeway's keys: that costs no call. */
export async function identify(arrival: Arrival, pepper: () => Promise<string>): Promise<Identity> {
  const text = readKeyText(arrival);
  if (text === undefined) {
    throw new Refusal("KeyMissing", "No key came with the request. Give the key that you got for this relay.");
  }
  const read = readClientKey(text);
  if (read === undefined) {
    throw new Refusal("KeyInvalid", "This is no key of this relay: its keys begin with cwk_. Was it copied whole?");
  }
  return { keyId: read.keyId, hash: hashClientKey(await pepper(), text) };
}
