// OSS signed URLs, version 1, as RDS hands them out: made here, and checked when somebody comes with one.
// Source: OSS's "Add signatures to a URL" page; the example there is a test.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Clock } from "../rig/clock.ts";
import { encodeStrictly } from "./acs3-signature.ts";
import { AliyunError } from "./aliyun-error.ts";

export interface LinkKey {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
}

/** An object's place: `/bucket/key`, unescaped, as it enters the signature. */
export interface ObjectPlace {
  readonly bucket: string;
  readonly objectKey: string;
}

/** The query of a GET link; `expires` in epoch seconds. */
export function signedQuery(place: ObjectPlace, expires: number, key: LinkKey): string {
  const signature = sign("GET", place, String(expires), key);
  return `Expires=${expires}&OSSAccessKeyId=${encodeStrictly(key.accessKeyId)}&Signature=${encodeStrictly(signature)}`;
}

/** The key escaped for a URL's path; slashes stay. */
export function escapedPath(objectKey: string): string {
  return objectKey.split("/").map(encodeStrictly).join("/");
}

/** Throws OSS's own error (403) for a link that is unsigned, expired, or signed for another verb or object. */
export function verifyLink(
  method: string,
  place: ObjectPlace,
  query: URLSearchParams,
  key: LinkKey,
  clock: Clock,
): void {
  const expires = query.get("Expires");
  const signature = query.get("Signature");
  const accessKeyId = query.get("OSSAccessKeyId");
  if (expires === null || signature === null || accessKeyId === null) {
    throw new AliyunError(403, "AccessDenied", "You have no right to access this object because of bucket acl.");
  }
  if (accessKeyId !== key.accessKeyId) {
    throw new AliyunError(
      403,
      "InvalidAccessKeyId",
      "The OSS Access Key Id you provided does not exist in our records.",
    );
  }
  if (!/^\d{1,12}$/.test(expires) || clock.now() >= Number(expires) * 1000) throw expired();
  const expected = Buffer.from(sign(method, place, expires, key), "base64");
  const given = Buffer.from(signature, "base64");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new AliyunError(
      403,
      "SignatureDoesNotMatch",
      "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    );
  }
}

export function expired(): AliyunError {
  return new AliyunError(403, "AccessDenied", "Request has expired.");
}

/** Verb, Content-MD5 and Content-Type (empty in links), expiry, resource. The verb is why HEAD fails on a GET link. */
function sign(method: string, place: ObjectPlace, expires: string, key: LinkKey): string {
  const text = `${method}\n\n\n${expires}\n/${place.bucket}/${place.objectKey}`;
  return createHmac("sha1", key.accessKeySecret).update(text).digest("base64");
}
