// Secrets of the relay's commands: from the environment, a file, standard input or a prompt; in no argument and no message.
import { readFileSync } from "node:fs";
import { readStandardInput, withPrompt } from "../set-secret.ts";
import { UsageProblem } from "../usage-problem.ts";

export interface SecretOptions {
  readonly apiKeyFromEnv?: string;
  readonly apiKeyFromFile?: string;
  readonly proxyLoginFromEnv?: string;
}

/** A key of a provider's is some hundred letters, a service account's file a few kilobytes. */
const mostSecretBytes = 65_536;

/** As the provider's schema has it. Undefined: nothing was given; `asks`: then a person at a terminal is asked. */
export async function readCredential(options: SecretOptions, asks = true): Promise<Record<string, string> | undefined> {
  const { apiKeyFromEnv: env, apiKeyFromFile: file, proxyLoginFromEnv } = options;
  const apiKey = await readSecret({ env, file }, ["--api-key-from-env", "--api-key-from-file"], asks && "API key");
  const login =
    proxyLoginFromEnv === undefined ? undefined : fromEnvironment(proxyLoginFromEnv, "--proxy-login-from-env");
  if (apiKey === undefined && login === undefined) return undefined;
  if (apiKey === undefined) throw new UsageProblem("A proxy's login is stored with the API key: give that as well.");
  return { apiKey, ...(login !== undefined && proxyLogin(login)) };
}

/** `prompt`: what to ask a person at a terminal for where neither was given; false: nobody is asked. */
export async function readSecret(
  { env, file }: { readonly env: string | undefined; readonly file: string | undefined },
  [envOption, fileOption]: readonly [string, string],
  prompt: string | false,
): Promise<string | undefined> {
  if (env !== undefined && file !== undefined) throw new UsageProblem(`Give ${envOption} or ${fileOption}, not both.`);
  if (env !== undefined) return fromEnvironment(env, envOption);
  if (file !== undefined)
    return checked(file === "-" ? await readStandardInput() : fromFile(file, fileOption), fileOption);
  if (prompt === false || !process.stdin.isTTY) return undefined;
  return withPrompt(async (ask) => checked(await ask(`${prompt} (not shown): `, true), prompt));
}

function fromEnvironment(name: string, option: string): string {
  // Whoever gives the key itself instead of a variable's name must not see it again in a log.
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,99}$/.test(name)) {
    throw new UsageProblem(`${option}: give the name of an environment variable, not the secret itself.`);
  }
  const value = process.env[name];
  if (value === undefined || value.trim() === "") {
    throw new UsageProblem(`${option}: the environment variable that it names is not set, or empty.`);
  }
  return checked(value, option);
}

function fromFile(path: string, option: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    throw new UsageProblem(`${option}: the file cannot be read (${code}).`);
  }
}

function checked(text: string, option: string): string {
  const secret = text.trim();
  if (secret === "") throw new UsageProblem(`${option}: there is nothing in it.`);
  if (Buffer.byteLength(secret) > mostSecretBytes || !/^[\x20-\x7e]+$/.test(secret)) {
    throw new UsageProblem(`${option}: this is no key: it is too long, or has letters that no header can carry.`);
  }
  return secret;
}

function proxyLogin(login: string): { proxyUsername: string; proxyPassword: string } {
  const at = login.indexOf(":");
  if (at < 1) throw new UsageProblem("--proxy-login-from-env: give user:password.");
  return { proxyUsername: login.slice(0, at), proxyPassword: login.slice(at + 1) };
}
