// The issuer's HTTP server: one on loopback for all pools, since a client's id tells its pool.
import http from "node:http";
import type { AddressInfo } from "node:net";
import { listen } from "../gateway/gateway.ts";
import type { Faults } from "../rig/faults.ts";
import { authorize, followOneTimeLink, showSignIn, signIn, signOut } from "./authorize-endpoint.ts";
import { describeIssuer, describeUser, giveJwks } from "./discovery.ts";
import { anyOrigin, type Issuer, json, oauthError, type Reply } from "./issuer.ts";
import { messagePage } from "./sign-in-page.ts";
import { giveToken, revokeToken } from "./token-endpoint.ts";

export interface CognitoServerOptions {
  readonly faults: Faults;
  /** Known once the server listens. */
  readonly issuer: () => Issuer;
  readonly onDefect?: (error: unknown, call: string) => void;
}

interface Visit {
  readonly issuer: Issuer;
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
  /** The session's secret. */
  readonly cookie: string | undefined;
  form(): Promise<URLSearchParams>;
}

/** Forms of sign-ins and tokens are small. */
const largestFormBytes = 65_536;

/** By method and path; the discovery documents are found apart, for their path holds the pool. */
const routes: Readonly<Record<string, (visit: Visit) => Reply | Promise<Reply>>> = {
  "GET /": ({ issuer, query }) => {
    const oneTime = query.get("one_time");
    if (oneTime !== null) return followOneTimeLink(issuer, oneTime);
    return messagePage(200, "Sign-in", "This is the local sign-in. Programs send you here when you have to sign in.");
  },
  "GET /oauth2/authorize": ({ issuer, query, cookie }) => authorize(issuer, query, cookie),
  "GET /login": ({ issuer, query }) => showSignIn(issuer, query),
  "POST /login": async ({ issuer, query, form }) => signIn(issuer, query, await form()),
  "GET /logout": ({ issuer, query, cookie }) => signOut(issuer, query, cookie),
  "POST /oauth2/token": async ({ issuer, form, authorization }) => giveToken(issuer, await form(), authorization),
  "POST /oauth2/revoke": async ({ issuer, form, authorization }) => revokeToken(issuer, await form(), authorization),
  "GET /oauth2/userInfo": ({ issuer, authorization }) => describeUser(issuer, authorization),
};

class FormTooLarge extends Error {
  override readonly name = "FormTooLarge";
}

/** Throws a sentence when the port is taken. */
export async function startCognitoServer(
  options: CognitoServerOptions,
  port: number,
): Promise<{ readonly server: http.Server; readonly port: number }> {
  const server = http.createServer((incoming, outgoing) => {
    serve(incoming, outgoing, options).catch((error: unknown) => {
      options.onDefect?.(error, `cognito ${incoming.method} ${incoming.url?.split("?")[0]}`);
      outgoing.destroy();
    });
  });
  await listen(server, port);
  return { server, port: (server.address() as AddressInfo).port };
}

async function serve(
  incoming: http.IncomingMessage,
  outgoing: http.ServerResponse,
  options: CognitoServerOptions,
): Promise<void> {
  const url = new URL(incoming.url ?? "/", "http://local");
  const method = incoming.method === "HEAD" ? "GET" : (incoming.method ?? "GET");
  const issuer = options.issuer();
  const operation = `${method} ${url.pathname}`;
  const fault = options.faults.next({ service: "cognito", operation, resource: url.pathname });
  if (fault?.kind === "reset") {
    incoming.socket.resetAndDestroy();
    return;
  }
  if (fault?.kind === "delay") await issuer.clock.sleep(fault.milliseconds);
  let reply: Reply;
  if (fault?.kind === "throttle") reply = json(429, { error: "too_many_requests" });
  else if (fault?.kind === "error") reply = json(fault.status, { error: fault.code });
  else reply = await answer(incoming, operation, url, issuer);
  if (!incoming.readableEnded) incoming.resume();
  write(incoming, outgoing, reply, issuer);
}

async function answer(incoming: http.IncomingMessage, operation: string, url: URL, issuer: Issuer): Promise<Reply> {
  // A page of another name that resolves to this machine could else read what is meant for its user alone.
  if (!/^(?:127\.0\.0\.1|localhost|\[::1\]):\d+$/.test(incoming.headers.host ?? "")) {
    return messagePage(421, "Wrong name", "The local sign-in answers at 127.0.0.1 and localhost only.");
  }
  if (operation.startsWith("OPTIONS ")) return preflight(incoming);
  const discovered = await discover(operation, issuer);
  if (discovered) return discovered;
  const route = routes[operation];
  if (!route) return messagePage(404, "Not here", `The local sign-in has no ${operation}.`);
  if (operation === "POST /login" && isFromElsewhere(incoming)) {
    return messagePage(403, "Sign in", "The form was sent from another site.");
  }
  try {
    return await route({
      issuer,
      query: url.searchParams,
      authorization: incoming.headers.authorization,
      cookie: readCookie(incoming.headers.cookie, cookieName(issuer)),
      form: () => readForm(incoming),
    });
  } catch (error) {
    if (error instanceof FormTooLarge) return oauthError("invalid_request", "the form is too large");
    throw error;
  }
}

async function discover(operation: string, issuer: Issuer): Promise<Reply | undefined> {
  const [, poolId, document] =
    /^GET (?:\/([\w-]+))?\/\.well-known\/(openid-configuration|jwks\.json)$/.exec(operation) ?? [];
  if (document === undefined) return undefined;
  const pool = poolId === undefined ? issuer.pools[0] : issuer.pools.find((each) => each.poolId === poolId);
  if (!pool) return json(400, { message: "User pool does not exist." });
  return document === "jwks.json" ? giveJwks(issuer, pool) : describeIssuer(issuer, pool);
}

/** Whatever headers a page wants to send: Swagger's own among them. */
function preflight(incoming: http.IncomingMessage): Reply {
  const asked = incoming.headers["access-control-request-headers"] ?? "authorization, content-type";
  const allowed = { "access-control-allow-methods": "GET, POST", "access-control-allow-headers": asked };
  return { status: 204, headers: { ...anyOrigin, ...allowed, "access-control-max-age": "600" } };
}

/** Browsers tell where a form comes from; other programs tell nothing and hold no cookie. */
function isFromElsewhere({ headers }: http.IncomingMessage): boolean {
  return headers.origin !== undefined && headers.origin !== `http://${headers.host}`;
}

async function readForm(incoming: http.IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > largestFormBytes) throw new FormTooLarge();
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString("utf8"));
}

function write(incoming: http.IncomingMessage, outgoing: http.ServerResponse, reply: Reply, issuer: Issuer): void {
  const { session } = reply;
  // Cookies do not tell the ports of a host apart: its name must.
  const cookie = `${cookieName(issuer)}=${session}; Path=/; HttpOnly; SameSite=Lax`;
  outgoing.sendDate = false;
  outgoing.writeHead(reply.status, {
    date: new Date(issuer.clock.now()).toUTCString(),
    ...reply.headers,
    ...(session === undefined ? {} : { "set-cookie": session === "" ? `${cookie}; Max-Age=0` : cookie }),
  });
  outgoing.end(incoming.method === "HEAD" ? undefined : reply.body);
}

/** Cookies do not tell the ports of a host apart. */
function cookieName(issuer: Issuer): string {
  return `sign-in-${new URL(issuer.url).port}`;
}

function readCookie(header: string | undefined, name: string): string | undefined {
  const found = (header ?? "").split(/;\s*/).find((pair) => pair.startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}
