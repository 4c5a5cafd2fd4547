// The port of transports: one request upstream with its time limits, through a proxy or not, to addresses that may be called.
import type { UpstreamRequest } from "../providers/provider.ts";

export interface TransportLimits {
  readonly connectMilliseconds: number;
  /** Until the headers of the answer. */
  readonly firstByteMilliseconds: number;
  /** Between two pieces of the body. */
  readonly silenceMilliseconds: number;
}

/** Where an account's requests go through. The password comes from the credential. */
export interface Proxy {
  readonly type: "http" | "https" | "socks5";
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
}

export interface Exchange {
  readonly status: number;
  /** Names in lower case; of several values, joined with ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** Decoded where it came compressed. Ends with an error (`TransportError`) when it was cut or silent for too long. */
  readonly body: AsyncIterable<Buffer>;
  /** Closes the connection; nothing more is read. */
  abort(): void;
}

/** `sent`: the request may have reached the upstream. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly kind: "refused-address" | "connect" | "tls" | "proxy" | "timeout" | "silence" | "cut" | "aborted";
  readonly sent: boolean;

  constructor(kind: TransportError["kind"], message: string, sent: boolean) {
    super(message);
    this.kind = kind;
    this.sent = sent;
  }
}

export interface Transport {
  /** Throws `TransportError`. Redirects come back as they are. */
  send(
    request: UpstreamRequest,
    options: { readonly proxy?: Proxy; readonly limits: TransportLimits; readonly signal?: AbortSignal },
  ): Promise<Exchange>;
}
