// Agents: connections to checked addresses, through a proxy or not, kept alive for the next request on the same way.
import { type ClientRequestArgs, Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type AddressPolicy, guardedLookup } from "../../shared/guarded-address.ts";
import { openTunnel } from "./open-tunnel.ts";
import type { AccountProxy } from "./transport.ts";

/** The way of a request: a connection is only used again on the very same one. */
export interface Way {
  readonly target: URL;
  readonly proxy: { readonly settings: AccountProxy; readonly address: URL } | undefined;
  readonly policy: AddressPolicy;
  readonly connectMilliseconds: number;
  /** Of target and proxy, its user and password included. */
  readonly name: string;
}

/** What Node hands from the request to its agent. */
export type WayOptions = ClientRequestArgs & { readonly way: Way };

/**
 * A Lambda may have 1,024 files open; the rest is for AWS's clients. Beyond, a request waits for a connection as long as
 * it would wait to be connected.
 */
const mostConnections = 900;
/** Together at most half of the connections idle, so that none is missing for those that work. */
const mostIdlePerWay = 64;
const mostIdleWays = 7;

/**
 * Below what load balancers keep idle connections for (AWS's 60 s, nginx's 75 s): one that the other side is just closing
 * would lose its request. Where the other side says less (`keep-alive: timeout=5`), that counts.
 */
const idleMilliseconds = 55_000;

const agentOptions = {
  keepAlive: true,
  scheduling: "lifo",
  maxSockets: Number.POSITIVE_INFINITY,
  maxTotalSockets: mostConnections,
  maxFreeSockets: mostIdlePerWay,
  timeout: idleMilliseconds,
} as const;

interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
  /** To be called before a request: closes idle connections that are too old, whatever their timers did, or too many. */
  readonly dropIdle: (way: Way) => void;
}

type Connected = (error: Error | null, stream: Duplex) => void;

class GuardedHttpAgent extends HttpAgent {
  override getName(options?: ClientRequestArgs): string {
    return nameOf(options);
  }

  override createConnection(options: ClientRequestArgs, done?: Connected): Duplex | null | undefined {
    const { way } = options as WayOptions;
    if (way.proxy === undefined) return super.createConnection({ ...options, ...lookupOf(way) });
    openTunnel(way).then(
      (socket) => done?.(null, socket),
      (error: Error) => done?.(error, undefined as never),
    );
    return undefined;
  }
}

class GuardedHttpsAgent extends HttpsAgent {
  override getName(options?: ClientRequestArgs): string {
    return nameOf(options);
  }

  override createConnection(options: ClientRequestArgs, done?: Connected): Duplex | null | undefined {
    const { way } = options as WayOptions;
    if (way.proxy === undefined) return super.createConnection({ ...options, ...lookupOf(way) });
    openTunnel(way).then(
      (socket) => done?.(null, super.createConnection({ ...options, ...inside(socket) }) as Duplex),
      (error: Error) => done?.(error, undefined as never),
    );
    return undefined;
  }
}

export function openAgents(): Agents {
  const idleSince = new WeakMap<Duplex, number>();
  const http = new GuardedHttpAgent(agentOptions);
  const https = new GuardedHttpsAgent(agentOptions);
  for (const agent of [http, https]) agent.on("free", (socket: Socket) => idleSince.set(socket, Date.now()));
  return {
    http,
    https,
    dropIdle({ target, name }) {
      const { freeSockets } = target.protocol === "https:" ? https : http;
      const ways = Object.keys(freeSockets);
      if (ways.length > mostIdleWays) closeAll(freeSockets[ways.find((other) => other !== name) ?? ""]);
      const newest = freeSockets[name]?.at(-1);
      // A frozen Lambda wakes up after minutes: its timers have not run yet, but the connections are long gone.
      if (newest && Date.now() - (idleSince.get(newest) ?? 0) >= idleMilliseconds) closeAll(freeSockets[name]);
    },
  };
}

function closeAll(sockets: readonly Socket[] = []): void {
  for (const socket of [...sockets]) socket.destroy();
}

function nameOf(options: ClientRequestArgs | undefined): string {
  return (options as WayOptions).way.name;
}

function lookupOf({ target, policy }: Way) {
  return { lookup: guardedLookup(target, policy) };
}

function inside(socket: Socket): ClientRequestArgs {
  return { socket } as ClientRequestArgs;
}
