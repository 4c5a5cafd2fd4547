// The text of client keys: cwk_, the key's id, a secret, and a checksum, so that a mistyped key costs no look into a table.
import { createHmac } from "node:crypto";
import { crc32 } from "node:zlib";
import type { LedgerKey } from "./ledger.ts";

const prefix = "cwk_";

/** Crockford's base 32 in lower case: nothing that looks like something else. */
const idDigits = "0123456789abcdefghjkmnpqrstvwxyz";
const idLength = 12;

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const secretLength = 32;
const checksumLength = 6;

/** 62^32 < 2^191: with eight bytes more than that, no digit is likelier than another by more than 2^-64. */
const secretBytes = 32;

/** So many uniform bytes make a key: its id, and its secret. */
export const keyBytes = idLength + secretBytes;

const form = new RegExp(
  `^${prefix}([${idDigits}]{${idLength}})[0-9A-Za-z]{${secretLength}}([0-9A-Za-z]{${checksumLength}})$`,
);

export interface ClientKey {
  readonly keyId: string;
  /** What its holder is shown once. */
  readonly text: string;
}

/** `bytes`: at least `keyBytes`, uniform. The same bytes make the same key. Throws a RangeError for fewer. */
export function makeClientKey(bytes: Uint8Array): ClientKey {
  if (bytes.length < keyBytes) throw new RangeError(`a key is made of ${keyBytes} bytes`);
  let keyId = "";
  for (const byte of bytes.subarray(0, idLength)) keyId += idDigits.charAt(byte & 31);
  return { keyId, text: keyTextOf(keyId, bytes.subarray(idLength)) };
}

/** Another secret of the same key, for a rotation. `bytes`: at least 32, uniform. Throws a RangeError for fewer. */
export function keyTextOf(keyId: string, bytes: Uint8Array): string {
  if (bytes.length < secretBytes) throw new RangeError(`a key's secret is made of ${secretBytes} bytes`);
  const number = BigInt(`0x${Buffer.from(bytes.subarray(0, secretBytes)).toString("hex")}`);
  const body = `${prefix}${keyId}${inDigits(number, secretLength)}`;
  return body + checksumOf(body);
}

/** Undefined: no key of Causeway's, or one that was mistyped or cut. */
export function readClientKey(text: string): { readonly keyId: string } | undefined {
  const match = form.exec(text);
  if (match === null) return undefined;
  const [, keyId = "", checksum = ""] = match;
  return checksumOf(text.slice(0, -checksumLength)) === checksum ? { keyId } : undefined;
}

/** What is stored of a key's text: without the pepper, a copy of the table is no help in guessing. Hex. */
export function hashClientKey(pepper: string, text: string): string {
  return createHmac("sha256", pepper).update(text).digest("hex");
}

/** What a person recognises the key by: the beginning of its id, and its last four letters. */
export function maskOf(text: string): string {
  return `${text.slice(0, prefix.length + 4)}…${text.slice(-4)}`;
}

/** Whether it is the hash of one of the key's secrets, and one that is not over. */
export function holdsSecret({ secrets }: Pick<LedgerKey, "secrets">, hash: string, now: number): boolean {
  const end = Object.hasOwn(secrets, hash) ? secrets[hash] : undefined;
  return end === null || (end !== undefined && now < end);
}

function checksumOf(body: string): string {
  return inDigits(BigInt(crc32(body)), checksumLength);
}

/** The number's last digits in base 62. */
function inDigits(number: bigint, length: number): string {
  let text = "";
  for (let rest = number; text.length < length; rest /= 62n) text = digits.charAt(Number(rest % 62n)) + text;
  return text;
}
