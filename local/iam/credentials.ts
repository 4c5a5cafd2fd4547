// Keys of the local cloud's principals: random for every role, fixed and readable for the operator's id only.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Whoever holds this id's secret may do everything in the local cloud. */
export const operatorAccessKeyId = "AKIACAUSEWAYOPERATOR";

/** Keeps keys in a file that only its owner may read, so that clients configured once keep working after a restart. */
export class KeyStore {
  readonly #file: string;
  readonly #keys: Map<string, Keys>;
  #changed = false;

  constructor(stateDirectory: string) {
    this.#file = path.join(stateDirectory, "credentials.json");
    const stored: Record<string, Keys> = existsSync(this.#file) ? JSON.parse(readFileSync(this.#file, "utf8")) : {};
    this.#keys = new Map(Object.entries(stored));
  }

  operator(): Keys {
    return this.#keep("operator", () => ({ accessKeyId: operatorAccessKeyId, secretAccessKey: secret() }));
  }

  role(roleArn: string): Keys {
    return this.#keep(roleArn, () => ({
      accessKeyId: `ASIA${randomBytes(8).toString("hex").toUpperCase()}`,
      secretAccessKey: secret(),
      sessionToken: randomBytes(48).toString("base64"),
    }));
  }

  /** A pair without an end or a token; the prefix tells whose kind it is. */
  longLived(name: string, idPrefix: string): Keys {
    return this.#keep(name, () => ({
      accessKeyId: `${idPrefix}${randomBytes(10).toString("hex")}`,
      secretAccessKey: secret(),
    }));
  }

  /** Writes what is new; call after the last principal is known. */
  save(): void {
    if (!this.#changed) return;
    writeFileSync(this.#file, `${JSON.stringify(Object.fromEntries(this.#keys), null, 2)}\n`, { mode: 0o600 });
    this.#changed = false;
  }

  #keep(name: string, make: () => Keys): Keys {
    const known = this.#keys.get(name);
    if (known) return known;
    const made = make();
    this.#keys.set(name, made);
    this.#changed = true;
    return made;
  }
}

function secret(): string {
  return randomBytes(30).toString("base64");
}
