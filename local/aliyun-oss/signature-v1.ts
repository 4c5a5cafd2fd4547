// OSS signatures, version 1 (HMAC-SHA1), in the Authorization header and in signed URLs.
// Source: OSS's pages "Include a V1 signature in a header" and "… in a URL"; the list of subresources as the SDKs have it.
import { createHmac } from "node:crypto";

export interface SignedRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
}

/** What a path means: "" where there is none. */
export interface Place {
  readonly bucket: string;
  readonly key: string;
}

/** Query parameters that a version 1 signature covers; all others may be changed on the way. */
const subresources = new Set(
  (
    "accessPoint acl append asyncFetch bucketInfo callback callback-var cname comp continuation-token cors delete encryption " +
    "endTime group https img inventory inventoryId lifecycle link live location logging metaQuery objectInfo objectMeta " +
    "partNumber policy policyStatus position publicAccessBlock qos qosInfo referer replication replicationLocation " +
    "replicationProgress requestPayment resourceGroup response-cache-control response-content-disposition " +
    "response-content-encoding response-content-language response-content-type response-expires restore security-token " +
    "sequential startTime stat status style styleName symlink tagging transferAcceleration uploadId uploads versionId " +
    "versioning versions vod website worm wormExtend wormId x-oss-process x-oss-request-payer x-oss-traffic-limit"
  ).split(" "),
);

/** Base64. `date` is the Date header's value, or the expiry of a signed URL. */
export function signatureV1(text: string, secret: string): Buffer {
  // Header values are bytes that node:http has turned into Latin-1 characters; this turns them back.
  return createHmac("sha1", secret).update(Buffer.from(text, "latin1")).digest();
}

export function stringToSignV1(request: SignedRequest, place: Place, date: string): string {
  const { headers } = request;
  const ossHeaders = Object.keys(headers)
    .filter((name) => name.startsWith("x-oss-"))
    .sort()
    .map((name) => `${name}:${(headers[name] ?? "").trim()}`);
  return [
    request.method,
    headers["content-md5"] ?? "",
    headers["content-type"] ?? "",
    date,
    ...ossHeaders,
    canonicalResource(request.query, place),
  ].join("\n");
}

function canonicalResource(query: URLSearchParams, { bucket, key }: Place): string {
  const resource = bucket === "" ? "/" : `/${bucket}/${key}`;
  const signed = [...query]
    .filter(([name]) => subresources.has(name))
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, value]) => (value === "" ? name : `${name}=${value}`));
  return Buffer.from(signed.length === 0 ? resource : `${resource}?${signed.join("&")}`).toString("latin1");
}
