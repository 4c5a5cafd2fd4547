// Cognito in the local cloud: the issuer, and for tests and npm start the ways to a token without a browser.
import type http from "node:http";
import type { JWTPayload } from "jose";
import type { Clock } from "../rig/clock.ts";
import type { Faults } from "../rig/faults.ts";
import { startCognitoServer } from "./cognito-server.ts";
import { Grants } from "./grants.ts";
import { type Issuer, issuerOf, newOriginJti, nowSeconds } from "./issuer.ts";
import { forgedKey, PoolKeys } from "./pool-keys.ts";
import { accessClaims, idClaims, machineClaims, signToken } from "./tokens.ts";
import { findClient, findUser, type PoolClient, type PoolUser, type UserPool } from "./user-pool.ts";

export interface SignInOptions {
  readonly clock: Clock;
  readonly faults: Faults;
  /** Exists already; keys, secrets and sessions survive a restart here. */
  readonly stateDirectory: string;
  /** 0 or absent: any free one. Tokens outlive a restart only at the same port, for it is part of the issuer's name. */
  readonly port?: number;
  readonly onDefect?: (error: unknown, call: string) => void;
}

export interface TokenOptions {
  /** Default: access. */
  readonly kind?: "access" | "id";
  /** Default: the first client of the pool that signs people in. */
  readonly clientId?: string;
  /** Default: all of the client's. */
  readonly scopes?: readonly string[];
  /** It ended an hour ago. */
  readonly expired?: boolean;
  /** Another issuer than the pool. */
  readonly issuer?: string;
  /** Another client: `client_id` of an access token, `aud` of an id token. */
  readonly audience?: string;
  /** Put over the token's own claims. */
  readonly claims?: JWTPayload;
  /** Signed by a key that is not the pool's, under the name of the one that is. */
  readonly foreignKey?: boolean;
}

export interface MachineTokenOptions {
  readonly clientId?: string;
  readonly expired?: boolean;
}

export interface ClientView {
  readonly clientId: string;
  readonly name: string;
  readonly secret?: string;
  readonly scopes: readonly string[];
  readonly callbackUrls: readonly string[];
}

export interface SignInService {
  /** `http://127.0.0.1:PORT`: endpoint of the pools and sign-in domain in one. Throws when the templates have no pool. */
  readonly url: string;
  /** Of the first pool. */
  readonly issuer: string;
  users(): readonly PoolUser[];
  clients(): readonly ClientView[];
  /** By user name, e-mail address or group. Throws an Error with a sentence when there is no such user or client. */
  tokenFor(user: string, options?: TokenOptions): Promise<string>;
  /** As client credentials give it. Throws an Error with a sentence when no client may have these scopes. */
  machineToken(scopes: readonly string[], options?: MachineTokenOptions): Promise<string>;
  /** Signs the local admin in once, then goes to `target`; absent: to a page that says so. */
  oneTimeLink(target?: string): string;
}

/** As the local cloud holds it: it listens before its pools are known, for the templates tell its address. */
export interface StartedSignIn extends SignInService {
  open(pools: readonly UserPool[]): void;
  close(): Promise<void>;
}

const expiredForSeconds = 3600;

/** Throws a sentence when the port is taken. */
export async function startSignIn(options: SignInOptions): Promise<StartedSignIn> {
  const { clock } = options;
  let issuer: Issuer | undefined;
  const grants = new Grants(options.stateDirectory, clock);
  const ready = () => {
    if (!issuer) throw new Error("The local sign-in does not listen yet.");
    return issuer;
  };
  let started: { readonly server: http.Server; readonly port: number };
  try {
    started = await startCognitoServer({ ...options, issuer: ready }, options.port ?? 0);
  } catch (error) {
    grants.close();
    throw error;
  }
  const keys = new PoolKeys(options.stateDirectory);
  const own: Issuer = { url: `http://127.0.0.1:${started.port}`, clock, keys, grants, pools: [] };
  issuer = own;
  return {
    url: own.url,
    get issuer() {
      return issuerOf(own, onlyPool(own).poolId);
    },
    users: () => own.pools.flatMap(({ users }) => users),
    clients: () => own.pools.flatMap(({ clients }) => clients).map((client) => viewClient(client, keys)),
    tokenFor: (user, tokenOptions = {}) => tokenFor(own, user, tokenOptions),
    machineToken: (scopes, tokenOptions = {}) => machineToken(own, scopes, tokenOptions),
    oneTimeLink: (target) => oneTimeLink(own, target),
    open(pools) {
      own.pools = pools;
    },
    async close() {
      const closed = new Promise<void>((resolve) => started.server.close(() => resolve()));
      started.server.closeAllConnections();
      await closed;
      grants.close();
    },
  };
}

/** In the place of the service where the templates have no user pool. */
export function noSignIn(): SignInService {
  const refuse = (): never => {
    throw new Error("The templates have no user pool: nobody signs in.");
  };
  return {
    get url() {
      return refuse();
    },
    get issuer() {
      return refuse();
    },
    users: () => [],
    clients: () => [],
    tokenFor: async () => refuse(),
    machineToken: async () => refuse(),
    oneTimeLink: refuse,
  };
}

async function tokenFor(issuer: Issuer, name: string, options: TokenOptions): Promise<string> {
  const pool = onlyPool(issuer);
  const user = findUser(pool, name);
  if (!user) throw new Error(`The user pool has no user or group ${name}.`);
  const client =
    options.clientId === undefined
      ? pool.clients.find(({ flows }) => flows.has("code"))
      : findClient([pool], options.clientId)?.client;
  if (!client) throw new Error(`The user pool has no client ${options.clientId ?? "that signs people in"}.`);
  const now = nowSeconds(issuer) - (options.expired ? client.accessTokenSeconds + expiredForSeconds : 0);
  const signIn = {
    ...{ issuer: options.issuer ?? issuerOf(issuer, pool.poolId), client, user },
    ...{ scopes: options.scopes ?? client.scopes, authTimeSeconds: now, originJti: newOriginJti() },
  };
  const key = await issuer.keys.signingKey(pool.poolId);
  const signingKey = options.foreignKey ? await forgedKey(key) : key;
  const isId = options.kind === "id";
  const claims = isId
    ? idClaims(signIn, now, await signToken(accessClaims(signIn, now), key))
    : accessClaims(signIn, now);
  // An id token may live longer than an access token; both are over when asked for as expired.
  const ended = options.expired ? { exp: nowSeconds(issuer) - expiredForSeconds } : {};
  const audience = options.audience === undefined ? {} : { [isId ? "aud" : "client_id"]: options.audience };
  return signToken({ ...claims, ...ended, ...audience, ...options.claims }, signingKey);
}

async function machineToken(issuer: Issuer, scopes: readonly string[], options: MachineTokenOptions): Promise<string> {
  const pool = onlyPool(issuer);
  const client = pool.clients.find(
    (each) =>
      each.flows.has("client_credentials") &&
      (options.clientId === undefined || each.clientId === options.clientId) &&
      scopes.every((scope) => each.scopes.includes(scope)),
  );
  if (!client) throw new Error(`No client may have client credentials with ${scopes.join(" ") || "no scope"}.`);
  const now = nowSeconds(issuer) - (options.expired ? client.accessTokenSeconds + expiredForSeconds : 0);
  const claims = machineClaims(issuerOf(issuer, pool.poolId), client, scopes, now);
  return signToken(claims, await issuer.keys.signingKey(pool.poolId));
}

/** The admin is who belongs to the group of that name, else to the first group. */
function oneTimeLink(issuer: Issuer, target: string | undefined): string {
  const pool = onlyPool(issuer);
  const user = findUser(pool, "admin") ?? pool.users[0];
  if (!user) throw new Error("The user pool has no user to sign in.");
  const secret = issuer.grants.giveOneTime({ poolId: pool.poolId, username: user.username, target });
  return `${issuer.url}/?one_time=${secret}`;
}

function viewClient(client: PoolClient, keys: PoolKeys): ClientView {
  const { clientId, name, scopes, callbackUrls, hasSecret } = client;
  return { clientId, name, scopes, callbackUrls, ...(hasSecret ? { secret: keys.secretOf(clientId) } : {}) };
}

function onlyPool(issuer: Issuer): UserPool {
  const [pool, another] = issuer.pools;
  if (!pool || another) throw new Error(`The templates have ${issuer.pools.length} user pools; here one is needed.`);
  return pool;
}
