// What is kept about an object besides its bytes: the headers it was put with, and those it is answered with.
// Source: PutObject's and GetObject's headers in the S3 API reference.
import { invalidArgument, invalidRequest, notImplemented, S3Error } from "./s3-error.ts";

export interface ObjectMetadata {
  /** content-type, cache-control and their like: kept and answered as they came. */
  readonly system: Readonly<Record<string, string>>;
  /** Without the `x-amz-meta-` prefix. */
  readonly user: Readonly<Record<string, string>>;
  readonly storageClass: string;
  readonly encryption: Encryption;
  readonly tags: Readonly<Record<string, string>>;
}

export interface Encryption {
  readonly algorithm: "AES256" | "aws:kms" | "aws:kms:dsse";
  readonly kmsKeyArn?: string;
  readonly bucketKeyEnabled?: boolean;
}

const systemHeaders = [
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-type",
  "expires",
  "x-amz-website-redirect-location",
];
const storageClasses = [
  "STANDARD",
  "REDUCED_REDUNDANCY",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "GLACIER",
  "DEEP_ARCHIVE",
  "GLACIER_IR",
];
const userPrefix = "x-amz-meta-";
/** S3's limits: 2 KB of user metadata, ten tags. */
const largestUserMetadataBytes = 2_048;
const mostTags = 10;

/** Headers that ask for what the local cloud does not have; to ignore one would be to pretend. */
const refusedHeaders: readonly (readonly [prefix: string, what: string])[] = [
  ["x-amz-server-side-encryption-customer-", "server-side encryption with customer keys"],
  ["x-amz-copy-source-server-side-encryption-customer-", "server-side encryption with customer keys"],
  ["x-amz-object-lock-", "Object Lock"],
  ["x-amz-grant-", "access control lists"],
  ["x-amz-write-offset-bytes", "appending to objects"],
];

/** Throws 501, naming what is asked for, and 403 for another account's bucket. */
export function refuseUnsupportedHeaders(headers: Readonly<Record<string, string>>, accountId: string): void {
  for (const header of Object.keys(headers)) {
    const refused = refusedHeaders.find(([prefix]) => header.startsWith(prefix));
    if (refused) throw notImplemented(refused[1]);
  }
  const acl = headers["x-amz-acl"];
  if (acl !== undefined && acl !== "private" && acl !== "bucket-owner-full-control") {
    throw notImplemented(`the canned access control list ${acl}`);
  }
  for (const header of ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"]) {
    const owner = headers[header];
    if (owner !== undefined && owner !== accountId) throw new S3Error(403, "AccessDenied", "Access Denied");
  }
}

/** `defaultKmsKeyArn`: the bucket's default encryption, used where the request names none. */
export function readMetadata(
  headers: Readonly<Record<string, string>>,
  defaultKmsKeyArn: string | undefined,
): ObjectMetadata {
  const system: Record<string, string> = {};
  for (const name of systemHeaders) {
    const value = name === "content-encoding" ? withoutFraming(headers[name]) : headers[name];
    if (value !== undefined) system[name] = value;
  }
  const user = Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name.startsWith(userPrefix))
      .map(([name, value]) => [name.slice(userPrefix.length), value]),
  );
  const userBytes = Object.entries(user).reduce((sum, pair) => sum + Buffer.byteLength(pair.join("")), 0);
  if (userBytes > largestUserMetadataBytes) {
    throw new S3Error(400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size", {
      details: { Size: String(userBytes), MaxSizeAllowed: String(largestUserMetadataBytes) },
    });
  }
  const storageClass = headers["x-amz-storage-class"] ?? "STANDARD";
  if (!storageClasses.includes(storageClass)) {
    throw new S3Error(400, "InvalidStorageClass", "The storage class you specified is not valid");
  }
  return {
    system,
    user,
    storageClass,
    encryption: readEncryption(headers, defaultKmsKeyArn),
    tags: readTags(headers["x-amz-tagging"]),
  };
}

/** `aws-chunked` is how the body travelled, not how the object is encoded. */
function withoutFraming(encoding: string | undefined): string | undefined {
  const kept = (encoding ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "" && name !== "aws-chunked");
  return kept.length > 0 ? kept.join(",") : undefined;
}

function readEncryption(headers: Readonly<Record<string, string>>, defaultKmsKeyArn: string | undefined): Encryption {
  const algorithm = headers["x-amz-server-side-encryption"];
  const keyId = headers["x-amz-server-side-encryption-aws-kms-key-id"];
  const bucketKeyEnabled = headers["x-amz-server-side-encryption-bucket-key-enabled"] === "true";
  if (algorithm === undefined) {
    if (keyId !== undefined) {
      throw invalidArgument(
        "x-amz-server-side-encryption-aws-kms-key-id",
        keyId,
        "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
      );
    }
    return defaultKmsKeyArn === undefined
      ? { algorithm: "AES256" }
      : { algorithm: "aws:kms", kmsKeyArn: defaultKmsKeyArn };
  }
  if (algorithm === "AES256") return { algorithm };
  if (algorithm !== "aws:kms" && algorithm !== "aws:kms:dsse") {
    throw invalidArgument(
      "x-amz-server-side-encryption",
      algorithm,
      "The encryption method specified is not supported",
    );
  }
  if (keyId !== undefined && !keyId.startsWith("arn:")) throw notImplemented("KMS keys named other than by ARN");
  const kmsKeyArn = keyId ?? defaultKmsKeyArn;
  return {
    algorithm,
    ...(kmsKeyArn === undefined ? {} : { kmsKeyArn }),
    ...(bucketKeyEnabled ? { bucketKeyEnabled } : {}),
  };
}

function readTags(header: string | undefined): Record<string, string> {
  const tags = [...new URLSearchParams(header ?? "")];
  const bad = tags.find(([name, value]) => name === "" || name.length > 128 || value.length > 256);
  if (bad) throw new S3Error(400, "InvalidTag", "The tag provided was not a valid tag.");
  if (tags.length > mostTags) throw new S3Error(400, "BadRequest", "Object tags cannot be greater than 10");
  const named = Object.fromEntries(tags);
  if (Object.keys(named).length !== tags.length) {
    throw invalidRequest("Cannot provide multiple Tags with the same key");
  }
  return named;
}

export function encryptionHeaders(encryption: Encryption): Record<string, string> {
  const { algorithm, kmsKeyArn, bucketKeyEnabled } = encryption;
  return {
    "x-amz-server-side-encryption": algorithm,
    ...(kmsKeyArn === undefined ? {} : { "x-amz-server-side-encryption-aws-kms-key-id": kmsKeyArn }),
    ...(bucketKeyEnabled ? { "x-amz-server-side-encryption-bucket-key-enabled": "true" } : {}),
  };
}

/** The headers that GetObject and HeadObject give back. */
export function metadataHeaders(metadata: ObjectMetadata): Record<string, string> {
  const tagCount = Object.keys(metadata.tags).length;
  return {
    "content-type": "binary/octet-stream",
    ...metadata.system,
    ...Object.fromEntries(Object.entries(metadata.user).map(([name, value]) => [`${userPrefix}${name}`, value])),
    ...encryptionHeaders(metadata.encryption),
    ...(metadata.storageClass === "STANDARD" ? {} : { "x-amz-storage-class": metadata.storageClass }),
    ...(tagCount > 0 ? { "x-amz-tagging-count": String(tagCount) } : {}),
  };
}
