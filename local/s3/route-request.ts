// Which operation of the S3 API a request asks for, and on which bucket and key. Path style only.
// Source: the request syntax of each operation in the S3 API reference.
import type { ServiceRequest } from "../gateway/service.ts";
import { S3Error } from "./s3-error.ts";

export type RoutableRequest = Pick<ServiceRequest, "method" | "rawPath" | "query" | "headers">;

interface Route {
  readonly method: string;
  readonly level: "service" | "bucket" | "object";
  /** Query parameters that must all be there. */
  readonly query?: readonly string[];
  readonly header?: string;
  readonly operation: string;
}

/** The first match counts, so the narrower ones stand first. */
const routes: readonly Route[] = [
  { method: "GET", level: "service", operation: "ListBuckets" },
  { method: "HEAD", level: "bucket", operation: "HeadBucket" },
  { method: "GET", level: "bucket", query: ["location"], operation: "GetBucketLocation" },
  { method: "GET", level: "bucket", query: ["versioning"], operation: "GetBucketVersioning" },
  { method: "GET", level: "bucket", query: ["versions"], operation: "ListObjectVersions" },
  { method: "GET", level: "bucket", query: ["uploads"], operation: "ListMultipartUploads" },
  { method: "GET", level: "bucket", query: ["list-type"], operation: "ListObjectsV2" },
  { method: "POST", level: "bucket", query: ["delete"], operation: "DeleteObjects" },
  { method: "GET", level: "object", query: ["attributes"], operation: "GetObjectAttributes" },
  { method: "GET", level: "object", query: ["uploadId"], operation: "ListParts" },
  { method: "POST", level: "object", query: ["uploads"], operation: "CreateMultipartUpload" },
  { method: "POST", level: "object", query: ["uploadId"], operation: "CompleteMultipartUpload" },
  {
    method: "PUT",
    level: "object",
    query: ["uploadId", "partNumber"],
    header: "x-amz-copy-source",
    operation: "UploadPartCopy",
  },
  { method: "PUT", level: "object", query: ["uploadId", "partNumber"], operation: "UploadPart" },
  { method: "DELETE", level: "object", query: ["uploadId"], operation: "AbortMultipartUpload" },
];

/** These stand behind every subresource that is not built, so that none of those is taken for them. */
const plainRoutes: readonly Route[] = [
  { method: "GET", level: "bucket", operation: "ListObjects" },
  { method: "PUT", level: "bucket", operation: "CreateBucket" },
  { method: "DELETE", level: "bucket", operation: "DeleteBucket" },
  { method: "POST", level: "bucket", operation: "PostObject" },
  { method: "PUT", level: "object", header: "x-amz-copy-source", operation: "CopyObject" },
  { method: "PUT", level: "object", operation: "PutObject" },
  { method: "HEAD", level: "object", operation: "HeadObject" },
  { method: "GET", level: "object", operation: "GetObject" },
  { method: "DELETE", level: "object", operation: "DeleteObject" },
];

/** Subresources of which the local cloud knows the name alone, so that it can refuse by name. */
const unbuiltSubresources: ReadonlyMap<string, string> = new Map([
  ["accelerate", "BucketAccelerateConfiguration"],
  ["acl", "Acl"],
  ["analytics", "BucketAnalyticsConfiguration"],
  ["cors", "BucketCors"],
  ["encryption", "BucketEncryption"],
  ["intelligent-tiering", "BucketIntelligentTieringConfiguration"],
  ["inventory", "BucketInventoryConfiguration"],
  ["legal-hold", "ObjectLegalHold"],
  ["lifecycle", "BucketLifecycleConfiguration"],
  ["location", "BucketLocation"],
  ["logging", "BucketLogging"],
  ["metadataConfiguration", "BucketMetadataConfiguration"],
  ["metadataTable", "BucketMetadataTableConfiguration"],
  ["metrics", "BucketMetricsConfiguration"],
  ["notification", "BucketNotificationConfiguration"],
  ["object-lock", "ObjectLockConfiguration"],
  ["ownershipControls", "BucketOwnershipControls"],
  ["policy", "BucketPolicy"],
  ["policyStatus", "BucketPolicyStatus"],
  ["publicAccessBlock", "PublicAccessBlock"],
  ["renameObject", "ObjectRename"],
  ["replication", "BucketReplication"],
  ["requestPayment", "BucketRequestPayment"],
  ["restore", "RestoreObject"],
  ["retention", "ObjectRetention"],
  ["select", "SelectObjectContent"],
  ["session", "Session"],
  ["tagging", "Tagging"],
  ["torrent", "ObjectTorrent"],
  ["versioning", "BucketVersioning"],
  ["website", "BucketWebsite"],
]);
const verbs: Readonly<Record<string, string>> = {
  GET: "Get",
  PUT: "Put",
  DELETE: "Delete",
  HEAD: "Head",
  POST: "Post",
};

/** "Unknown" where even the name cannot be told. */
export function operationOf(request: RoutableRequest): string {
  const { bucket, rawKey } = splitPath(request.rawPath);
  const level = bucket === "" ? "service" : rawKey === "" ? "bucket" : "object";
  const fits = (route: Route): boolean =>
    route.level === level &&
    route.method === request.method &&
    (route.query ?? []).every((name) => request.query.has(name)) &&
    (route.header === undefined || request.headers[route.header] !== undefined);
  const found = routes.find(fits);
  if (found) return found.operation;
  for (const name of request.query.keys()) {
    const subresource = unbuiltSubresources.get(name);
    if (subresource !== undefined) return unbuiltName(request.method, level, subresource);
  }
  return plainRoutes.find(fits)?.operation ?? "Unknown";
}

function unbuiltName(method: string, level: string, subresource: string): string {
  if (subresource === "RestoreObject" || subresource === "SelectObjectContent") return subresource;
  const whole = subresource === "Acl" || subresource === "Tagging" ? `${level === "object" ? "Object" : "Bucket"}` : "";
  return `${verbs[method] ?? method}${whole}${subresource}`;
}

function splitPath(rawPath: string): { bucket: string; rawKey: string } {
  const path = rawPath.replace(/^\//, "");
  const slash = path.indexOf("/");
  return slash < 0 ? { bucket: path, rawKey: "" } : { bucket: path.slice(0, slash), rawKey: path.slice(slash + 1) };
}

/** S3's limit on a key, in UTF-8 bytes. */
const longestKeyBytes = 1_024;

/** Throws 400 InvalidURI or KeyTooLongError. */
export function bucketAndKey(rawPath: string): { readonly bucket: string; readonly key: string } {
  const { bucket, rawKey } = splitPath(rawPath);
  const key = decodeKey(rawKey);
  return { bucket: decodeKey(bucket), key };
}

export function decodeKey(rawKey: string): string {
  let key: string;
  try {
    key = decodeURIComponent(rawKey);
  } catch {
    throw new S3Error(400, "InvalidURI", "Couldn't parse the specified URI.");
  }
  const bytes = Buffer.byteLength(key);
  if (bytes > longestKeyBytes) {
    throw new S3Error(400, "KeyTooLongError", "Your key is too long", {
      details: { Size: String(bytes), MaxSizeAllowed: String(longestKeyBytes) },
    });
  }
  return key;
}

/** `bucket/key` as the fault rig's rules see it; a path that cannot be decoded stays as it is. */
export function resourceOf(request: Pick<ServiceRequest, "rawPath">): string {
  const path = request.rawPath.replace(/^\//, "");
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
