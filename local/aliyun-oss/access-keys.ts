// The key pairs that OSS knows: the owner's, further lasting ones, and temporary ones (STS) with a token and an end.
import { randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { DurableMap } from "../gateway/durable-state.ts";
import type { Clock } from "../rig/clock.ts";
import { type RamStatement, readStatements } from "./ram-policy.ts";

export interface OssCredentials {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
}

export interface TemporaryCredentials extends OssCredentials {
  readonly securityToken: string;
  /** Milliseconds since 1970, in cloud time. */
  readonly expiresAt: number;
}

export interface AccessKey extends OssCredentials {
  readonly securityToken?: string;
  readonly expiresAt?: number;
  /** Absent: may do everything. */
  readonly statements?: readonly RamStatement[];
}

/** AssumeRole's standard and limits, in seconds. */
const standardTokenSeconds = 3_600;
const longestTokenSeconds = 43_200;
/** Ended tokens are told apart from unknown ones for so long. */
const keptAfterEndMilliseconds = 24 * 3_600_000;

export class AccessKeys {
  readonly #clock: Clock;
  readonly #known: DurableMap<AccessKey>;
  #owner: OssCredentials;

  constructor(database: DatabaseSync, clock: Clock, owner: OssCredentials) {
    this.#clock = clock;
    this.#known = new DurableMap<AccessKey>(database, "accessKeys");
    this.#owner = owner;
  }

  get owner(): OssCredentials {
    return this.#owner;
  }

  /** From now on the former pair is unknown; its limits, if it had any, hold for the new one. */
  setOwner(owner: OssCredentials): void {
    const limits = this.#known.get(this.#owner.accessKeyId)?.statements;
    this.#known.delete(this.#owner.accessKeyId);
    this.#owner = owner;
    if (limits) this.#known.set(owner.accessKeyId, { ...owner, statements: limits });
  }

  find(accessKeyId: string): AccessKey | undefined {
    if (accessKeyId !== this.#owner.accessKeyId) return this.#known.get(accessKeyId);
    return { ...this.#known.get(accessKeyId), ...this.#owner };
  }

  isToken(securityToken: string): boolean {
    return this.#known.values().some((key) => key.securityToken === securityToken);
  }

  issueKey(statements?: readonly RamStatement[]): OssCredentials {
    const pair = { accessKeyId: `LTAI${randomBytes(10).toString("hex")}`, accessKeySecret: secret() };
    this.#known.set(pair.accessKeyId, { ...pair, ...(statements ? { statements: readStatements(statements) } : {}) });
    return pair;
  }

  /** Throws a RangeError for a life that STS does not grant: 1 to 43,200 seconds (its own least is 900). */
  issueToken(
    options: { readonly seconds?: number; readonly statements?: readonly RamStatement[] } = {},
  ): TemporaryCredentials {
    const { seconds = standardTokenSeconds, statements } = options;
    if (!(seconds >= 1 && seconds <= longestTokenSeconds)) {
      throw new RangeError(`a token lives 1 to ${longestTokenSeconds} seconds, not ${seconds}`);
    }
    this.#forgetLongEnded();
    const temporary = {
      accessKeyId: `STS.${randomBytes(10).toString("hex")}`,
      accessKeySecret: secret(),
      securityToken: randomBytes(96).toString("base64"),
      expiresAt: Math.floor(this.#clock.now() + seconds * 1000),
    };
    this.#known.set(temporary.accessKeyId, {
      ...temporary,
      ...(statements ? { statements: readStatements(statements) } : {}),
    });
    return temporary;
  }

  /** Throws a sentence for an id that is not known. */
  limit(accessKeyId: string, statements: readonly RamStatement[]): void {
    const key = this.find(accessKeyId);
    if (!key) throw new Error(`OSS knows no access key ${accessKeyId}.`);
    this.#known.set(accessKeyId, { ...key, statements: readStatements(statements) });
  }

  #forgetLongEnded(): void {
    const longAgo = this.#clock.now() - keptAfterEndMilliseconds;
    for (const [accessKeyId, { expiresAt }] of this.#known.entries()) {
      if (expiresAt !== undefined && expiresAt < longAgo) this.#known.delete(accessKeyId);
    }
  }
}

function secret(): string {
  return randomBytes(22).toString("base64url");
}
