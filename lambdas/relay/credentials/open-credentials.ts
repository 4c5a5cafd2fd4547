// Open credentials: what accounts' credentials say, kept for a while by an environment, for one version of each alone.
import { CausewayError, isErrorNamed } from "../../shared/errors.ts";
import type { CredentialsStore } from "../credentials.store.ts";
import type { Account } from "../scheduling/account.ts";
import { type DataKeys, decryptCredential } from "./envelope.ts";

type AccountKey = Pick<Account, "accountId" | "credentialVersion">;

interface CredentialPorts {
  readonly stage: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly store: Pick<CredentialsStore, "get">;
  readonly dataKeys: Pick<DataKeys, "open">;
}

export interface Credentials {
  /**
   * The credential that belongs to this version of the account. Concurrent callers share one read. Throws
   * `CredentialMissing` or `CredentialUnreadable`, for a few seconds without looking again; errors of AWS pass.
   */
  get(account: AccountKey): Promise<unknown>;
  /** After the upstream refused it: whoever asks next reads it anew. */
  forget(account: AccountKey): void;
}

/** A credential in memory is one more place where it is: as short as KMS's price allows (one call per account and so long). */
const keptMilliseconds = 5 * 60_000;
/** What cannot be opened now will not open a moment later, but KMS would be asked with every request. */
const failureKeptMilliseconds = 5_000;
/** As many accounts as there may be. */
const mostKept = 500;

interface Kept {
  readonly credentialVersion: number;
  readonly value: Promise<unknown>;
  until: number;
}

export function openCredentials({ stage, now, store, dataKeys }: CredentialPorts): Credentials {
  const kept = new Map<string, Kept>();

  async function read({ accountId, credentialVersion }: AccountKey): Promise<unknown> {
    const sealed = await store.get(accountId, credentialVersion);
    if (sealed === undefined) {
      throw new CausewayError("CredentialMissing", "The account has no credential: give it one.");
    }
    return decryptCredential(sealed, { accountId, stage }, dataKeys);
  }

  function keep(account: AccountKey): Promise<unknown> {
    const { accountId, credentialVersion } = account;
    const value = read(account);
    const entry: Kept = { credentialVersion, value, until: now() + keptMilliseconds };
    kept.delete(accountId);
    // The oldest goes: a Map lists its keys in the order in which they came.
    for (const oldest of kept.keys()) {
      if (kept.size < mostKept) break;
      kept.delete(oldest);
    }
    kept.set(accountId, entry);
    value.catch((error) => {
      if (isErrorNamed(error, "CredentialMissing", "CredentialUnreadable")) {
        entry.until = now() + failureKeptMilliseconds;
      } else if (kept.get(accountId) === entry) kept.delete(accountId);
    });
    return value;
  }

  return {
    get(account) {
      const known = kept.get(account.accountId);
      const isGood = known?.credentialVersion === account.credentialVersion && known.until > now();
      return isGood ? known.value : keep(account);
    },
    forget({ accountId, credentialVersion }) {
      if (kept.get(accountId)?.credentialVersion === credentialVersion) kept.delete(accountId);
    },
  };
}
