// OSS signatures, version 4 (OSS4-HMAC-SHA256), in the Authorization header and in signed URLs.
// Source: OSS's pages "Include a V4 signature in a header" and "… in a URL".
import { createHash, createHmac } from "node:crypto";
import { encodeStrictly } from "../aliyun-rds/acs3-signature.ts";
import type { Place, SignedRequest } from "./signature-v1.ts";

export const algorithmV4 = "OSS4-HMAC-SHA256";

export interface ScopeV4 {
  readonly day: string;
  /** `cn-hangzhou` */
  readonly region: string;
  readonly product: string;
}

export interface SignedPartsV4 {
  readonly scope: ScopeV4;
  /** `YYYYMMDD'T'HHMMSS'Z'` */
  readonly timestamp: string;
  /** Headers that are signed besides those that always are; lower-case. */
  readonly additionalHeaders: readonly string[];
}

export function signatureV4(text: string, secret: string, { day, region, product }: ScopeV4): Buffer {
  const keyOfDay = hmac(`aliyun_v4${secret}`, day);
  return hmac(hmac(hmac(hmac(keyOfDay, region), product), "aliyun_v4_request"), text);
}

export function stringToSignV4(request: SignedRequest, place: Place, parts: SignedPartsV4): string {
  const { day, region, product } = parts.scope;
  const canonical = Buffer.from(canonicalRequest(request, place, parts.additionalHeaders), "latin1");
  return [
    algorithmV4,
    parts.timestamp,
    `${day}/${region}/${product}/aliyun_v4_request`,
    createHash("sha256").update(canonical).digest("hex"),
  ].join("\n");
}

function canonicalRequest(request: SignedRequest, { bucket, key }: Place, additional: readonly string[]): string {
  const { headers } = request;
  const path = bucket === "" ? "/" : `/${bucket}/${key}`;
  const query = [...request.query]
    .filter(([name]) => name !== "x-oss-signature")
    .map(([name, value]) => [encodeStrictly(name), encodeStrictly(value)] as const)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, value]) => (value === "" ? name : `${name}=${value}`));
  const signedHeaders = Object.keys(headers)
    .filter((name) => isAlwaysSigned(name) || additional.includes(name))
    .sort()
    .map((name) => `${name}:${(headers[name] ?? "").trim()}\n`);
  return [
    request.method,
    path.split("/").map(encodeStrictly).join("/"),
    query.join("&"),
    signedHeaders.join(""),
    additional.join(";"),
    headers["x-oss-content-sha256"] ?? "UNSIGNED-PAYLOAD",
  ].join("\n");
}

function isAlwaysSigned(header: string): boolean {
  return header === "content-type" || header === "content-md5" || header.startsWith("x-oss-");
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac("sha256", key).update(data).digest();
}
