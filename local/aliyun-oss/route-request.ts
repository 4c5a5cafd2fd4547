// Which operation of OSS's API a request asks for, and what bucket and key its address may mean.
// Source: the request syntax of each operation in OSS's API reference.
import { isIP } from "node:net";
import { ServiceError } from "../gateway/service.ts";
import type { Place } from "./signature-v1.ts";

export interface RoutableRequest {
  readonly method: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
}

interface Route {
  readonly method: string;
  readonly level: "bucket" | "object";
  /** Query parameters that must all be there. */
  readonly query?: readonly string[];
  readonly header?: string;
  readonly operation: string;
}

/** The first match counts, so the narrower ones stand first. */
const routes: readonly Route[] = [
  { method: "GET", level: "bucket", query: ["bucketInfo"], operation: "GetBucketInfo" },
  { method: "GET", level: "bucket", query: ["location"], operation: "GetBucketLocation" },
  { method: "GET", level: "bucket", query: ["uploads"], operation: "ListMultipartUploads" },
  { method: "GET", level: "bucket", query: ["list-type"], operation: "ListObjectsV2" },
  { method: "POST", level: "bucket", query: ["delete"], operation: "DeleteMultipleObjects" },
  { method: "HEAD", level: "object", query: ["objectMeta"], operation: "GetObjectMeta" },
  { method: "GET", level: "object", query: ["uploadId"], operation: "ListParts" },
  { method: "POST", level: "object", query: ["uploads"], operation: "InitiateMultipartUpload" },
  { method: "POST", level: "object", query: ["uploadId"], operation: "CompleteMultipartUpload" },
  { method: "DELETE", level: "object", query: ["uploadId"], operation: "AbortMultipartUpload" },
  {
    method: "PUT",
    level: "object",
    query: ["uploadId", "partNumber"],
    header: "x-oss-copy-source",
    operation: "UploadPartCopy",
  },
  { method: "PUT", level: "object", query: ["uploadId", "partNumber"], operation: "UploadPart" },
];

/** These stand behind every subresource that is not built, so that none of those is taken for them. */
const plainRoutes: readonly Route[] = [
  { method: "GET", level: "bucket", operation: "ListObjects" },
  { method: "PUT", level: "bucket", operation: "PutBucket" },
  { method: "DELETE", level: "bucket", operation: "DeleteBucket" },
  { method: "POST", level: "bucket", operation: "PostObject" },
  { method: "PUT", level: "object", header: "x-oss-copy-source", operation: "CopyObject" },
  { method: "PUT", level: "object", operation: "PutObject" },
  { method: "HEAD", level: "object", operation: "HeadObject" },
  { method: "GET", level: "object", operation: "GetObject" },
  { method: "DELETE", level: "object", operation: "DeleteObject" },
];

/** Subresources of which the local cloud knows the name alone, so that it can refuse by name. */
const unbuiltSubresources = new Set(
  (
    "acl append asyncFetch callback cname cors encryption inventory lifecycle live logging metaQuery policy referer " +
    "replication requestPayment resourceGroup restore stat style symlink tagging transferAcceleration versionId versioning " +
    "versions website worm wormId x-oss-process x-oss-async-process"
  ).split(" "),
);

/** "ListBuckets" for the account itself; `GET ?acl` and the like for what is not built. */
export function operationOf(request: RoutableRequest, place: Place): string {
  if (place.bucket === "") return request.method === "GET" ? "ListBuckets" : "Unknown";
  const level = place.key === "" ? "bucket" : "object";
  const fits = (route: Route): boolean =>
    route.level === level &&
    route.method === request.method &&
    (route.query ?? []).every((name) => request.query.has(name)) &&
    (route.header === undefined || request.headers[route.header] !== undefined);
  for (const name of request.query.keys()) {
    if (unbuiltSubresources.has(name)) return `${request.method} ?${name}`;
  }
  return routes.find(fits)?.operation ?? plainRoutes.find(fits)?.operation ?? "Unknown";
}

/**
 * The meanings an address may have, the likeliest first: path style (`/bucket/key`), the bucket as the first label of
 * the host, and a domain of the customer's own (`cname`), of which the signature tells the bucket.
 * Throws 400 for a path that is not percent-encoded UTF-8.
 */
export function placesOf(host: string, rawPath: string, buckets: readonly string[]): [Place, ...Place[]] {
  const path = decodePath(rawPath).slice(1);
  const slash = path.indexOf("/");
  const pathStyle =
    slash < 0 ? { bucket: path, key: "" } : { bucket: path.slice(0, slash), key: path.slice(slash + 1) };
  const hostName = host.replace(/:\d+$/, "");
  const label = isIP(hostName) === 0 && hostName.includes(".") ? hostName.split(".", 1) : [];
  return [pathStyle, ...[...label, ...buckets].map((bucket) => ({ bucket, key: path }))];
}

function decodePath(rawPath: string): string {
  try {
    return decodeURIComponent(rawPath);
  } catch {
    throw new ServiceError(400, "InvalidURI", "The URI you specified is not valid percent-encoded UTF-8.");
  }
}
