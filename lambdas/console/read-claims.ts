// Who a token's claims say is calling: people get their roles from the groups of the user pool, machines from their scopes.
import * as z from "zod";
import { CausewayError } from "../shared/errors.ts";
import type { Caller, Role } from "../shared/routes.ts";

/** As Cognito's access tokens have them. Source: "Understanding the access token" in the Cognito developer guide. */
const claimsSchema = z.object({
  sub: z.string().min(1).max(128),
  client_id: z.string(),
  token_use: z.string(),
  username: z.string().max(128).optional(),
  scope: z.string().max(4096).optional(),
  "cognito:groups": z.array(z.string()).max(1000).optional(),
});

export interface Clients {
  readonly people: readonly string[];
  readonly machines: readonly string[];
}

/** The roles that groups and scopes are called by, lowest first. */
export type KnownRoles = readonly Role[];

const scopePrefix = "causeway/";

/** Throws `Unauthenticated` for tokens that are not for this API: id tokens, other clients. Roles may be none. */
export function readClaims(claims: unknown, clients: Clients, known: KnownRoles): Caller {
  const parsed = claimsSchema.safeParse(claims);
  if (!parsed.success) throw new CausewayError("Unauthenticated", "The token lacks what an access token has.");
  const { sub, client_id: client, token_use: use, username, scope = "", "cognito:groups": groups = [] } = parsed.data;
  if (use !== "access") throw new CausewayError("Unauthenticated", "This is no access token.");
  if (clients.machines.includes(client)) {
    const scopes = scope.split(" ").filter((one) => one.startsWith(scopePrefix));
    const names = scopes.map((one) => one.slice(scopePrefix.length));
    return { subject: sub, name: `machine ${client}`, roles: known.filter((role) => names.includes(role)) };
  }
  if (!clients.people.includes(client)) {
    throw new CausewayError("Unauthenticated", "The token was made for another application.");
  }
  return { subject: sub, name: username ?? sub, roles: known.filter((role) => groups.includes(role)) };
}
