// SOCKS 5 (RFC 1928), the part that a client of TCP needs: a greeting, a user and a password (RFC 1929), CONNECT by name.
import { isIP, type Socket } from "node:net";
import ipaddr from "ipaddr.js";
import { type AccountProxy, TransportError } from "./transport.ts";

const version = 5;
const methods = { none: 0, password: 2 } as const;
const passwordVersion = 1;
const connectCommand = 1;
const addressTypes = { ipv4: 1, name: 3, ipv6: 4 } as const;

/** What a server says instead of 0 (RFC 1928, 6). */
const refusals: Readonly<Record<number, string>> = {
  1: "general failure",
  2: "not allowed by its rules",
  3: "network unreachable",
  4: "host unreachable",
  5: "connection refused",
  6: "it took too long",
  7: "it knows no CONNECT",
  8: "it knows no such address",
};

/**
 * On a fresh connection to the proxy; afterwards its next byte is the target's. Names go to the proxy as they are. Throws
 * `TransportError` of kind proxy, and what the socket throws.
 */
export async function socksHandshake(
  socket: Socket,
  target: { readonly host: string; readonly port: number },
  { username, password = "" }: AccountProxy,
): Promise<void> {
  using incoming = new Incoming(socket);
  const offered = username === undefined ? [methods.none] : [methods.none, methods.password];
  socket.write(Uint8Array.of(version, offered.length, ...offered));
  const [, method] = await incoming.take(2);
  if (method === methods.password && username !== undefined) await authenticate(socket, incoming, username, password);
  else if (method !== methods.none) throw refused("it takes no such user");
  socket.write(connectRequest(target));
  const [, code = 1, , type] = await incoming.take(4);
  if (code !== 0) throw refused(refusals[code] ?? `code ${code}`);
  // Where the proxy calls from: nobody needs it, but it comes before the target's bytes.
  const addressBytes =
    type === addressTypes.ipv4 ? 4 : type === addressTypes.ipv6 ? 16 : ((await incoming.take(1))[0] ?? 0);
  await incoming.take(addressBytes + 2);
}

async function authenticate(socket: Socket, incoming: Incoming, username: string, password: string): Promise<void> {
  const [user, secret] = [Buffer.from(username), Buffer.from(password)];
  socket.write(Buffer.from([passwordVersion, user.length, ...user, secret.length, ...secret]));
  const [, status] = await incoming.take(2);
  if (status !== 0) throw refused("it does not take the user or the password");
}

function connectRequest({ host, port }: { readonly host: string; readonly port: number }): Buffer {
  const name = Buffer.from(host);
  const address =
    isIP(host) === 0
      ? [addressTypes.name, name.length, ...name]
      : [isIP(host) === 4 ? addressTypes.ipv4 : addressTypes.ipv6, ...ipaddr.parse(host).toByteArray()];
  return Buffer.from([version, connectCommand, 0, ...address, port >> 8, port & 0xff]);
}

function refused(why: string): TransportError {
  return new TransportError("proxy", `The proxy opened no way: ${why}.`, false);
}

/** Bytes of the socket, taken in the sizes that the protocol has. */
class Incoming {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", this.#add);
    socket.on("close", this.#stir);
  }

  async take(bytes: number): Promise<Buffer> {
    while (this.#bytes.length < bytes) {
      if (this.#socket.destroyed || this.#socket.readableEnded) throw refused("it ended the connection");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#bytes.subarray(0, bytes);
    this.#bytes = this.#bytes.subarray(bytes);
    return taken;
  }

  [Symbol.dispose](): void {
    this.#socket.off("data", this.#add);
    this.#socket.off("close", this.#stir);
  }

  readonly #add = (chunk: Buffer) => {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    this.#wake();
  };

  readonly #stir = () => this.#wake();
}
