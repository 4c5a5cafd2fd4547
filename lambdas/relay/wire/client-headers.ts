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

/** Google's gateways let them choose another method, or leave the usage out of the answer. */
const steering = ["x-http-method-override", "x-goog-fieldmask"];

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
    kept[name] = value;
  }
  return kept;
}
