// /oauth2/authorize, /login and /logout: where a person is, and how a code gets to the client.
import {
  AuthorizationError,
  type AuthorizationRequest,
  NowhereToSend,
  readAuthorizationRequest,
  redirectTo,
} from "./authorization-request.ts";
import type { Session } from "./grants.ts";
import { type Issuer, nowSeconds, type Reply } from "./issuer.ts";
import { messagePage, signInPage } from "./sign-in-page.ts";
import { findClient, findUser, type PoolUser } from "./user-pool.ts";

/** Who is signed in already keeps being it, unless the client asks for a fresh sign-in. */
export function authorize(issuer: Issuer, query: URLSearchParams, cookie: string | undefined): Reply {
  return guarded(() => {
    const request = readAuthorizationRequest(query, issuer.pools);
    const oneTime = query.get("one_time");
    if (oneTime !== null) return signInOnce(issuer, oneTime, request);
    const session = cookie === undefined ? undefined : issuer.grants.session(cookie);
    const user = session?.poolId === request.pool.poolId ? findUser(request.pool, session.username) : undefined;
    if (session && user && request.prompt !== "login") return sendCode(issuer, request, user, session);
    if (request.prompt === "none") {
      throw new AuthorizationError("login_required", "nobody is signed in", request.redirectUri, request.state);
    }
    return { status: 302, headers: { location: `/login?${query.toString()}`, "cache-control": "no-store" } };
  });
}

export function showSignIn(issuer: Issuer, query: URLSearchParams): Reply {
  return guarded(() => {
    const { pool, client } = readAuthorizationRequest(query, issuer.pools);
    return signInPage(pool.users, client.name, `/login?${query.toString()}`);
  });
}

/** `form` is what the sign-in page sends. */
export function signIn(issuer: Issuer, query: URLSearchParams, form: URLSearchParams): Reply {
  return guarded(() => {
    const request = readAuthorizationRequest(query, issuer.pools);
    const user = request.pool.users.find(({ username }) => username === form.get("username"));
    if (!user) return messagePage(400, "Sign in", "There is no such user.");
    return beginSession(issuer, request.pool.poolId, user, (session) => sendCode(issuer, request, user, session));
  });
}

/** `/?one_time=…`: signs in once, and goes on to where the link was made for. */
export function followOneTimeLink(issuer: Issuer, secret: string): Reply {
  const grant = issuer.grants.takeOneTime(secret);
  const pool = issuer.pools.find(({ poolId }) => poolId === grant?.poolId);
  const user = grant && pool?.users.find(({ username }) => username === grant.username);
  if (!grant || !user) return usedLink();
  return beginSession(issuer, grant.poolId, user, () =>
    grant.target === undefined
      ? messagePage(200, "Signed in", `You are signed in as ${user.username} for an hour.`)
      : { status: 302, headers: { location: grant.target, "cache-control": "no-store" } },
  );
}

/** Ends the session; goes to `logout_uri` only where the client says so. */
export function signOut(issuer: Issuer, query: URLSearchParams, cookie: string | undefined): Reply {
  if (cookie !== undefined) issuer.grants.endSession(cookie);
  const found = findClient(issuer.pools, query.get("client_id") ?? undefined);
  const target = query.get("logout_uri");
  if (!found) return messagePage(400, "Sign out", "There is no such client.");
  if (target === null || !found.client.logoutUrls.includes(target)) {
    return messagePage(400, "Sign out", "You are signed out; logout_uri is not an address of the client.");
  }
  return { status: 302, headers: { location: target, "cache-control": "no-store" }, session: "" };
}

function signInOnce(issuer: Issuer, secret: string, request: AuthorizationRequest): Reply {
  const grant = issuer.grants.takeOneTime(secret);
  const user = grant && request.pool.users.find(({ username }) => username === grant.username);
  if (!user || grant.poolId !== request.pool.poolId) return usedLink();
  return beginSession(issuer, request.pool.poolId, user, (session) => sendCode(issuer, request, user, session));
}

function usedLink(): Reply {
  return messagePage(410, "This link is used up", "A one-time link works once, and for a day. Ask for another one.");
}

function beginSession(issuer: Issuer, poolId: string, user: PoolUser, goOn: (session: Session) => Reply): Reply {
  const session = { poolId, username: user.username, authTimeSeconds: nowSeconds(issuer) };
  return { ...goOn(session), session: issuer.grants.beginSession(session) };
}

function sendCode(issuer: Issuer, request: AuthorizationRequest, user: PoolUser, session: Session): Reply {
  const { client, redirectUri, scopes, codeChallenge, nonce, state } = request;
  const code = issuer.grants.giveCode({
    ...{ clientId: client.clientId, username: user.username, scopes, redirectUri },
    authTimeSeconds: session.authTimeSeconds,
    ...(codeChallenge === undefined ? {} : { codeChallenge }),
    ...(nonce === undefined ? {} : { nonce }),
  });
  return redirectTo(redirectUri, { code, ...(state === undefined ? {} : { state }) });
}

function guarded(work: () => Reply): Reply {
  try {
    return work();
  } catch (error) {
    if (error instanceof AuthorizationError) return error.reply;
    if (error instanceof NowhereToSend) return messagePage(400, "This request cannot be answered", error.message);
    throw error;
  }
}
