// OSS's other entrance: requests that are signed and named in S3's way (SigV4, x-amz- headers), for tools such as rclone.
// Source: "Compatibility with Amazon S3" in OSS's documentation. Real OSS takes them with the bucket in the host only.
import { readSignature, type SignedRequest, verifySignature } from "../gateway/sigv4.ts";
import type { AccessKey, AccessKeys } from "./access-keys.ts";
import { unknownKey } from "./authenticate.ts";

type Headers = Readonly<Record<string, string>>;

const theirs = "x-amz-";
const ours = "x-oss-";

/** What both know under different names. */
const values: Readonly<Record<string, string>> = {
  "aws:kms": "KMS",
  STANDARD: "Standard",
  STANDARD_IA: "IA",
};

export function isSignedForS3(request: Pick<SignedRequest, "headers" | "query">): boolean {
  return request.query.has("X-Amz-Signature") || (request.headers.authorization ?? "").startsWith("AWS4-HMAC-SHA256 ");
}

/** The body's own hash is taken as signed, and not compared with the body. Throws S3's errors, which are OSS's too. */
export function authenticateForS3(request: SignedRequest, keys: AccessKeys, now: number): AccessKey {
  const found = readSignature(request);
  const accessKey = keys.find(found?.accessKeyId ?? "");
  if (!found || !accessKey || accessKey.securityToken !== found.sessionToken) {
    throw unknownKey(found?.accessKeyId ?? "");
  }
  if (accessKey.expiresAt !== undefined && now >= accessKey.expiresAt) throw unknownKey(found.accessKeyId);
  verifySignature(request, found, accessKey.accessKeySecret, now);
  return accessKey;
}

/** The request's headers under OSS's names. Signed URLs carry some of them in the query. */
export function headersForOss({ headers, query }: SignedRequest): Record<string, string> {
  const hoisted = [...query].filter(([name]) => name.startsWith(theirs));
  return Object.fromEntries(
    [...hoisted, ...Object.entries(headers)].map(([name, value]) =>
      name.startsWith(theirs) ? [`${ours}${name.slice(theirs.length)}`, values[value] ?? value] : [name, value],
    ),
  );
}

/** The answer's headers under S3's names, besides OSS's. */
export function headersForS3(headers: Headers): Record<string, string> {
  const renamed = Object.entries(headers)
    .filter(([name]) => name.startsWith(ours))
    .map(([name, value]) => [`${theirs}${name.slice(ours.length)}`, value]);
  return { ...headers, ...Object.fromEntries(renamed) };
}
