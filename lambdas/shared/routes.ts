// What a route of the HTTP API is, as data: the router, the checks, the roles, the audit and the OpenAPI document come from it.
import type * as z from "zod";

/** Of people (Cognito groups) and machines (scopes of client credentials). Each may all that the one before it may. */
export const roles = ["viewer", "operator", "admin"] as const;
export type Role = (typeof roles)[number];

/**
 * `public`: anybody. `metrics-token`: whoever has the bearer token from Secrets Manager. `relay-key`: the holder of a client
 * key of the relay, about that key alone; API Gateway lets the call through, and the function looks at the key.
 */
export type Access = Role | "public" | "metrics-token" | "relay-key";

/** Kinds of access that API Gateway's authorizer knows nothing of. */
export function isOpenAtGateway(access: Access): access is Exclude<Access, Role> {
  return !roles.some((role) => role === access);
}

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** `/api/jobs/{jobId}`: parameters in braces are one segment each, percent-decoded before they are checked. */
  readonly path: `/${string}`;
  /** Unique over all rooms; names the handler, and the operation in OpenAPI. */
  readonly operation: string;
  /** lambdas/<room>/<entry>.lambda.ts: the function that answers it. Heavy clients get a function of their own. */
  readonly entry: string;
  readonly access: Access;
  /** A sentence for the OpenAPI document. */
  readonly summary: string;
  readonly description?: string;
  /** Strict objects of text fields (coerced where they are numbers): whatever else is sent is a 400. */
  readonly pathParameters?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** What `data` of the envelope holds at success. */
  readonly data: z.ZodType;
  /** At success. Default 200; 202 comes with a `Location`. */
  readonly status?: 200 | 201 | 202;
  /** Takes `Idempotency-Key`: the same key with the same request is answered with the first answer. POST only. */
  readonly idempotent?: boolean;
  /**
   * The answer holds a secret: nothing of it is kept for its `Idempotency-Key`. A repetition is handed to the handler again,
   * with the same `workId`, and must find what is there instead of doing it twice.
   */
  readonly keepsNoAnswer?: boolean;
  /** Demands `If-Match` with the ETag of the last GET. PUT only. */
  readonly conditional?: boolean;
  /** What the audit item says was done, such as "started copies"; every POST, PUT and DELETE has one. */
  readonly audited?: string;
  /**
   * The handler's store writes the change and `request.audit.item()` in one transaction. Otherwise the intent is written
   * before the handler runs, and the outcome after it.
   */
  readonly auditedInTransaction?: boolean;
  /** Answers something other than the JSON envelope: `/docs`, `/metrics`. */
  readonly contentType?: string;
}

/** Who is calling, as the authorizer found out. */
export interface Caller {
  /** The token's subject, or `anonymous` on public routes. */
  readonly subject: string;
  readonly name: string;
  readonly roles: readonly Role[];
}

/** A page of a list: pass `cursor` to get the next one; null at the end. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly cursor: string | null;
}

export function mayCall(access: Access, caller: Pick<Caller, "roles">): boolean {
  if (isOpenAtGateway(access)) return true;
  const needed = roles.indexOf(access);
  return caller.roles.some((role) => roles.indexOf(role) >= needed);
}
