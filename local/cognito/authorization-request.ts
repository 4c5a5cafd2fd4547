// Reads the query of /oauth2/authorize: first who asks and where the answer may go, then what is asked.
// Source: "Authorize endpoint" in the Amazon Cognito Developer Guide; RFC 6749, section 4.1.2.1; RFC 7636.
import type { Reply } from "./issuer.ts";
import { findClient, type PoolClient, type UserPool } from "./user-pool.ts";

export interface AuthorizationRequest {
  readonly pool: UserPool;
  readonly client: PoolClient;
  readonly redirectUri: string;
  readonly state: string | undefined;
  readonly scopes: readonly string[];
  readonly codeChallenge: string | undefined;
  readonly nonce: string | undefined;
  /** `login`: ask even who is signed in; `none`: never ask. */
  readonly prompt: string | undefined;
}

/** Nothing can be sent back: the person gets to see it. */
export class NowhereToSend extends Error {
  override readonly name = "NowhereToSend";
}

/** Goes back to the client, by its redirect address. */
export class AuthorizationError extends Error {
  override readonly name = "AuthorizationError";
  readonly reply: Reply;

  constructor(error: string, description: string, redirectUri: string, state: string | undefined) {
    super(description);
    const parameters = { error, error_description: description, ...(state === undefined ? {} : { state }) };
    this.reply = redirectTo(redirectUri, parameters);
  }
}

const standardScopes = new Set(["openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"]);
/** base64url of a SHA-256 hash, without padding. */
const challengePattern = /^[A-Za-z0-9_-]{43}$/;

/** Throws NowhereToSend and AuthorizationError. */
export function readAuthorizationRequest(query: URLSearchParams, pools: readonly UserPool[]): AuthorizationRequest {
  const given = (name: string) => query.get(name) ?? undefined;
  const found = findClient(pools, given("client_id"));
  if (!found) throw new NowhereToSend(`There is no client ${given("client_id") ?? "(client_id is missing)"}.`);
  const { pool, client } = found;
  const redirectUri = given("redirect_uri") ?? client.defaultRedirectUri;
  if (redirectUri === undefined || !client.callbackUrls.includes(redirectUri)) {
    const addresses = client.callbackUrls.join(", ") || "none";
    throw new NowhereToSend(
      `redirect_mismatch: ${redirectUri} is not an address of ${client.name}; it has ${addresses}.`,
    );
  }
  const state = given("state");
  const refuse = (error: string, description: string) => new AuthorizationError(error, description, redirectUri, state);
  if (given("response_type") !== "code") throw refuse("unsupported_response_type", "response_type must be code");
  if (!client.flows.has("code")) throw refuse("unauthorized_client", "the client may not use the authorization code");
  const codeChallenge = given("code_challenge");
  if (codeChallenge !== undefined && given("code_challenge_method") !== "S256") {
    throw refuse("invalid_request", "code_challenge_method must be S256");
  }
  if (codeChallenge !== undefined && !challengePattern.test(codeChallenge)) {
    throw refuse("invalid_request", "code_challenge is no base64url of a SHA-256 hash");
  }
  const asked = given("scope")?.split(" ").filter(Boolean) ?? [];
  const stranger = asked.find((scope) => !client.scopes.includes(scope) || !isKnown(scope, pool));
  if (stranger !== undefined) throw refuse("invalid_scope", `the client has no scope ${stranger}`);
  return {
    ...{ pool, client, redirectUri, state, codeChallenge, nonce: given("nonce"), prompt: given("prompt") },
    scopes: asked.length > 0 ? asked : client.scopes,
  };
}

function isKnown(scope: string, pool: UserPool): boolean {
  return standardScopes.has(scope) || pool.customScopes.has(scope);
}

/** The address keeps the query it has. */
export function redirectTo(address: string, parameters: Readonly<Record<string, string>>): Reply {
  const url = new URL(address);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return { status: 302, headers: { location: url.href, "cache-control": "no-store" } };
}
