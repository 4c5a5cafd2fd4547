// Prepare request: what all providers do with a call before it goes upstream.
import type { UpstreamMessage } from "../protocols/protocol.ts";
import type { UpstreamRequest } from "./provider.ts";

/** What a header's value may hold (RFC 9110, 5.5): a client's odd one must not end its request as our own failure. */
const impossibleValue = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * Bodies are read as JSON here, whatever they are called: a name by which the upstream read a form, or other letters, would
 * have it see another model and other limits than the relay did.
 */
const jsonType = /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i;

/**
 * The client's headers, which the protocol has freed of its credentials, with the account's own in their place. Answers
 * are asked for uncoded: decoding costs more than the bytes, and a stream comes as it is written.
 */
export function upstreamRequest(
  { method, headers, body }: UpstreamMessage,
  url: string,
  own: Readonly<Record<string, string>>,
): UpstreamRequest {
  const sent: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && !impossibleValue.test(value)) sent[name] = value;
  }
  if (body.length > 0 && !jsonType.test(sent["content-type"] ?? "")) sent["content-type"] = "application/json";
  sent["user-agent"] ??= "causeway";
  return { method, url, headers: { ...sent, "accept-encoding": "identity", ...own }, body };
}

/** A small call of the relay's own, for probes. */
export function ownRequest(url: string, own: Readonly<Record<string, string>>, body?: object): UpstreamRequest {
  const headers = { accept: "application/json", "accept-encoding": "identity", "user-agent": "causeway", ...own };
  if (body === undefined) return { method: "GET", url, headers, body: Buffer.alloc(0) };
  return {
    method: "POST",
    url,
    headers: { ...headers, "content-type": "application/json" },
    body: Buffer.from(JSON.stringify(body)),
  };
}
