// Transport on Node's own http: the least CPU that was measured, nothing to bundle. Requests go once, to one address.
import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { CausewayError } from "../../shared/errors.ts";
import { checkAddress, checkProxyAddress } from "../../shared/guarded-address.ts";
import type { UpstreamRequest } from "../providers/provider.ts";
import { AnswerBody } from "./answer-body.ts";
import { decodersFor } from "./decode-answer.ts";
import { openAgents, type Way, type WayOptions } from "./guarded-agent.ts";
import { type Exchange, type Transport, TransportError, type TransportPolicy } from "./transport.ts";

type PathRequest = UpstreamRequest & { readonly path: string };
type Agents = ReturnType<typeof openAgents>;
type SendOptions = Parameters<Transport["send"]>[1];

/** Ways that are remembered as checked: as many as there are accounts, with room. */
const mostWaysKept = 512;

/** One per environment: its connections are kept for the next request. */
export function openNodeHttp(policy: TransportPolicy): Transport {
  const agents = openAgents();
  const ways = new Map<string, Way>();
  return {
    async send(request, options) {
      const [origin, path] = splitUrl(request.url);
      const name = nameOf(origin, options);
      let way = ways.get(name);
      if (way === undefined) {
        way = checkWay(name, origin, options, policy);
        if (ways.size >= mostWaysKept) ways.clear();
        ways.set(name, way);
      }
      return await new Attempt({ ...request, path }, options, way, agents).answer;
    },
  };
}

/** Paths go as they are written: what the account's owner or the client percent-encoded stays so. */
function splitUrl(url: string): [origin: string, path: string] {
  const from = url.indexOf("/", url.indexOf("://") + 3);
  return from < 0 ? [url, "/"] : [url.slice(0, from), url.slice(from)];
}

/** A connection is used again for the same target and proxy, user and password included. */
function nameOf(origin: string, { proxy, limits }: SendOptions): string {
  if (proxy === undefined) return `${origin} ${limits.connectMilliseconds}`;
  const { type, host, port, username, password } = proxy;
  return JSON.stringify([origin, type, host, port, username, password, limits.connectMilliseconds]);
}

function checkWay(name: string, origin: string, { proxy, limits }: SendOptions, policy: TransportPolicy): Way {
  try {
    const target = checkAddress(origin, policy);
    const connectMilliseconds = limits.connectMilliseconds;
    if (proxy === undefined) return { target, proxy, policy, connectMilliseconds, name };
    const address = checkProxyAddress(proxy.host, proxy.port, policy);
    return { target, proxy: { settings: proxy, address }, policy, connectMilliseconds, name };
  } catch (error) {
    if (!(error instanceof CausewayError)) throw error;
    throw new TransportError("refused-address", error.message, false);
  }
}

/** One request on its way, until its answer's headers are there. */
class Attempt {
  readonly answer: Promise<Exchange>;
  readonly #options: SendOptions;
  readonly #way: Way;
  readonly #outgoing: ClientRequest;
  /** `sent`: the connection stands, so that the request may have been read. */
  #phase: "connecting" | "securing" | "sent" | "answered" = "connecting";
  #timer: NodeJS.Timeout | undefined;
  #body: AnswerBody | undefined;
  #reject: (error: TransportError) => void = () => {};

  constructor(request: PathRequest, options: SendOptions, way: Way, agents: Agents) {
    this.#options = options;
    this.#way = way;
    agents.dropIdle(way);
    this.#outgoing = this.#open(request, agents);
    this.answer = new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#outgoing.on("response", (incoming) => this.#answered(incoming, resolve));
    });
    this.#outgoing.on("error", (error) => this.#failed(error));
    this.#followConnection();
    this.#limit(options.limits.connectMilliseconds);
    options.signal?.addEventListener("abort", this.#abort, { once: true });
    if (options.signal?.aborted) this.#abort();
    else this.#outgoing.end(request.body);
  }

  #open({ method, path, headers, body }: PathRequest, agents: Agents): ClientRequest {
    const { target } = this.#way;
    const isTls = target.protocol === "https:";
    const host = target.hostname.replace(/^\[(.*)\]$/, "$1");
    const options: RequestOptions & WayOptions = {
      way: this.#way,
      agent: isTls ? agents.https : agents.http,
      host,
      port: target.port || (isTls ? 443 : 80),
      method,
      path,
      headers: { ...headers, host: target.host, ...lengthOf(method, body) },
      // Said here, so that no variable of the environment can switch it off.
      ...(isTls && { rejectUnauthorized: true }),
    };
    try {
      return isTls ? httpsRequest(options) : httpRequest(options);
    } catch (error) {
      // A header that HTTP cannot carry: it never left.
      throw new TransportError("connect", `The request cannot be sent: ${codeOf(error)}.`, false);
    }
  }

  #followConnection(): void {
    this.#outgoing.on("socket", (socket) => {
      const isTls = this.#way.target.protocol === "https:";
      const connected = () => {
        if (isTls) this.#phase = "securing";
        else this.#sent();
      };
      if (this.#outgoing.reusedSocket) return this.#sent();
      if (isTls) socket.once("secureConnect", () => this.#sent());
      // One that came through a tunnel is connected already.
      if (socket.connecting) socket.once("connect", connected);
      else connected();
    });
  }

  #sent(): void {
    this.#phase = "sent";
    this.#limit(this.#options.limits.firstByteMilliseconds);
  }

  #answered(incoming: IncomingMessage, resolve: (exchange: Exchange) => void): void {
    this.#phase = "answered";
    clearTimeout(this.#timer);
    const { "content-encoding": coding, ...headers } = headersOf(incoming);
    const decoders = decodersFor(coding);
    const host = this.#way.target.host;
    if (decoders === undefined) {
      this.#reject(new TransportError("encoding", `${host} answered in an unknown content-encoding.`, true));
      this.#end();
      return;
    }
    // The length is that of the coded bytes.
    if (decoders.length > 0) delete headers["content-length"];
    const { silenceMilliseconds } = this.#options.limits;
    const body = new AnswerBody(incoming, decoders, { host, silenceMilliseconds, close: () => this.#end() });
    this.#body = body;
    incoming.on("close", () => this.#options.signal?.removeEventListener("abort", this.#abort));
    resolve({ status: incoming.statusCode ?? 0, headers, body, abort: () => body.abort() });
  }

  /** Milliseconds of the phase that begins now. */
  #limit(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const { host } = this.#way.target;
      const what = this.#phase === "sent" ? "did not begin to answer" : "was not connected";
      this.#give(new TransportError("timeout", `${host} ${what} within ${milliseconds} ms.`, this.#isSent));
    }, milliseconds);
  }

  get #isSent(): boolean {
    return this.#phase === "sent" || this.#phase === "answered";
  }

  readonly #abort = () => {
    this.#give(new TransportError("aborted", `The request to ${this.#way.target.host} was given up.`, this.#isSent));
  };

  #failed(error: Error): void {
    this.#give(transportError(error, this.#way, this.#phase));
  }

  /** The first word counts: later errors of the same connection are its consequences. */
  #give(error: TransportError): void {
    if (this.#body === undefined) this.#reject(error);
    else this.#body.fail(error);
    this.#end();
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#outgoing.destroy();
  }
}

function transportError(
  error: Error,
  { target: { host } }: Way,
  phase: "connecting" | "securing" | "sent" | "answered",
): TransportError {
  if (error instanceof TransportError) return error;
  if (error instanceof CausewayError) return new TransportError("refused-address", error.message, false);
  const code = codeOf(error);
  if (phase === "connecting" || (phase === "securing" && connectionCodes.has(code)))
    return new TransportError("connect", `${host} could not be reached: ${code}.`, false);
  if (phase === "securing") return new TransportError("tls", `${host} could not be trusted: ${code}.`, false);
  return new TransportError("cut", `${host} ended the connection: ${code}.`, true);
}

/** Before the connection is secured these are the network's words, not those of TLS. */
const connectionCodes: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH"]);

/** Node's messages may repeat what it was given; its codes do not. */
function codeOf(error: unknown): string {
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  return typeof code === "string" ? code : String(name);
}

function lengthOf(method: string, body: Buffer): Record<string, string> {
  const hasNone = body.length === 0 && method !== "POST" && method !== "PUT" && method !== "PATCH";
  return hasNone ? {} : { "content-length": String(body.length) };
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const joined: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) joined[name] = typeof value === "string" ? value : value.join(", ");
  }
  return joined;
}
