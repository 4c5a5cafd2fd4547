// Servers for tests of the transport: upstreams with and without TLS, a CONNECT proxy and a SOCKS 5 server, all on loopback.
import { execFileSync } from "node:child_process";
import type { LookupAddress } from "node:dns";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AddressPolicy } from "../../../../lambdas/shared/guarded-address.ts";

interface Certificate {
  readonly key: string;
  readonly cert: string;
}

const open = new Set<Server | TcpServer>();
const sockets = new Set<Socket>();

/** To be called after each test. */
export function closeServers(): void {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  for (const server of open) server.close();
  open.clear();
}

async function listen(server: Server | TcpServer): Promise<number> {
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  open.add(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** An upstream without TLS; answers its port. */
export function servePlain(listener: RequestListener): Promise<number> {
  return listen(createServer(listener));
}

export function serveTls(certificate: Certificate, listener: RequestListener): Promise<number> {
  return listen(createTlsServer(certificate, listener));
}

/** Whatever a connection does. */
export function serveSockets(listener: (socket: Socket) => void): Promise<number> {
  return listen(createTcpServer(listener));
}

/** Names of a test, as a name server that knows these alone. Each question is counted. */
export function resolvingNames(names: Readonly<Record<string, string | readonly string[]>>) {
  const asked: string[] = [];
  const resolve = (
    name: string,
    _options: unknown,
    callback: (error: Error | null, found?: LookupAddress[]) => void,
  ) => {
    asked.push(name);
    const known = names[name];
    if (known === undefined) return callback(Object.assign(new Error("unknown"), { code: "ENOTFOUND" }));
    const addresses = typeof known === "string" ? [known] : known;
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
  };
  return { asked, resolve: resolve as unknown as NonNullable<AddressPolicy["resolve"]> };
}

/** A certificate that signed itself, for the names given. */
export function makeCertificate(...names: readonly string[]): Certificate {
  const folder = mkdtempSync(join(tmpdir(), "causeway-transport-"));
  const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const alternatives = names.map((name) => (/^[\d.]+$/.test(name) ? `IP:${name}` : `DNS:${name}`)).join(",");
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
      ...[
        "-keyout",
        keyFile,
        "-out",
        certFile,
        "-subj",
        `/CN=${names[0]}`,
        "-addext",
        `subjectAltName=${alternatives}`,
      ],
    ],
    { stdio: "ignore" },
  );
  const pair = { key: readFileSync(keyFile, "utf8"), cert: readFileSync(certFile, "utf8") };
  rmSync(folder, { recursive: true });
  return pair;
}

export interface ProxyLog {
  readonly port: number;
  /** `host:port` of each tunnel that was asked for. */
  readonly tunnels: string[];
  /** What was said to prove who asks: `Proxy-Authorization`, or `user:password` of SOCKS. */
  readonly credentials: (string | undefined)[];
}

/** All names lead to loopback behind these proxies: they resolve by themselves, as real ones do. */
const behindProxy = "127.0.0.1";

/** A proxy that tunnels; `status` refuses. */
export async function serveConnectProxy(
  options: { status?: number; certificate?: Certificate } = {},
): Promise<ProxyLog> {
  const tunnels: string[] = [];
  const credentials: (string | undefined)[] = [];
  const server = options.certificate ? createTlsServer(options.certificate) : createServer();
  server.on("connect", (request, client: Socket) => {
    tunnels.push(request.url ?? "");
    credentials.push(request.headers["proxy-authorization"]);
    if (options.status !== undefined) {
      client.end(`HTTP/1.1 ${options.status} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const port = Number(request.url?.split(":").at(-1));
    const target = track(connect(port, behindProxy, () => client.write("HTTP/1.1 200 Connection established\r\n\r\n")));
    couple(client, target);
  });
  return { port: await listen(server), tunnels, credentials };
}

/** RFC 1928 and 1929, CONNECT alone. */
export async function serveSocks(
  options: { user?: string; password?: string; refuse?: boolean } = {},
): Promise<ProxyLog> {
  const tunnels: string[] = [];
  const credentials: (string | undefined)[] = [];
  const serve = async (client: Socket) => {
    try {
      const greeting = await read(client, 2);
      const methods = await read(client, greeting[1] ?? 0);
      const needsPassword = options.user !== undefined;
      if (needsPassword && !methods.includes(2)) return client.end(Buffer.from([5, 0xff]));
      client.write(Buffer.from([5, needsPassword ? 2 : 0]));
      if (needsPassword) {
        const user = (await read(client, (await read(client, 2))[1] ?? 0)).toString();
        const password = (await read(client, (await read(client, 1))[0] ?? 0)).toString();
        credentials.push(`${user}:${password}`);
        const isRight = user === options.user && password === options.password;
        client.write(Buffer.from([1, isRight ? 0 : 1]));
        if (!isRight) return client.end();
      }
      const [, , , kind] = await read(client, 4);
      const host =
        kind === 3
          ? (await read(client, (await read(client, 1))[0] ?? 0)).toString()
          : [...(await read(client, 4))].join(".");
      const targetPort = (await read(client, 2)).readUInt16BE();
      tunnels.push(`${host}:${targetPort}`);
      const reply = (code: number) => Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
      if (options.refuse) return client.end(reply(2));
      const target = track(connect(targetPort, behindProxy, () => client.write(reply(0))));
      return couple(client, target);
    } catch {
      return client.destroy();
    }
  };
  const port = await serveSockets((client) => void serve(client));
  return { port, tunnels, credentials };
}

async function read(socket: Socket, bytes: number): Promise<Buffer> {
  for (;;) {
    const chunk = bytes === 0 ? Buffer.alloc(0) : (socket.read(bytes) as Buffer | null);
    if (chunk !== null) return chunk;
    if (socket.destroyed) throw new Error("closed");
    await once(socket, "readable");
  }
}

function track(socket: Socket): Socket {
  sockets.add(socket);
  return socket;
}

function couple(client: Socket, target: Socket): void {
  client.pipe(target).pipe(client);
  for (const [one, other] of [
    [client, target],
    [target, client],
  ] as const) {
    one.on("error", () => other.destroy());
    one.on("close", () => other.destroy());
  }
}
