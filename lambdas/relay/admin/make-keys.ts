// Make keys: new client keys, or a new text of one that is there. A repeated request finds what it made, and shows it again.
import { CausewayError, isErrorNamed } from "../../shared/errors.ts";
import { wrongInput } from "../../shared/wrong-input.ts";
import type { KeysStore } from "../keys.store.ts";
import { hashClientKey, keyTextOf, makeClientKey, maskOf } from "../ledger/client-key.ts";
import type { NewKey as KeptKey, KeyView as StoredKey } from "../ledger/kept-key.ts";
import { checkPolicy, type PolicySurroundings } from "./check-policy.ts";
import { clientSecret, type KeyWork } from "./client-secret.ts";
import type { Expiry, NewKey } from "./key-answers.ts";

export interface MakingPorts {
  now(): number;
  pepper(): Promise<string>;
  readonly keys: Pick<KeysStore, "create" | "read" | "rotate" | "markDeleted">;
  readonly surroundings: PolicySurroundings;
}

export interface MadeKey {
  readonly stored: StoredKey;
  readonly text: string;
}

const hourMilliseconds = 3_600_000;

/**
 * In the order of `names`. `onNamed` hears their ids before the first is made. Where not all can be made, a repetition by the
 * same Idempotency-Key makes the rest and shows all; without one nobody could ever see the texts, so those are deleted again.
 * Throws `InputInvalid`, or `Conflict` where one was rotated since it was made.
 */
export async function makeKeys(
  asked: Omit<NewKey, "name">,
  names: readonly string[],
  { work, by, onNamed }: { readonly work: KeyWork; readonly by: string; readonly onNamed?: (ids: string[]) => void },
  ports: MakingPorts,
): Promise<MadeKey[]> {
  await checkPolicy(asked.policy, ports.surroundings);
  const { owner, tags, enabled, policy, balanceNanoUsd = 0 } = asked;
  const expiry = keptExpiry(asked.expiry);
  demandFuture(expiry, ports.now());
  const pepper = await ports.pepper();
  const made = names.map((name, index) => {
    const { keyId, text } = makeClientKey(clientSecret(pepper, "make", work, String(index)));
    const hash = hashClientKey(pepper, text);
    const key: KeptKey = {
      ...{ keyId, hash, masked: maskOf(text), name, owner, tags, policy, enabled, expiry, balanceNanoUsd, by },
    };
    return { key, text };
  });
  const keyIds = made.map(({ key }) => key.keyId);
  onNamed?.(keyIds);
  try {
    await ports.keys.create(made.map(({ key }) => key));
    return await Promise.all(
      made.map(async ({ key, text }) => ({ stored: await existingKey(key.keyId, ports.keys), text })),
    );
  } catch (error) {
    if (isErrorNamed(error, "Conflict")) throw rotatedSince(error);
    if (work.idempotencyKey === undefined) await takeBack(keyIds, by, ports.keys);
    throw error;
  }
}

function rotatedSince(cause: unknown): CausewayError {
  const message =
    "A key that this request made before has been rotated since: its first text is gone. Rotate it again, and each of the others whose text is not known.";
  return new CausewayError("Conflict", message, { cause });
}

/** As far as it can be done: what stays in spite of it is named in the audit log. */
async function takeBack(keyIds: readonly string[], by: string, keys: MakingPorts["keys"]): Promise<void> {
  await Promise.allSettled(keyIds.map((keyId) => keys.markDeleted(keyId, by)));
}

/** `overlapHours`: so long the text before is taken as well. Throws `NotFound`. */
export async function rotateKey(
  keyId: string,
  overlapHours: number,
  { work, by }: { readonly work: KeyWork; readonly by: string },
  ports: MakingPorts,
): Promise<MadeKey & { readonly formerEndsAt: number }> {
  await existingKey(keyId, ports.keys);
  const pepper = await ports.pepper();
  const text = keyTextOf(keyId, clientSecret(pepper, "rotate", work, keyId));
  const hash = hashClientKey(pepper, text);
  const now = ports.now();
  const overlapUntil = now + Math.round(overlapHours * hourMilliseconds);
  const stored = await ports.keys.rotate(keyId, { hash, masked: maskOf(text), overlapUntil }, by);
  const ends = Object.entries(stored.key.secrets).map(([other, end]) => (other === hash ? null : end));
  return { stored, text, formerEndsAt: Math.max(now, ...ends.filter((end) => end !== null)) };
}

/** Throws `NotFound`. */
export async function existingKey(keyId: string, keys: Pick<KeysStore, "read">): Promise<StoredKey> {
  const found = await keys.read(keyId);
  if (found === undefined) throw new CausewayError("NotFound", `There is no key ${keyId}.`);
  return found;
}

export function keptExpiry(expiry: Expiry): KeptKey["expiry"] {
  if (expiry === null) return { kind: "never" };
  return expiry.kind === "at" ? { kind: "at", at: Date.parse(expiry.at) } : expiry;
}

/** Throws `InputInvalid`: whoever gives a time that is over meant another one. */
export function demandFuture(expiry: KeptKey["expiry"], now: number): void {
  if (expiry.kind !== "at" || expiry.at > now) return;
  throw wrongInput([{ field: "body.expiry.at", problem: "This time is over. To stop a key at once, switch it off." }]);
}
