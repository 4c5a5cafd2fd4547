// Registry of transports: how requests reach an upstream.
import { openNodeHttp } from "./node-http.ts";
import type { Transport, TransportPolicy } from "./transport.ts";

export const transports = {
  "node-http": openNodeHttp,
} as const satisfies Record<string, (policy: TransportPolicy) => Transport>;
