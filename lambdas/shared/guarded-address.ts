// Calls to addresses that somebody configured: only https, only public addresses, no redirects, bounded in time and size.
import { lookup as resolveHost } from "node:dns";
import { request as httpRequest } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import type { LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import { CausewayError, messageOf } from "./errors.ts";

export interface AddressPolicy {
  /** Loopback addresses, and http to them, for the stage of a laptop. */
  readonly allowLoopback: boolean;
  /**
   * `host` or `host:port` of the stage's configuration, never of an API: these may lie in private networks. A name still
   * needs https and never leads to loopback, link-local or metadata addresses; an address that is written here itself may
   * be any. Default: none.
   */
  readonly allowedHosts?: readonly string[];
  /** Default: the machine's resolver. */
  readonly resolve?: typeof resolveHost;
}

export interface GuardedRequest {
  readonly method: "POST" | "GET";
  /** May carry a secret: it is in no error and no log. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** From the first look-up to the answer's last byte. */
  readonly timeoutMilliseconds: number;
  /** Of a longer answer the rest is not read. */
  readonly mostAnswerBytes: number;
}

export interface GuardedAnswer {
  /** Redirects come back as they are: they are never followed. */
  readonly status: number;
  /** At most `mostAnswerBytes`, decoded as UTF-8. */
  readonly text: string;
  /** Of `Retry-After`, where it states seconds. */
  readonly retryAfterSeconds: number | undefined;
}

type Allowances = Pick<AddressPolicy, "allowLoopback" | "allowedHosts">;

/**
 * Where clouds keep credentials for whoever runs inside, beyond the link-local range: AWS by IPv6, and Aliyun, which
 * takes an address of the shared range.
 */
const metadataRanges = [ipaddr.parseCIDR("fd00:ec2::/32"), ipaddr.parseCIDR("100.100.100.200/32")];

/** Ranges behind which an allowed host may lie; of these, ipaddr.js names each. */
const insideRanges: ReadonlySet<string> = new Set(["unicast", "private", "uniqueLocal", "carrierGradeNat"]);

/**
 * The address as a URL, or `AddressRefused`: it is not https, carries credentials, or is itself a private address.
 * Names are looked at when they are resolved. URL's own parser turns 0x7f.1, 2130706433 and the like into 127.0.0.1.
 */
export function checkAddress(address: string, policy: Allowances): URL {
  const url = URL.parse(address);
  if (url === null) throw refused("it is not a URL");
  if (url.protocol !== "https:" && !(policy.allowLoopback && url.protocol === "http:")) {
    throw refused("it must begin with https://");
  }
  if (url.username !== "" || url.password !== "") throw refused("it carries a user name or a password");
  const literal = literalAddress(url.hostname);
  if (literal !== undefined) checkResolved(literal, url, policy);
  return url;
}

/**
 * A proxy's address under the same guard, as an https URL whatever it speaks: what goes through it is encrypted for the
 * target. Throws `AddressRefused`, also for a host that is more than a host.
 */
export function checkProxyAddress(host: string, port: number, policy: Allowances): URL {
  const url = checkAddress(`https://${host.includes(":") ? `[${host}]` : host}:${port}`, policy);
  const isBare = url.pathname === "/" && url.search === "" && url.hash === "" && Number(url.port || 443) === port;
  if (!isBare) throw refused("the proxy's host is no host name");
  return url;
}

/** Whether a checked address is one that only the stage's configuration lets through. */
export function isAllowedHost(url: URL, { allowedHosts = [] }: Pick<AddressPolicy, "allowedHosts">): boolean {
  if (allowedHosts.length === 0) return false;
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return allowedHosts.some((allowed) => {
    const entry = allowed.toLowerCase();
    return entry === url.hostname || entry === `${url.hostname}:${port}`;
  });
}

/**
 * The look-up for a request's own connection: what was checked is what is connected to, whatever the name resolves to
 * a moment later. One private address among several refuses the name. Node does not call it for literal addresses.
 */
export function guardedLookup(url: URL, policy: AddressPolicy): LookupFunction {
  const resolve = policy.resolve ?? resolveHost;
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, "", 0);
      const [first] = addresses;
      if (first === undefined) return callback(refused("its name has no address"), "", 0);
      try {
        for (const { address } of addresses) checkResolved(address, url, policy);
      } catch (refusal) {
        return callback(refusal as CausewayError, "", 0);
      }
      return options.all ? callback(null, addresses) : callback(null, first.address, first.family);
    });
  };
}

/**
 * One request, never followed anywhere else. Throws `AddressRefused` for an address that must not be called, and
 * `ChannelUnavailable` when there was no whole answer in time. Whatever the status says is the caller's to judge.
 */
export async function guardedRequest(request: GuardedRequest, policy: AddressPolicy): Promise<GuardedAnswer> {
  const url = checkAddress(request.url, policy);
  const signal = AbortSignal.timeout(request.timeoutMilliseconds);
  const options: RequestOptions = {
    method: request.method,
    headers: {
      ...request.headers,
      ...(request.body !== undefined && { "content-length": String(Buffer.byteLength(request.body)) }),
    },
    lookup: guardedLookup(url, policy),
    // A connection of its own: one that was checked for another name is never used again.
    agent: false,
    signal,
  };
  try {
    return await exchange(url, options, request);
  } catch (error) {
    if (error instanceof CausewayError) throw error;
    const why = signal.aborted ? `no answer within ${request.timeoutMilliseconds} ms` : codeOf(error);
    throw new CausewayError("ChannelUnavailable", `${url.host} could not be called: ${why}.`);
  }
}

function exchange(url: URL, options: RequestOptions, { body, mostAnswerBytes }: GuardedRequest) {
  return new Promise<GuardedAnswer>((resolve, reject) => {
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const outgoing = send(url, options, (answer) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const done = () => {
        const text = Buffer.concat(chunks).subarray(0, mostAnswerBytes).toString("utf8");
        const seconds = Number(answer.headers["retry-after"] ?? Number.NaN);
        const retryAfterSeconds = Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
        resolve({ status: answer.statusCode ?? 0, text, retryAfterSeconds });
      };
      answer.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes < mostAnswerBytes) return;
        done();
        outgoing.destroy();
      });
      answer.on("end", done);
      answer.on("error", reject);
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

function checkResolved(address: string, url: URL, policy: Allowances): void {
  const range = rangeOf(address);
  if (range === "loopback" && policy.allowLoopback) return;
  // Only the laptop's own stand-ins may be called without TLS.
  if (url.protocol !== "https:") throw refused("it must begin with https://");
  if (range === "unicast") return;
  if (isAllowedHost(url, policy) && (insideRanges.has(range) || literalAddress(url.hostname) !== undefined)) return;
  throw refused(`it leads to an address that is not public (${range})`);
}

/**
 * "unicast" for public addresses alone: private, link-local (metadata), shared and tunnelled ones have names of their
 * own, and an IPv6 address that maps an IPv4 one is judged as that.
 */
function rangeOf(address: string): string {
  const parsed = ipaddr.process(address);
  if (metadataRanges.some((range) => parsed.kind() === range[0].kind() && parsed.match(range))) return "metadata";
  if (parsed.kind() === "ipv4") return parsed.range();
  // The library calls "unicast" whatever it has no name for; of IPv6, global unicast is 2000::/3 (RFC 4291, 2.4).
  const isGlobal = ((parsed.toByteArray()[0] ?? 0) & 0xe0) === 0x20;
  return parsed.range() === "unicast" && !isGlobal ? "not global" : parsed.range();
}

/** A host name that is an address; IPv6 stands in brackets in a URL. */
function literalAddress(hostname: string): string | undefined {
  const bare = hostname.replace(/^\[(.*)\]$/, "$1");
  return ipaddr.isValid(bare) ? bare : undefined;
}

function refused(why: string): CausewayError {
  return new CausewayError("AddressRefused", `The configured address is not called: ${why}.`);
}

/** Node's messages may repeat addresses; its codes do not. */
function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : messageOf(error);
}
