// What the issuer tells about itself and about a token's owner: discovery document, JWKS, userInfo.
import { createLocalJWKSet, jwtVerify } from "jose";
import { anyOrigin, type Issuer, issuerOf, json, type Reply } from "./issuer.ts";
import type { UserPool } from "./user-pool.ts";

/** Source: the document that Cognito serves at `<issuer>/.well-known/openid-configuration`. */
export function describeIssuer(issuer: Issuer, pool: UserPool): Reply {
  const { url } = issuer;
  return json(200, {
    authorization_endpoint: `${url}/oauth2/authorize`,
    end_session_endpoint: `${url}/logout`,
    id_token_signing_alg_values_supported: ["RS256"],
    issuer: issuerOf(issuer, pool.poolId),
    jwks_uri: `${issuerOf(issuer, pool.poolId)}/.well-known/jwks.json`,
    response_types_supported: ["code"],
    revocation_endpoint: `${url}/oauth2/revoke`,
    scopes_supported: ["openid", "email", "phone", "profile"],
    subject_types_supported: ["public"],
    token_endpoint: `${url}/oauth2/token`,
    token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
    userinfo_endpoint: `${url}/oauth2/userInfo`,
  });
}

export async function giveJwks(issuer: Issuer, pool: UserPool): Promise<Reply> {
  const { publicJwk } = await issuer.keys.signingKey(pool.poolId);
  return json(200, { keys: [publicJwk] }, { "cache-control": "public, max-age=86400" });
}

/** Takes an access token with the scope openid. */
export async function describeUser(issuer: Issuer, authorization: string | undefined): Promise<Reply> {
  const token = /^Bearer\s+(\S+)$/i.exec(authorization ?? "")?.[1];
  if (token === undefined) return refused("invalid_request", 400);
  for (const pool of issuer.pools) {
    const { publicJwk } = await issuer.keys.signingKey(pool.poolId);
    const verified = await jwtVerify(token, createLocalJWKSet({ keys: [publicJwk] }), {
      issuer: issuerOf(issuer, pool.poolId),
      currentDate: new Date(issuer.clock.now()),
    }).catch(() => undefined);
    const { token_use: tokenUse, scope, sub } = verified?.payload ?? {};
    const user = pool.users.find((each) => each.sub === sub);
    if (!user || tokenUse !== "access" || !String(scope).split(" ").includes("openid")) continue;
    return json(200, { sub, email_verified: "true", email: user.email, username: user.username });
  }
  return refused("invalid_token", 401);
}

function refused(error: string, status: number): Reply {
  const challenge = { "www-authenticate": `Bearer error="${error}"`, ...anyOrigin };
  return json(
    status,
    { error, error_description: "Access token is expired, disabled, or deleted, or is not one." },
    challenge,
  );
}
