// Accounts, a provider and their ports, made up: for tests of the rules of the admin API.
import * as z from "zod";
import type { AccountPorts } from "../../../../lambdas/relay/admin/change-account.ts";
import type { SealedCredential } from "../../../../lambdas/relay/credentials/envelope.ts";
import type { Provider } from "../../../../lambdas/relay/providers/provider.ts";
import {
  type Account,
  type AccountSettings,
  accountSettingsSchema,
} from "../../../../lambdas/relay/scheduling/account.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";

export const now = Date.parse("2026-11-20T12:00:00Z");

export const provider = {
  name: "made-up",
  platform: "anthropic",
  credential: z.strictObject({
    apiKey: z.string("Give the API key.").min(8, "Give the whole API key."),
    proxyUsername: z.string().optional(),
    proxyPassword: z.string().optional(),
  }),
  settings: z.strictObject({ baseUrl: z.url("Give a URL.").default("https://api.made-up.example") }),
  baseUrlOf: ({ settings }: Account) => String(settings.baseUrl),
} as unknown as Provider;

export function settingsOf(given: Partial<z.input<typeof accountSettingsSchema>> = {}): AccountSettings {
  return accountSettingsSchema.parse({ name: "main", provider: "made-up", ...given });
}

/** Keeps accounts and credentials in maps; `calls` is what was done, in order. */
export function fakeAccounts() {
  const accounts = new Map<string, Account>();
  const sealed = new Map<string, { version: number; credential: unknown }>();
  const calls: string[] = [];
  const existing = (accountId: string): Account => {
    const found = accounts.get(accountId);
    if (found === undefined) throw new CausewayError("NotFound", "There is no such account.");
    return found;
  };
  const keep = (account: Account) => {
    accounts.set(account.accountId, account);
    return account;
  };
  const refuse = (host: string) => {
    if (!/(^|\.)(internal|local)$|^169\.254\./.test(host)) return;
    throw new CausewayError(
      "AddressRefused",
      "The configured address is not called: it leads to an address that is not public.",
    );
  };
  const ports: AccountPorts = {
    now: () => now,
    providerNames: ["made-up"],
    provider: (name) => (name === "made-up" ? Promise.resolve(provider) : undefined),
    checkAddress: async (url) => refuse(new URL(url).hostname),
    checkProxy: async (host) => refuse(host),
    account: async (accountId) => accounts.get(accountId),
    async create(account) {
      calls.push("create");
      return accounts.get(account.accountId) ?? keep(account);
    },
    async change(accountId, seenVersion, settings, at, credentialVersion) {
      calls.push("change");
      const before = existing(accountId);
      if (before.version !== seenVersion) throw new CausewayError("PreconditionFailed", "It was changed.");
      const version = credentialVersion ?? before.credentialVersion;
      return keep({ ...before, ...settings, version: seenVersion + 1, changedAt: at, credentialVersion: version });
    },
    async noteCredential(accountId, credentialVersion, seenVersion) {
      calls.push("note credential");
      if (existing(accountId).version !== seenVersion) throw new CausewayError("PreconditionFailed", "It was changed.");
      return keep({ ...existing(accountId), credentialVersion });
    },
    credentialVersion: async (accountId) => sealed.get(accountId)?.version ?? 0,
    seal: async (_accountId, version, credential) => ({ version, credential }) as unknown as SealedCredential,
    async keepSealed(accountId, credential) {
      calls.push("keep credential");
      sealed.set(accountId, credential as unknown as { version: number; credential: unknown });
    },
    async remove(accountId) {
      calls.push("remove");
      accounts.delete(accountId);
    },
    async removeCredential(accountId) {
      calls.push("remove credential");
      sealed.delete(accountId);
    },
  };
  return { ports, accounts, sealed, calls };
}
