// The keys that sign a pool's tokens, and the secrets of its clients: made when first needed, kept in a file of the owner's.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  /** For the JWKS. */
  readonly publicJwk: JWK;
}

interface Stored {
  readonly keys: Readonly<Record<string, JWK>>;
  readonly secrets: Readonly<Record<string, string>>;
}

export class PoolKeys {
  readonly #file: string;
  readonly #keys = new Map<string, Promise<SigningKey>>();
  #stored: Stored;

  /** `stateDirectory` exists already. */
  constructor(stateDirectory: string) {
    this.#file = path.join(stateDirectory, "keys.json");
    this.#stored = existsSync(this.#file)
      ? (JSON.parse(readFileSync(this.#file, "utf8")) as Stored)
      : { keys: {}, secrets: {} };
  }

  /** RSA, 2,048 bits, as Cognito's. */
  signingKey(poolId: string): Promise<SigningKey> {
    const known = this.#keys.get(poolId);
    if (known !== undefined) return known;
    const key = this.#load(poolId);
    this.#keys.set(poolId, key);
    return key;
  }

  secretOf(clientId: string): string {
    const known = this.#stored.secrets[clientId];
    if (known !== undefined) return known;
    const secret = randomBytes(32).toString("hex").slice(0, 51);
    this.#store({ ...this.#stored, secrets: { ...this.#stored.secrets, [clientId]: secret } });
    return secret;
  }

  async #load(poolId: string): Promise<SigningKey> {
    const kept = this.#stored.keys[poolId];
    if (kept) return asSigningKey(kept);
    const made = await makeKey();
    this.#store({ ...this.#stored, keys: { ...this.#stored.keys, [poolId]: made } });
    return asSigningKey(made);
  }

  /** Written whole and then renamed: a kill in between leaves the old file. */
  #store(stored: Stored): void {
    this.#stored = stored;
    writeFileSync(`${this.#file}.new`, `${JSON.stringify(stored, null, 2)}\n`, { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
  }
}

/** A key that is in no JWKS, under the name of one that is: for tests of whoever checks signatures. */
export async function forgedKey(real: SigningKey): Promise<SigningKey> {
  return { ...(await asSigningKey(await makeKey())), kid: real.kid };
}

async function makeKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: randomBytes(32).toString("base64") };
}

async function asSigningKey(jwk: JWK): Promise<SigningKey> {
  const privateKey = await importJWK(jwk, "RS256");
  if (privateKey instanceof Uint8Array) throw new Error("A pool's key must be an RSA key.");
  const { kid = "", n = "", e = "" } = jwk;
  return { kid, privateKey, publicJwk: { alg: "RS256", e, kid, kty: "RSA", n, use: "sig" } };
}
