// Which API is meant, and with whose token: `--local`, machine credentials of the environment, or the sign-in that is kept.
import { resolve } from "node:path";
import { readConnection } from "../local-connection.ts";
import { stateFolder } from "../project-folder.ts";
import { quoted } from "../shell-word.ts";
import { UsageProblem } from "../usage-problem.ts";
import { ApiClient, type Connection } from "./api-client.ts";
import { demandPrivacy, findSignIn } from "./find-sign-in.ts";
import { type KeptSignIn, keepSignIn, type PersonSignIn, readSignIn } from "./sign-in-file.ts";
import { askForTokens, TokenRefused } from "./token-endpoint.ts";

export interface ApiOptions {
  readonly api?: string;
  readonly local?: boolean;
  readonly state: string;
}

export interface MachineCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** A token that ends sooner is not used any more. */
const leastLifeMilliseconds = 60_000;

/** Nothing is sent yet. Throws UsageProblem. */
export function openApi(options: ApiOptions): ApiClient {
  if (options.local && options.api !== undefined) throw new UsageProblem("Give --api or --local, not both.");
  if (options.local) return new ApiClient(localConnection(resolve(options.state)));
  const url = apiUrl(options);
  const machine = machineCredentials();
  const again = `npx causeway login --api ${url}`;
  const token = machine === undefined ? personToken(url, again) : machineToken(url, machine);
  return new ApiClient({ url, isLocal: isLoopback(url), again, token });
}

/** Without a slash at its end. Throws UsageProblem. */
export function apiUrl(options: ApiOptions): string {
  if (options.local) throw new UsageProblem("With --local nobody signs in: the command has its own credentials there.");
  const given = options.api ?? process.env.CAUSEWAY_API;
  if (given === undefined || given === "") {
    throw new UsageProblem(
      "Which API? Give --api URL (the output ApiUrl of the stack causeway-<stage>-console), set CAUSEWAY_API to it, " +
        "or give --local for a running npm start.",
    );
  }
  if (!URL.canParse(given) || !/^https?:$/.test(new URL(given).protocol)) {
    throw new UsageProblem(
      `${given} is no address; give one such as https://abc123.execute-api.eu-central-1.amazonaws.com/prod.`,
    );
  }
  demandPrivacy(given);
  const { origin, pathname } = new URL(given);
  return `${origin}${pathname.replace(/\/+$/, "")}`;
}

/** Both or none. Throws UsageProblem for one alone. */
export function machineCredentials(): MachineCredentials | undefined {
  const { CAUSEWAY_CLIENT_ID: clientId = "", CAUSEWAY_CLIENT_SECRET: clientSecret = "" } = process.env;
  if (clientId === "" && clientSecret === "") return undefined;
  if (clientId !== "" && clientSecret !== "") return { clientId, clientSecret };
  const missing = clientId === "" ? "CAUSEWAY_CLIENT_ID" : "CAUSEWAY_CLIENT_SECRET";
  throw new UsageProblem(`${missing} is not set, its other half is. Set both, or none to use your own sign-in.`);
}

/** A running `npm start` has written down its address and a machine's credentials: nobody needs to sign in. */
function localConnection(stateDirectory: string): Connection {
  const api = readConnection(stateDirectory)?.api;
  if (api === undefined) {
    const own = stateDirectory === stateFolder ? "" : ` -- --state ${quoted(stateDirectory)}`;
    throw new UsageProblem(`No local cloud is running on ${stateDirectory}. Start it with: npm start${own}`);
  }
  let kept: string | undefined;
  return {
    url: api.url,
    isLocal: true,
    // A machine is an operator at most; what takes an admin, a person does.
    again: `npx causeway login --api ${api.url}, and then --api ${api.url} in the place of --local.`,
    async token(refused) {
      if (kept === undefined || refused) kept = (await machineTokens(api.tokenUrl, api)).accessToken;
      return kept;
    },
  };
}

function machineToken(url: string, machine: MachineCredentials): Connection["token"] {
  return async (refused) => {
    const kept = readSignIn(url);
    // Each one is paid for: it is used as long as it lives.
    const isOwn = kept?.kind === "machine" && kept.clientId === machine.clientId;
    if (isOwn && !refused && isFresh(kept)) return kept.accessToken;
    const tokenUrl = isOwn ? kept.tokenUrl : (await findSignIn(url, isLoopback(url))).tokenUrl;
    return (await signInMachine(url, tokenUrl, machine)).accessToken;
  };
}

/** A person's own sign-in is not thrown away for it. */
export async function signInMachine(
  url: string,
  tokenUrl: string,
  machine: MachineCredentials,
): Promise<Pick<KeptSignIn, "accessToken" | "expiresAt">> {
  const { accessToken, expiresAt } = await machineTokens(tokenUrl, machine);
  const { clientId } = machine;
  if (readSignIn(url)?.kind !== "person") {
    keepSignIn({ kind: "machine", url, accessToken, expiresAt, tokenUrl, clientId });
  }
  return { accessToken, expiresAt };
}

async function machineTokens(tokenUrl: string, machine: MachineCredentials) {
  try {
    return await askForTokens(tokenUrl, { grant_type: "client_credentials" }, machine);
  } catch (error) {
    if (!(error instanceof TokenRefused)) throw error;
    throw new UsageProblem(
      `The sign-in does not take these client credentials (${error.code}). ` +
        "Check CAUSEWAY_CLIENT_ID and CAUSEWAY_CLIENT_SECRET against the user pool's machine client.",
    );
  }
}

function personToken(url: string, again: string): Connection["token"] {
  return async (refused) => {
    const kept = readSignIn(url);
    if (kept === undefined) throw new UsageProblem(`You are not signed in to ${url}. Run: ${again}`);
    if (!refused && isFresh(kept)) return kept.accessToken;
    if (kept.kind === "machine") {
      throw new UsageProblem(
        "The machine's token has ended. Set CAUSEWAY_CLIENT_ID and CAUSEWAY_CLIENT_SECRET, or sign in as yourself: " +
          again,
      );
    }
    return refresh(kept, again);
  };
}

async function refresh(kept: PersonSignIn, again: string): Promise<string> {
  const { tokenUrl, clientId, refreshToken } = kept;
  const form = { grant_type: "refresh_token", client_id: clientId, refresh_token: refreshToken };
  try {
    const tokens = await askForTokens(tokenUrl, form);
    const { accessToken, expiresAt } = tokens;
    keepSignIn({ ...kept, accessToken, expiresAt, refreshToken: tokens.refreshToken ?? refreshToken });
    return accessToken;
  } catch (error) {
    if (!(error instanceof TokenRefused)) throw error;
    throw new UsageProblem(`Your sign-in has ended. Run: ${again}`);
  }
}

const isFresh = ({ expiresAt }: KeptSignIn) => expiresAt - Date.now() > leastLifeMilliseconds;

const isLoopback = (url: string) => new URL(url).protocol === "http:";
