// What the issuer has given out and must know again: codes, refresh tokens, browser sessions, one-time links.
import { createHash, randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { DurableMap, openDurableState } from "../gateway/durable-state.ts";
import type { Clock } from "../rig/clock.ts";

interface Grant {
  readonly clientId: string;
  readonly username: string;
  readonly scopes: readonly string[];
  readonly authTimeSeconds: number;
}

export interface CodeGrant extends Grant {
  readonly redirectUri: string;
  readonly codeChallenge?: string;
  readonly nonce?: string;
}

export interface RefreshGrant extends Grant {
  readonly originJti: string;
}

export interface Session {
  readonly poolId: string;
  readonly username: string;
  readonly authTimeSeconds: number;
}

/** Signs in `username`, then goes to `target`. */
export interface OneTimeGrant {
  readonly poolId: string;
  readonly username: string;
  readonly target: string | undefined;
}

/** Cognito's own: a code lives five minutes, a browser's session an hour. */
const codeSeconds = 300;
const sessionSeconds = 3600;
/** A link printed in the morning works all day. */
const oneTimeSeconds = 86_400;
/** More than a laptop ever needs; the oldest make room. */
const mostOfEach = 10_000;

export class Grants {
  readonly #database: DatabaseSync;
  readonly #codes: SecretMap<CodeGrant>;
  readonly #refreshTokens: SecretMap<RefreshGrant>;
  readonly #sessions: SecretMap<Session>;
  readonly #oneTime: SecretMap<OneTimeGrant>;

  /** `stateDirectory` exists already: a restart signs nobody out. */
  constructor(stateDirectory: string, clock: Clock) {
    this.#database = openDurableState(stateDirectory, "grants");
    this.#codes = new SecretMap(this.#database, "codes", clock);
    this.#refreshTokens = new SecretMap(this.#database, "refresh_tokens", clock);
    this.#sessions = new SecretMap(this.#database, "sessions", clock);
    this.#oneTime = new SecretMap(this.#database, "one_time", clock);
  }

  giveCode(grant: CodeGrant): string {
    return this.#codes.give(grant, codeSeconds);
  }

  /** A code works once, whatever comes of it. */
  takeCode(code: string): CodeGrant | undefined {
    return this.#codes.take(code);
  }

  giveRefreshToken(grant: RefreshGrant, seconds: number): string {
    return this.#refreshTokens.give(grant, seconds);
  }

  refreshGrant(token: string): RefreshGrant | undefined {
    return this.#refreshTokens.look(token);
  }

  revokeRefreshToken(token: string): void {
    this.#refreshTokens.take(token);
  }

  beginSession(session: Session): string {
    return this.#sessions.give(session, sessionSeconds);
  }

  session(secret: string): Session | undefined {
    return this.#sessions.look(secret);
  }

  endSession(secret: string): void {
    this.#sessions.take(secret);
  }

  giveOneTime(grant: OneTimeGrant): string {
    return this.#oneTime.give(grant, oneTimeSeconds);
  }

  takeOneTime(secret: string): OneTimeGrant | undefined {
    return this.#oneTime.take(secret);
  }

  close(): void {
    this.#database.close();
  }
}

interface Kept<Value> {
  readonly value: Value;
  /** Cloud time, milliseconds. */
  readonly until: number;
}

/** Values by secrets of which only hashes are kept. */
class SecretMap<Value> {
  readonly #map: DurableMap<Kept<Value>>;
  readonly #clock: Clock;

  constructor(database: DatabaseSync, table: string, clock: Clock) {
    this.#map = new DurableMap(database, table);
    this.#clock = clock;
  }

  give(value: Value, seconds: number): string {
    this.#tidy();
    const secret = randomBytes(32).toString("base64url");
    this.#map.set(hash(secret), { value, until: this.#clock.now() + seconds * 1000 });
    return secret;
  }

  look(secret: string): Value | undefined {
    const kept = this.#map.get(hash(secret));
    return kept && kept.until > this.#clock.now() ? kept.value : undefined;
  }

  take(secret: string): Value | undefined {
    const value = this.look(secret);
    this.#map.delete(hash(secret));
    return value;
  }

  #tidy(): void {
    if (this.#map.size < mostOfEach) return;
    const entries = this.#map.entries().sort(([, left], [, right]) => left.until - right.until);
    for (const [key] of entries.slice(0, mostOfEach / 2)) this.#map.delete(key);
  }
}

function hash(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}
