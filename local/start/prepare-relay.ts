// What an operator does to open the relay: accounts at the stand-in of the providers, and a client key; kept over restarts.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ApiClient } from "../../cli/api/api-client.ts";
import { ApiProblem } from "../../cli/api/api-problem.ts";
import { openApi } from "../../cli/api/connect-api.ts";
import { settingsKept } from "../../cli/commands/relay-account-commands.ts";
import type { LocalCloud } from "../cloud.ts";

export interface OpenRelay {
  readonly client: ApiClient;
  readonly keyId: string;
  /** What clients are given. */
  readonly keyText: string;
  readonly accounts: readonly string[];
  /** A home for Gemini CLI, with the one setting that it takes from no environment variable. */
  readonly geminiHome: string;
}

/** The CLIs of the three vendors each find an account. */
const accounts = [
  { name: "stand-in-anthropic", provider: "anthropic-compatible", platform: "anthropic" },
  { name: "stand-in-openai", provider: "openai-compatible", platform: "openai" },
  { name: "stand-in-gemini", provider: "gemini", platform: "gemini" },
] as const;

const keyName = "npm start";

/** A hundred dollars of list price: real accounts may be added beside the stand-ins, and nobody should be surprised. */
const budgetPerDayNanoUsd = 100_000_000_000;

export async function prepareRelay(cloud: LocalCloud, stateDirectory: string): Promise<OpenRelay> {
  const client = openApi({ local: true, state: stateDirectory });
  const { items } = await client.list("listRelayAccounts", "/api/relay/accounts", {}, 1000);
  for (const { name, provider, platform } of accounts) {
    const baseUrl = cloud.aiUpstream.baseUrl(platform);
    const credential = { apiKey: cloud.aiUpstream.issueKey(platform, name) };
    const present = items.find((account) => account.name === name);
    if (present === undefined) {
      // A real account that somebody adds beside it is to be used, not half of the time.
      const settings = { name, provider, settings: { baseUrl }, standby: true, credential };
      await client.post("createRelayAccount", "/api/relay/accounts", settings);
    } else if (present.settings.baseUrl !== baseUrl) {
      await move(client, present.accountId, { baseUrl, credential });
    }
  }
  const key = await findKey(client, stateDirectory);
  const geminiHome = prepareGeminiHome(stateDirectory);
  return { client, ...key, accounts: accounts.map(({ name }) => name), geminiHome };
}

/**
 * With GOOGLE_GEMINI_BASE_URL alone Gemini CLI chooses a kind of sign-in that it then refuses: its settings have to say that
 * the key is to be used. Nobody's own settings are touched.
 */
export function prepareGeminiHome(folder: string): string {
  const home = path.resolve(folder, "gemini-cli");
  const file = path.join(home, ".gemini", "settings.json");
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  // What somebody chose in the program since then stays.
  if (readText(file) === undefined) {
    writeFileSync(file, `${JSON.stringify({ security: { auth: { selectedType: "gemini-api-key" } } })}\n`);
  }
  return home;
}

/** The stand-in listens elsewhere than at the last start. What somebody has changed of the account since then stays. */
async function move(
  client: ApiClient,
  accountId: string,
  { baseUrl, credential }: { readonly baseUrl: string; readonly credential: object },
): Promise<void> {
  const at = `/api/relay/accounts/${accountId}`;
  const { data: before, etag } = await client.getTagged("getRelayAccount", at);
  const settings = { ...before.settings, baseUrl };
  await client.put("changeRelayAccount", at, { ...settingsKept(before), settings, credential }, etag);
}

/** The key of the last start, where it is still valid: its text is shown once, and kept beside the other local secrets. */
async function findKey(client: ApiClient, stateDirectory: string): Promise<{ keyId: string; keyText: string }> {
  const file = path.join(stateDirectory, "relay-key");
  const kept = readText(file)?.trim();
  const keyId = kept === undefined ? undefined : await keyIdOf(client, kept);
  if (keyId !== undefined && kept !== undefined) return { keyId, keyText: kept };
  const policy = { spend: { day: budgetPerDayNanoUsd } };
  const made = await client.post("createRelayKey", "/api/relay/keys", { name: keyName, policy });
  writeFileSync(file, made.key, { mode: 0o600 });
  return { keyId: made.keyId, keyText: made.key };
}

/** Undefined where the relay does not take it any more: switched off, deleted, expired, rotated away, or a torn file. */
async function keyIdOf(client: ApiClient, keyText: string): Promise<string | undefined> {
  if (!/^cwk_\w+$/.test(keyText)) return undefined;
  try {
    return (await client.getByKey("getOwnRelayKey", "/api/relay/me", keyText)).keyId;
  } catch (error) {
    if (error instanceof ApiProblem && (error.status === 401 || error.status === 403)) return undefined;
    throw error;
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
