// `causeway login` and `logout`.
import { type ApiOptions, apiUrl, machineCredentials, signInMachine } from "../api/connect-api.ts";
import { findSignIn } from "../api/find-sign-in.ts";
import { logIn } from "../api/log-in.ts";
import { sayJson, sayLine } from "../api/output.ts";
import { forgetSignIn, readSignIn, signInFolder } from "../api/sign-in-file.ts";
import { revoke } from "../api/token-endpoint.ts";
import { UsageProblem } from "../usage-problem.ts";

interface Options extends ApiOptions {
  readonly json: boolean;
}

export async function signIn(
  options: Options & { readonly browser: boolean; readonly clientCredentials: boolean },
): Promise<void> {
  const url = apiUrl(options);
  const place = await findSignIn(url, new URL(url).protocol === "http:");
  if (options.clientCredentials) {
    const machine = machineCredentials();
    if (machine === undefined) {
      throw new UsageProblem("Set CAUSEWAY_CLIENT_ID and CAUSEWAY_CLIENT_SECRET: the user pool's machine client.");
    }
    // Else the person's sign-in would stay, and the machine's be thrown away.
    if (readSignIn(url)?.kind === "person") forgetSignIn(url);
    const { expiresAt } = await signInMachine(url, place.tokenUrl, machine);
    return told(options, url, { machine: machine.clientId }, `The machine is signed in until ${timeOf(expiresAt)}.`);
  }
  // With --json the addresses are for a person all the same.
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  const name = await logIn(url, place, { browser: options.browser, say });
  told(options, url, { name }, `You are signed in to ${url} as ${name}. The sign-in is kept in ${signInFolder()}.`);
}

export async function signOut(options: Options): Promise<void> {
  const url = apiUrl(options);
  const kept = readSignIn(url);
  forgetSignIn(url);
  if (kept === undefined) return told(options, url, {}, `You were not signed in to ${url}.`);
  if (kept.kind === "person") await revoke(kept.tokenUrl, kept.clientId, kept.refreshToken);
  told(options, url, {}, `You are signed out of ${url}.`);
}

function told(options: Options, url: string, facts: object, sentence: string): void {
  if (options.json) sayJson({ api: url, ...facts });
  else sayLine(sentence);
}

const timeOf = (milliseconds: number) => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
