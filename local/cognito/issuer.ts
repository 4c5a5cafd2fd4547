// What the parts of the issuer share: its pools, keys and grants, and the shape of its answers.
import { randomUUID } from "node:crypto";
import type { Clock } from "../rig/clock.ts";
import type { Grants } from "./grants.ts";
import type { PoolKeys } from "./pool-keys.ts";
import { accessClaims, idClaims, type SignIn, signToken } from "./tokens.ts";
import type { PoolClient, PoolUser, UserPool } from "./user-pool.ts";

export interface Issuer {
  /** `http://127.0.0.1:PORT`: the endpoint of the pools and their sign-in domain, in one. */
  readonly url: string;
  readonly clock: Clock;
  readonly keys: PoolKeys;
  readonly grants: Grants;
  /** Of the templates; empty while the cloud boots. */
  pools: readonly UserPool[];
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The secret of the browser's session from now on; empty: it has none any more. */
  readonly session?: string;
}

export interface GivenTokens {
  readonly accessToken: string;
  readonly idToken: string;
}

export function issuerOf(issuer: Issuer, poolId: string): string {
  return `${issuer.url}/${poolId}`;
}

export function nowSeconds({ clock }: Pick<Issuer, "clock">): number {
  return Math.floor(clock.now() / 1000);
}

export async function giveTokens(
  issuer: Issuer,
  client: PoolClient,
  user: PoolUser,
  about: Pick<SignIn, "scopes" | "authTimeSeconds" | "originJti" | "nonce">,
): Promise<GivenTokens> {
  const key = await issuer.keys.signingKey(client.poolId);
  const signIn: SignIn = { ...about, issuer: issuerOf(issuer, client.poolId), client, user };
  const now = nowSeconds(issuer);
  const accessToken = await signToken(accessClaims(signIn, now), key);
  return { accessToken, idToken: await signToken(idClaims(signIn, now, accessToken), key) };
}

export function newOriginJti(): string {
  return randomUUID();
}

/** Cognito's endpoints for programs may be called from any page: they live on tokens and secrets, not on cookies. */
export const anyOrigin = { "access-control-allow-origin": "*" };

export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return {
    status,
    headers: { "content-type": "application/json;charset=UTF-8", ...anyOrigin, ...headers },
    body: JSON.stringify(value),
  };
}

/** Source: RFC 6749, section 5.2; Cognito answers all of them with 400. */
export function oauthError(error: string, description?: string): Reply {
  const body = { error, ...(description === undefined ? {} : { error_description: description }) };
  return json(400, body, { "cache-control": "no-store" });
}
