// Client headers: which of them go upstream. An open list: everything but what is the client's secret, or only of the way.

/** Where clients put keys. Their own organisation and project, too, would choose within the relay's account. */
const credentials = [
  "authorization",
  "proxy-authorization",
  "x-api-key",
  "api-key",
  "x-goog-api-key",
  "cookie",
  "openai-organization",
  "openai-project",
  "x-goog-user-project",
];

/**
 * Keys and tokens under names of gateways, which may stand upstream (LiteLLM, Portkey, Azure's API Management): they would
 * count instead of the account's, and a wrong one would make the account look unauthorised.
 */
const otherCredentials =
  /(^|-)(authorization|auth|api-?key|(auth|access|security|authorization)-token|subscription-key)$/;

/** Google's gateways let them choose another method, or leave the usage out of the answer; others, another path. */
const steering = [
  ...["x-http-method-override", "x-http-method", "x-method-override", "x-goog-fieldmask"],
  ...["x-original-url", "x-rewrite-url"],
];
/** Gateways take whole configurations from theirs: other models, fallbacks, caches that all of an account's callers share. */
const beginningsOfSteering = /^(x-portkey-|helicone-|x-litellm-)/;

/** Of one hop (RFC 9110, 7.6.1), or made anew by whoever sends. */
const ofTheHop = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
  "host",
  "content-length",
  "accept-encoding",
];

/** Of the gateway and of proxies before it; `origin` and `referer` make vendors answer as to a browser. */
const ofTheWay = ["via", "forwarded", "x-real-ip", "true-client-ip", "cdn-loop", "origin", "referer"];
const beginningsOfTheWay = /^(x-forwarded-|x-amz-|x-amzn-|x-apigateway-|cloudfront-|cf-|sec-)/;

const removed = new Set([...credentials, ...steering, ...ofTheHop, ...ofTheWay]);

/** Names in lower case. `content-encoding` stays: the body goes upstream as it came. */
export function headersForUpstream(headers: Readonly<Record<string, string>>): Record<string, string> {
  const named =
    headers.connection
      ?.toLowerCase()
      .split(",")
      .map((name) => name.trim()) ?? [];
  const kept: Record<string, string> = {};
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (value === undefined || removed.has(name) || named.includes(name) || beginningsOfTheWay.test(name)) continue;
    if (otherCredentials.test(name) || beginningsOfSteering.test(name)) continue;
    kept[name] = value;
  }
  return kept;
}
