// On the way: what browsers, and proxies between them and the relay, want to see of an answer beside the answer itself.
import type { Arrival, Served } from "./ports.ts";

/**
 * Any page may call: keys are all the authority there is, and no browser sends them by itself. Headers are shown for the
 * SDKs, which read request ids and when to try again (https://fetch.spec.whatwg.org/#http-cors-protocol).
 */
const forBrowsers = { "access-control-allow-origin": "*", "access-control-expose-headers": "*" } as const;

/** So long browsers may go without asking again; Chrome's own limit. */
const preflightSeconds = "7200";

/** Names of headers with commas; the gateway takes 10,240 bytes of headers in all. */
const headerNames = /^[\w!#$%&'*+.^`|~, -]{1,4000}$/;

/** To a browser's question whether a page may call at all. Undefined: it is no such question. */
export function answerPreflight({ method, headers, requestId }: Arrival): Served | undefined {
  const asksFor = headers["access-control-request-method"];
  if (method !== "OPTIONS" || headers.origin === undefined || asksFor === undefined) return undefined;
  const names = headers["access-control-request-headers"];
  const answered = {
    ...forBrowsers,
    "access-control-allow-methods": "GET, HEAD, POST",
    // A star would leave `authorization` out.
    ...(names !== undefined && headerNames.test(names) && { "access-control-allow-headers": names }),
    "access-control-max-age": preflightSeconds,
    "x-causeway-request-id": requestId,
  };
  return { status: 200, headers: answered, body: "", settled: Promise.resolve() };
}

/** nginx, the most usual proxy of companies, keeps a stream back in pieces of its buffer unless the answer tells it not to. */
export function forTheWay(served: Served, { headers }: Pick<Arrival, "headers">): Served {
  const isStream = served.headers["content-type"]?.startsWith("text/event-stream") === true;
  if (!isStream && headers.origin === undefined) return served;
  const added = {
    ...(isStream && { "x-accel-buffering": "no" }),
    ...(headers.origin !== undefined && forBrowsers),
  };
  return { ...served, headers: { ...served.headers, ...added } };
}
