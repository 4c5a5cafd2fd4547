// The API's answers as types, straight from the route data that the API runs on. Types alone: nothing of it is loaded.
import type * as z from "zod";
import type { routes as alertsRoutes } from "../../lambdas/alerts/routes.ts";
import type { routes as consoleRoutes } from "../../lambdas/console/routes.ts";
import type { routes as relayRoutes } from "../../lambdas/relay/routes.ts";
import type { routes as replicationRoutes } from "../../lambdas/replication/routes.ts";

type KnownRoute = (typeof alertsRoutes | typeof consoleRoutes | typeof relayRoutes | typeof replicationRoutes)[number];

/** Such as `listCopies`. */
export type Operation = KnownRoute["operation"];

type RouteOf<Name extends Operation> = Extract<KnownRoute, { readonly operation: Name }>;

/** What `data` of the envelope holds. */
export type AnswerOf<Name extends Operation> = z.output<RouteOf<Name>["data"]>;

/** Operations whose answer is a page by cursor. */
export type ListOperation = {
  [Name in Operation]: AnswerOf<Name> extends { readonly items: unknown[]; readonly cursor: string | null }
    ? Name
    : never;
}[Operation];

export type ItemOf<Name extends ListOperation> =
  AnswerOf<Name> extends { readonly items: (infer Item)[] } ? Item : never;
