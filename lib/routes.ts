// The routes of every room: what the API, its OpenAPI document and the tests over all routes are made from.
import { routes as alerts } from "../lambdas/alerts/routes.ts";
import { routes as console } from "../lambdas/console/routes.ts";
import { routes as relay } from "../lambdas/relay/routes.ts";
import { routes as replication } from "../lambdas/replication/routes.ts";
import type { Route } from "../lambdas/shared/routes.ts";

/** A new room with routes is one import and one line here. */
export const routesByRoom = { alerts, console, relay, replication } as const satisfies Readonly<
  Record<string, readonly Route[]>
>;

export const allRoutes: readonly Route[] = Object.values(routesByRoom).flat();
