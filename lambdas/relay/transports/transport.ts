// The port of transports: one request upstream with its time limits, through a proxy or not, to addresses that may be called.
import type { AddressPolicy } from "../../shared/guarded-address.ts";
import type { UpstreamRequest } from "../providers/provider.ts";

export interface TransportLimits {
  readonly connectMilliseconds: number;
  /** Until the headers of the answer. */
  readonly firstByteMilliseconds: number;
  /** Between two pieces of the body. */
  readonly silenceMilliseconds: number;
}

/** Which addresses may be called beyond public ones; of the stage's configuration alone. */
export type TransportPolicy = AddressPolicy;

/** Where an account's requests go through. The password comes from the credential. */
export interface AccountProxy {
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
  /**
   * Decoded where it came compressed. Ends with an error (`TransportError`) when it was cut or silent for too long. It may
   * be read in turns: each iterator goes on where the last one was. An iterator that is left early aborts the exchange.
   */
  readonly body: AsyncIterable<Buffer>;
  /** Closes the connection unless the answer has come whole; nothing more is read. */
  abort(): void;
}

/** The message names the host and what broke, never a path, a query or a secret. `sent`: the request may have reached the upstream. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  /**
   * `timeout`: no connection, or no headers, in time. `silence`: the body stopped coming. `cut`: the connection ended before
   * the answer did. `encoding`: a content-encoding that is not known or not true. `aborted`: by the caller.
   */
  readonly kind:
    | "refused-address"
    | "connect"
    | "tls"
    | "proxy"
    | "timeout"
    | "silence"
    | "cut"
    | "encoding"
    | "aborted";
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
    options: { readonly proxy?: AccountProxy; readonly limits: TransportLimits; readonly signal?: AbortSignal },
  ): Promise<Exchange>;
}
