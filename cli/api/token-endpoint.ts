// The sign-in's token endpoint: codes, refresh tokens and client credentials for access tokens.
// Source: "Token endpoint" and "Revoke endpoint" in the Amazon Cognito Developer Guide; RFC 6749.
import * as z from "zod";
import { UsageProblem } from "../usage-problem.ts";
import { unreachableSentence } from "./api-problem.ts";

const tokensSchema = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1).optional(),
  expires_in: z.number().positive(),
});

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string | undefined;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** The endpoint said no; `code` as in RFC 6749, section 5.2: invalid_grant, invalid_client … */
export class TokenRefused extends Error {
  override readonly name = "TokenRefused";
  readonly code: string;

  constructor(code: string) {
    super(`The sign-in refused: ${code}.`);
    this.code = code;
  }
}

const timeoutMilliseconds = 20_000;

/** Throws TokenRefused, or UsageProblem where nothing sensible answers. No message repeats what was sent. */
export async function askForTokens(
  tokenUrl: string,
  form: Readonly<Record<string, string>>,
  credentials?: { readonly clientId: string; readonly clientSecret: string },
): Promise<Tokens> {
  const { status, body } = await post(tokenUrl, form, credentials);
  if (status >= 400 && status < 500) throw new TokenRefused(errorCodeOf(body));
  const parsed = tokensSchema.safeParse(body);
  if (!parsed.success) throw new UsageProblem(`${tokenUrl} answered ${status}, and no tokens. Try again in a minute.`);
  const { access_token: accessToken, refresh_token: refreshToken, expires_in: seconds } = parsed.data;
  return { accessToken, refreshToken, expiresAt: Date.now() + seconds * 1000 };
}

/** Makes the refresh token worthless. What is not known there any more is no problem. */
export async function revoke(tokenUrl: string, clientId: string, refreshToken: string): Promise<void> {
  await post(tokenUrl.replace(/\/token$/, "/revoke"), { token: refreshToken, client_id: clientId });
}

async function post(
  address: string,
  form: Readonly<Record<string, string>>,
  credentials?: { readonly clientId: string; readonly clientSecret: string },
): Promise<{ readonly status: number; readonly body: unknown }> {
  const basic = credentials && Buffer.from(`${credentials.clientId}:${credentials.clientSecret}`).toString("base64");
  try {
    const answer = await fetch(address, {
      method: "POST",
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMilliseconds),
      headers: basic === undefined ? {} : { Authorization: `Basic ${basic}` },
      body: new URLSearchParams({ ...form }),
    });
    return { status: answer.status, body: await answer.json().catch(() => undefined) };
  } catch (error) {
    const sentence = unreachableSentence(error, address, false);
    throw sentence === undefined ? error : new UsageProblem(`The sign-in at ${sentence}`, { cause: error });
  }
}

function errorCodeOf(body: unknown): string {
  const { error } = (body ?? {}) as { readonly error?: unknown };
  return typeof error === "string" && /^[a-z_]{1,40}$/.test(error) ? error : "no reason given";
}
