// Cognito's tokens: the claims of access and id tokens, signed with RS256.
// Source: "Understanding user pool JSON web tokens" in the Amazon Cognito Developer Guide.
import { createHash, randomUUID } from "node:crypto";
import { type JWTPayload, SignJWT } from "jose";
import type { SigningKey } from "./pool-keys.ts";
import type { PoolClient, PoolUser } from "./user-pool.ts";

/** What all tokens of one sign-in have in common. */
export interface SignIn {
  readonly issuer: string;
  readonly client: PoolClient;
  readonly user: PoolUser;
  readonly scopes: readonly string[];
  /** Seconds since 1970. */
  readonly authTimeSeconds: number;
  readonly originJti: string;
  readonly nonce?: string;
}

export function accessClaims(signIn: SignIn, nowSeconds: number): JWTPayload {
  const { issuer, client, user, scopes, authTimeSeconds, originJti } = signIn;
  return {
    sub: user.sub,
    ...groupsOf(user),
    iss: issuer,
    version: 2,
    client_id: client.clientId,
    origin_jti: originJti,
    event_id: randomUUID(),
    token_use: "access",
    scope: scopes.join(" "),
    auth_time: authTimeSeconds,
    exp: nowSeconds + client.accessTokenSeconds,
    iat: nowSeconds,
    jti: randomUUID(),
    username: user.username,
  };
}

/** `accessToken` is the one that is given out along with it. */
export function idClaims(signIn: SignIn, nowSeconds: number, accessToken: string): JWTPayload {
  const { issuer, client, user, scopes, authTimeSeconds, originJti, nonce } = signIn;
  return {
    at_hash: accessTokenHash(accessToken),
    sub: user.sub,
    ...groupsOf(user),
    ...(scopes.includes("email") ? { email_verified: true, email: user.email } : {}),
    iss: issuer,
    "cognito:username": user.username,
    ...(nonce === undefined ? {} : { nonce }),
    origin_jti: originJti,
    aud: client.clientId,
    event_id: randomUUID(),
    token_use: "id",
    auth_time: authTimeSeconds,
    exp: nowSeconds + client.idTokenSeconds,
    iat: nowSeconds,
    jti: randomUUID(),
  };
}

/** Of client credentials: no user, no groups, no refresh. */
export function machineClaims(
  issuer: string,
  client: PoolClient,
  scopes: readonly string[],
  nowSeconds: number,
): JWTPayload {
  return {
    sub: client.clientId,
    token_use: "access",
    scope: scopes.join(" "),
    auth_time: nowSeconds,
    iss: issuer,
    exp: nowSeconds + client.accessTokenSeconds,
    iat: nowSeconds,
    version: 2,
    jti: randomUUID(),
    client_id: client.clientId,
  };
}

export function signToken(claims: JWTPayload, key: SigningKey): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ kid: key.kid, alg: "RS256" }).sign(key.privateKey);
}

function groupsOf({ groups }: PoolUser): JWTPayload {
  return groups.length > 0 ? { "cognito:groups": [...groups] } : {};
}

/** The left half of the hash. Source: OpenID Connect Core 1.0, section 3.1.3.6. */
function accessTokenHash(accessToken: string): string {
  return createHash("sha256").update(accessToken).digest().subarray(0, 16).toString("base64url");
}
