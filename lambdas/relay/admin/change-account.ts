// Change account: its settings are checked, its credential is sealed, and both are kept in an order that a crash does no harm to.
import { CausewayError } from "../../shared/errors.ts";
import { wrongInput } from "../../shared/wrong-input.ts";
import type { SealedCredential } from "../credentials/envelope.ts";
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
  /** Throws `PreconditionFailed` where the account has another version than was seen: it may have another address. */
  noteCredential(accountId: string, credentialVersion: number, seenVersion: number): Promise<Account>;
  /** Of the credential that is kept; 0: none. */
  credentialVersion(accountId: string): Promise<number>;
  seal(accountId: string, version: number, credential: unknown): Promise<SealedCredential>;
  /** In the place of the one before. Throws `PreconditionFailed` where that is not the one that it follows on. */
  keepSealed(accountId: string, sealed: SealedCredential): Promise<void>;
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
  demandFuture(asked.expiresAt, null, ports.now());
  const accountId = `acc-${workId.slice(0, idLetters)}`;
  const present = await ports.account(accountId);
  if (present !== undefined && sendsElsewhere(present, settings, provider)) {
    throw new CausewayError("PreconditionFailed", "The account that this request made was changed since. Read it.");
  }
  // The credential comes first: an account without one is never seen, and one that nobody has is overwritten.
  const credentialVersion = await keepCredential(accountId, sealable, ports);
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
  if (made.credentialVersion === credentialVersion) return made;
  return ports.noteCredential(accountId, credentialVersion, made.version);
}

/** Throws `NotFound`, `PreconditionFailed`, `InputInvalid` or `AddressRefused`. */
export async function changeAccount(
  accountId: string,
  { credential, ...asked }: AccountSettings & { readonly credential?: Fields | undefined },
  demand: (version: number) => void,
  ports: AccountPorts,
): Promise<Account> {
  const before = await existingAccount(accountId, ports);
  demand(before.version);
  if (asked.provider !== before.provider) {
    const problem = `An account keeps its provider, which is ${before.provider}. Add another account instead.`;
    throw wrongInput([{ field: "body.provider", problem }]);
  }
  const { settings, provider } = await checkSettings(asked, ports);
  const sealable = credential === undefined ? undefined : checkCredential(credential, provider);
  demandFuture(asked.expiresAt, before.expiresAt, ports.now());
  if (sealable === undefined && sendsElsewhere(before, settings, provider)) {
    const problem = "The credential would be sent to another address, or through another proxy: give it anew.";
    throw wrongInput([{ field: "body.credential", problem }]);
  }
  const at = new Date(ports.now()).toISOString();
  // Kept first, and noted together with the settings: at no moment does an address meet the credential of another.
  const credentialVersion = sealable === undefined ? undefined : await keepCredential(accountId, sealable, ports);
  return ports.change(accountId, before.version, settings, at, credentialVersion);
}

/** Throws `InputInvalid`: whoever gives a time that is over, and that the account did not have, meant another one. */
function demandFuture(expiresAt: string | null, before: string | null, now: number): void {
  if (expiresAt === null || expiresAt === before || Date.parse(expiresAt) > now) return;
  const problem = "This time is over. To give the account no more requests, switch it off.";
  throw wrongInput([{ field: "body.expiresAt", problem }]);
}

/** Throws `NotFound`, `InputInvalid`, or `PreconditionFailed` where somebody changed the account at the same time. */
export async function replaceCredential(accountId: string, credential: Fields, ports: AccountPorts): Promise<Account> {
  const { provider: name, version } = await existingAccount(accountId, ports);
  const provider = await ports.provider(name);
  if (provider === undefined) throw new CausewayError("Conflict", `There is no provider ${name} any more.`);
  const sealable = checkCredential(credential, provider);
  // It is meant for the address that the account has now, and for no other.
  return ports.noteCredential(accountId, await keepCredential(accountId, sealable, ports), version);
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

/** Encrypted, in the place of the one before. Gives its version. */
async function keepCredential(accountId: string, credential: unknown, ports: AccountPorts): Promise<number> {
  const version = (await ports.credentialVersion(accountId)) + 1;
  await ports.keepSealed(accountId, await ports.seal(accountId, version, credential));
  return version;
}

/** Throws `NotFound`. */
export async function existingAccount(accountId: string, ports: Pick<AccountPorts, "account">): Promise<Account> {
  const account = await ports.account(accountId);
  if (account === undefined) throw new CausewayError("NotFound", `There is no account ${accountId}.`);
  return account;
}
