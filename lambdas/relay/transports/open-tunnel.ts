// Tunnels through a proxy to a target: CONNECT by an http or https proxy, or SOCKS 5. The proxy is guarded like the target.
import { type ClientRequestArgs, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect, isIP, type Socket } from "node:net";
import { CausewayError } from "../../shared/errors.ts";
import { guardedLookup, isAllowedHost } from "../../shared/guarded-address.ts";
import type { Way } from "./guarded-agent.ts";
import { socksHandshake } from "./socks-handshake.ts";
import { type AccountProxy, TransportError } from "./transport.ts";

type ProxiedWay = Way & { readonly proxy: NonNullable<Way["proxy"]> };

/**
 * A connection on which the next byte is the target's. Throws `TransportError`: `proxy` (it refused or could not be
 * reached), `refused-address`, `timeout`; nothing was sent to the target in any case.
 */
export async function openTunnel(way: Way): Promise<Socket> {
  if (!isProxied(way)) throw new Error("A way without a proxy needs no tunnel.");
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), way.connectMilliseconds);
  try {
    await checkTarget(way);
    return await (way.proxy.settings.type === "socks5"
      ? tunnelBySocks(way, timeout.signal)
      : tunnelByConnect(way, timeout.signal));
  } catch (error) {
    throw tunnelError(error, way, timeout.signal.aborted);
  } finally {
    clearTimeout(timer);
  }
}

function isProxied(way: Way): way is ProxiedWay {
  return way.proxy !== undefined;
}

/**
 * The proxy resolves the target's name, where it is: often because it cannot be resolved well here. What it resolves to
 * here is held against the policy as well. A name that means nothing here is the proxy's to judge, unless the proxy itself
 * stands inside, where a name could lead to a neighbour.
 */
async function checkTarget({ target, policy, proxy }: ProxiedWay): Promise<void> {
  if (isIP(hostOf(target)) !== 0) return;
  await new Promise<void>((done, fail) => {
    guardedLookup(target, policy)(hostOf(target), { all: true }, (error) => {
      if (error === null) return done();
      const isUnknown = !(error instanceof CausewayError);
      return isUnknown && !isAllowedHost(proxy.address, policy) ? done() : fail(error);
    });
  });
}

function tunnelByConnect({ proxy, target, policy }: ProxiedWay, signal: AbortSignal): Promise<Socket> {
  const authority = `${target.hostname}:${portOf(target)}`;
  const options: ClientRequestArgs & { servername?: string } = {
    host: hostOf(proxy.address),
    port: proxy.settings.port,
    method: "CONNECT",
    path: authority,
    headers: { host: authority, ...proxyAuthorization(proxy.settings) },
    lookup: guardedLookup(proxy.address, policy),
    agent: false,
    signal,
  };
  return new Promise((resolve, reject) => {
    const send = proxy.settings.type === "https" ? httpsRequest : httpRequest;
    const outgoing = send(options);
    outgoing.on("connect", (answer, socket, head) => {
      if (answer.statusCode === 200 && head.length === 0) {
        socket.on("error", ignore);
        resolve(socket as Socket);
        return;
      }
      socket.destroy();
      reject(new TransportError("proxy", `The proxy answered HTTP ${answer.statusCode} to CONNECT.`, false));
    });
    outgoing.on("response", (answer) => {
      answer.destroy();
      reject(new TransportError("proxy", `The proxy answered HTTP ${answer.statusCode} to CONNECT.`, false));
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}

async function tunnelBySocks({ proxy, target, policy }: ProxiedWay, signal: AbortSignal): Promise<Socket> {
  const socket = await connectTo(proxy, policy, signal);
  const end = () => socket.destroy();
  signal.addEventListener("abort", end, { once: true });
  try {
    await socksHandshake(socket, { host: hostOf(target), port: portOf(target) }, proxy.settings);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", end);
  }
}

function connectTo(proxy: ProxiedWay["proxy"], policy: Way["policy"], signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: hostOf(proxy.address),
      port: proxy.settings.port,
      lookup: guardedLookup(proxy.address, policy),
      signal,
    });
    socket.on("error", ignore);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

/** Between two owners of a connection nobody listens; whoever has it next sees that it is closed. */
function ignore(): void {}

function proxyAuthorization({ username, password = "" }: AccountProxy): Record<string, string> {
  if (username === undefined) return {};
  return { "proxy-authorization": `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
}

/** IPv6 addresses stand in brackets in a URL, and without them everywhere else. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}

function portOf(url: URL): number {
  return Number(url.port || (url.protocol === "https:" ? 443 : 80));
}

/** Libraries' messages may repeat what they were given, a password among it: only codes and our own words go on. */
function tunnelError(error: unknown, { proxy, connectMilliseconds }: ProxiedWay, isLate: boolean): TransportError {
  if (error instanceof CausewayError) return new TransportError("refused-address", error.message, false);
  const where = proxy.address.host;
  if (error instanceof TransportError && !isLate) return error;
  if (isLate)
    return new TransportError("timeout", `The proxy ${where} gave no way in ${connectMilliseconds} ms.`, false);
  const { code } = error as { code?: unknown };
  const why = typeof code === "string" ? code : "it refused";
  return new TransportError("proxy", `The proxy ${where} opened no way: ${why}.`, false);
}
