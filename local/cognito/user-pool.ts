// A user pool as the templates describe it, with its local users.

export interface UserPool {
  readonly poolId: string;
  /** The construct path, for people. */
  readonly name: string;
  readonly users: readonly PoolUser[];
  readonly clients: readonly PoolClient[];
  /** `<resource server>/<scope>`. */
  readonly customScopes: ReadonlySet<string>;
}

export interface PoolUser {
  readonly username: string;
  /** The token's subject. */
  readonly sub: string;
  readonly email: string;
  /** Most important first. */
  readonly groups: readonly string[];
}

export interface PoolClient {
  readonly clientId: string;
  readonly poolId: string;
  readonly name: string;
  /** `code`, `client_credentials`; empty where the client may not use OAuth at all. */
  readonly flows: ReadonlySet<string>;
  readonly scopes: readonly string[];
  readonly callbackUrls: readonly string[];
  readonly logoutUrls: readonly string[];
  readonly defaultRedirectUri: string | undefined;
  readonly hasSecret: boolean;
  readonly accessTokenSeconds: number;
  readonly idTokenSeconds: number;
  readonly refreshTokenSeconds: number;
}

export function findClient(pools: readonly UserPool[], clientId: string | undefined) {
  for (const pool of pools) {
    const client = pool.clients.find((each) => each.clientId === clientId);
    if (client) return { pool, client };
  }
  return undefined;
}

/** By user name, e-mail address, or a group's name: then the group's first member. */
export function findUser(pool: UserPool, name: string): PoolUser | undefined {
  return (
    pool.users.find(({ username, email }) => username === name || email === name) ??
    pool.users.find(({ groups }) => groups.includes(name))
  );
}
