// /oauth2/token and /oauth2/revoke: codes, refresh tokens and client credentials become tokens.
// Source: "Token endpoint" and "Revoke endpoint" in the Amazon Cognito Developer Guide.
import { createHash, timingSafeEqual } from "node:crypto";
import { giveTokens, type Issuer, issuerOf, json, newOriginJti, nowSeconds, oauthError, type Reply } from "./issuer.ts";
import { machineClaims, signToken } from "./tokens.ts";
import { findClient, type PoolClient, type UserPool } from "./user-pool.ts";

interface KnownClient {
  readonly pool: UserPool;
  readonly client: PoolClient;
}

/** `authorization` is the header; a client with a secret must show it there or in the form. */
export async function giveToken(
  issuer: Issuer,
  form: URLSearchParams,
  authorization: string | undefined,
): Promise<Reply> {
  const grantType = form.get("grant_type");
  if (grantType === null) return oauthError("invalid_request");
  const grants: Readonly<Record<string, typeof fromCode>> = {
    authorization_code: fromCode,
    refresh_token: fromRefreshToken,
    client_credentials: fromClientCredentials,
  };
  const grant = grants[grantType];
  if (!grant) return oauthError("unsupported_grant_type");
  const known = identifyClient(issuer, form, authorization);
  return known ? grant(issuer, known, form) : oauthError("invalid_client");
}

/** Cognito says 200 even for what it does not know: whoever asks must not learn which tokens exist. */
export function revokeToken(issuer: Issuer, form: URLSearchParams, authorization: string | undefined): Reply {
  const token = form.get("token");
  if (token === null) return oauthError("invalid_request");
  const known = identifyClient(issuer, form, authorization);
  if (!known) return oauthError("invalid_client");
  if (issuer.grants.refreshGrant(token)?.clientId === known.client.clientId) issuer.grants.revokeRefreshToken(token);
  return json(200, {}, { "cache-control": "no-store" });
}

function identifyClient(
  issuer: Issuer,
  form: URLSearchParams,
  authorization: string | undefined,
): KnownClient | undefined {
  const encoded = /^Basic\s+(\S+)$/i.exec(authorization ?? "")?.[1];
  const [idInHeader, ...secretInHeader] = encoded ? Buffer.from(encoded, "base64").toString("utf8").split(":") : [];
  const clientId = idInHeader ?? form.get("client_id") ?? undefined;
  // A client that names itself twice must not contradict itself.
  if (form.has("client_id") && form.get("client_id") !== clientId) return undefined;
  const found = findClient(issuer.pools, clientId);
  if (!found?.client.hasSecret) return found;
  const shown = encoded === undefined ? (form.get("client_secret") ?? "") : secretInHeader.join(":");
  return isSame(shown, issuer.keys.secretOf(found.client.clientId)) ? found : undefined;
}

async function fromCode(issuer: Issuer, { pool, client }: KnownClient, form: URLSearchParams): Promise<Reply> {
  if (!client.flows.has("code")) return oauthError("unauthorized_client");
  const grant = issuer.grants.takeCode(form.get("code") ?? "");
  const user = pool.users.find(({ username }) => username === grant?.username);
  if (!grant || !user || grant.clientId !== client.clientId) return oauthError("invalid_grant");
  if (form.get("redirect_uri") !== grant.redirectUri) return oauthError("invalid_grant");
  const verifier = form.get("code_verifier");
  const isProven =
    grant.codeChallenge === undefined ? verifier === null : isSame(challengeOf(verifier ?? ""), grant.codeChallenge);
  if (!isProven) return oauthError("invalid_grant");
  const { scopes, authTimeSeconds, nonce } = grant;
  const originJti = newOriginJti();
  const about = { scopes, authTimeSeconds, originJti, ...(nonce === undefined ? {} : { nonce }) };
  const tokens = await giveTokens(issuer, client, user, about);
  const refreshToken = issuer.grants.giveRefreshToken(
    { clientId: client.clientId, username: user.username, scopes, authTimeSeconds, originJti },
    client.refreshTokenSeconds,
  );
  return tokenReply(client, {
    // Only who asks for OpenID Connect gets its token.
    ...(scopes.includes("openid") ? { id_token: tokens.idToken } : {}),
    access_token: tokens.accessToken,
    refresh_token: refreshToken,
  });
}

/** The refresh token stays the same: rotation is off unless a template asks, and that is named at boot. */
async function fromRefreshToken(issuer: Issuer, { pool, client }: KnownClient, form: URLSearchParams): Promise<Reply> {
  const grant = issuer.grants.refreshGrant(form.get("refresh_token") ?? "");
  const user = pool.users.find(({ username }) => username === grant?.username);
  if (!grant || !user || grant.clientId !== client.clientId) return oauthError("invalid_grant");
  const tokens = await giveTokens(issuer, client, user, grant);
  return tokenReply(client, {
    ...(grant.scopes.includes("openid") ? { id_token: tokens.idToken } : {}),
    access_token: tokens.accessToken,
  });
}

async function fromClientCredentials(issuer: Issuer, { client }: KnownClient, form: URLSearchParams): Promise<Reply> {
  if (!client.hasSecret || !client.flows.has("client_credentials")) return oauthError("unauthorized_client");
  const asked = form.get("scope")?.split(" ").filter(Boolean) ?? [];
  if (asked.some((scope) => !client.scopes.includes(scope))) return oauthError("invalid_scope");
  const scopes = asked.length > 0 ? asked : client.scopes;
  const claims = machineClaims(issuerOf(issuer, client.poolId), client, scopes, nowSeconds(issuer));
  const accessToken = await signToken(claims, await issuer.keys.signingKey(client.poolId));
  return tokenReply(client, { access_token: accessToken });
}

function tokenReply(client: PoolClient, tokens: Readonly<Record<string, string>>): Reply {
  const body = { ...tokens, expires_in: client.accessTokenSeconds, token_type: "Bearer" };
  return json(200, body, { "cache-control": "no-store" });
}

/** RFC 7636, method S256. */
function challengeOf(verifier: string): string {
  return createHash("sha256").update(verifier).digest("base64url");
}

function isSame(shown: string, kept: string): boolean {
  const [left, right] = [Buffer.from(shown), Buffer.from(kept)];
  return left.length === right.length && timingSafeEqual(left, right);
}
