// Change account: its settings are checked, its credential is sealed, and both are kept in an order that a crash does no harm to.
import { CausewayError } from "../../shared/errors.ts";
import { wrongInput } from "../../shared/wrong-input.ts";
import type { Account, AccountSettings } from "../scheduling/account.ts";
import { healthy } from "../scheduling/next-condition.ts";
import { type AccountChecks, checkCredential, checkSettings, sendsElsewhere } from "./check-account.ts";

type Fields = Readonly<Record<string, unknown>>;

export interface AccountPorts extends AccountChecks {
  now(): number;
  account(accountId: string): Promise<Account | undefined>;
  /** The account that is there with this id, made now or before. */
  create(account: Account): Promise<Account>;
  /** Settings, and the version of a credential that comes with them, in one write. */
  change(
    accountId: string,
    seenVersion: number,
    settings: AccountSettings,
    at: string,
    credentialVersion: number | undefined,
  ): Promise<Account>;
  noteCredential(accountId: string, credentialVersion: number): Promise<Account>;
  /** Encrypts the credential and keeps it in the place of the one before. Gives its version. */
  keepCredential(accountId: string, credential: unknown): Promise<number>;
  remove(accountId: string): Promise<void>;
  removeCredential(accountId: string): Promise<void>;
}

const idLetters = 16;

/** `workId`: names the account, so that a repetition makes no second one. */
export async function createAccount(
  { credential, ...asked }: AccountSettings & { readonly credential: Fields },
  workId: string,
  ports: AccountPorts,
): Promise<Account> {
  const { settings, provider } = await checkSettings(asked, ports);
  const sealable = checkCredential(credential, provider);
  const accountId = `acc-${workId.slice(0, idLetters)}`;
  // The credential comes first: an account without one is never seen, and one that nobody has is overwritten.
  const credentialVersion = await ports.keepCredential(accountId, sealable);
  const now = ports.now();
  const at = new Date(now).toISOString();
  const made = await ports.create({
    ...settings,
    accountId,
    platform: provider.platform,
    version: 1,
    credentialVersion,
    createdAt: at,
    changedAt: at,
    condition: healthy(now),
    familyConditions: {},
  });
  return made.credentialVersion === credentialVersion ? made : ports.noteCredential(accountId, credentialVersion);
}

/** Throws `NotFound`, `PreconditionFailed`, `InputInvalid` or `AddressRefused`. */
export async function changeAccount(
  accountId: string,
  { credential, ...asked }: AccountSettings & { readonly credential?: Fields | undefined },
  demand: (before: Account) => void,
  ports: AccountPorts,
): Promise<Account> {
  const before = await existingAccount(accountId, ports);
  demand(before);
  if (asked.provider !== before.provider) {
    const problem = `An account keeps its provider, which is ${before.provider}. Add another account instead.`;
    throw wrongInput([{ field: "body.provider", problem }]);
  }
  const { settings, provider } = await checkSettings(asked, ports);
  const sealable = credential === undefined ? undefined : checkCredential(credential, provider);
  if (sealable === undefined && sendsElsewhere(before, settings, provider)) {
    const problem = "The credential would be sent to another address, or through another proxy: give it anew.";
    throw wrongInput([{ field: "body.credential", problem }]);
  }
  const at = new Date(ports.now()).toISOString();
  // Kept first, and noted together with the settings: at no moment does an address meet the credential of another.
  const credentialVersion = sealable === undefined ? undefined : await ports.keepCredential(accountId, sealable);
  return ports.change(accountId, before.version, settings, at, credentialVersion);
}

/** Throws `NotFound` or `InputInvalid`. */
export async function replaceCredential(accountId: string, credential: Fields, ports: AccountPorts): Promise<Account> {
  const { provider: name } = await existingAccount(accountId, ports);
  const provider = await ports.provider(name);
  if (provider === undefined) throw new CausewayError("Conflict", `There is no provider ${name} any more.`);
  const sealable = checkCredential(credential, provider);
  return ports.noteCredential(accountId, await ports.keepCredential(accountId, sealable));
}

/** The account goes first: while a request could still choose it, it has its credential. */
export async function deleteAccount(
  accountId: string,
  ports: Pick<AccountPorts, "account" | "remove" | "removeCredential">,
): Promise<{ readonly accountId: string; readonly name: string }> {
  const { name } = await existingAccount(accountId, ports);
  await ports.remove(accountId);
  await ports.removeCredential(accountId);
  return { accountId, name };
}

/** Throws `NotFound`. */
export async function existingAccount(accountId: string, ports: Pick<AccountPorts, "account">): Promise<Account> {
  const account = await ports.account(accountId);
  if (account === undefined) throw new CausewayError("NotFound", `There is no account ${accountId}.`);
  return account;
}
