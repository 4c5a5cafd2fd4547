// The routes of the relay's own API, as data; what clients call as if it were a provider is no part of it.
import type { Route } from "../shared/routes.ts";
import { accountRoutes } from "./admin/account-routes.ts";
import { keyRoutes } from "./admin/key-routes.ts";
import { usageRoutes } from "./admin/usage-routes.ts";

export const routes = [...keyRoutes, ...accountRoutes, ...usageRoutes] as const satisfies readonly Route[];
