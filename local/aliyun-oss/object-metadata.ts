// What is kept about an object besides its bytes: the headers it was put with, and those it is answered with.
// Source: PutObject's headers in OSS's API reference.
import { ServiceError } from "../gateway/service.ts";
import { invalidArgument, notImplemented } from "./oss-error.ts";

type Headers = Readonly<Record<string, string>>;

export interface ObjectMetadata {
  /** content-type, cache-control and their like: kept and answered as they came. */
  readonly system: Headers;
  /** Without the `x-oss-meta-` prefix. */
  readonly user: Headers;
  readonly storageClass: string;
  /** Absent: the object is not encrypted by a request of the client's. */
  readonly encryption?: { readonly algorithm: string; readonly keyId?: string };
}

const systemHeaders = [
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-type",
  "expires",
];
const storageClasses = ["Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"];
const encryptionAlgorithms = ["AES256", "KMS", "SM4"];
const userPrefix = "x-oss-meta-";
const largestUserMetadataBytes = 8 * 1024;

/** Of this service, where a client asks for KMS and names no key. */
const defaultKmsKeyId = "e1935511-0000-4000-8000-local00oss00";

/** Headers that ask for what the local cloud does not have; to ignore one would be to pretend. */
const refusedHeaders: readonly (readonly [prefix: string, what: string])[] = [
  ["x-oss-callback", "callbacks"],
  ["x-oss-process", "processing of images and documents"],
  ["x-oss-tagging", "object tagging"],
  ["x-oss-server-side-encryption-customer-", "server-side encryption with customer keys"],
  ["x-oss-traffic-limit", "traffic limits"],
];

/** Throws 501, naming what is asked for. */
export function refuseUnsupportedHeaders(headers: Headers): void {
  for (const header of Object.keys(headers)) {
    const refused = refusedHeaders.find(([prefix]) => header.startsWith(prefix));
    if (refused) throw notImplemented(refused[1]);
  }
  const acl = headers["x-oss-object-acl"] ?? headers["x-oss-acl"];
  if (acl !== undefined && acl !== "default" && acl !== "private") throw notImplemented(`the access rule "${acl}"`);
}

/** OSS evaluates conditions on reads and on sources of copies only. Throws 501. */
export function refuseWriteConditions(headers: Headers): void {
  for (const name of ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"]) {
    if (headers[name] !== undefined) throw notImplemented(`writes with ${name}; x-oss-forbid-overwrite is what it has`);
  }
}

export function readMetadata(headers: Headers): ObjectMetadata {
  const system = Object.fromEntries(
    systemHeaders.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])),
  );
  const user = Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name.startsWith(userPrefix))
      .map(([name, value]) => [name.slice(userPrefix.length), value]),
  );
  const userBytes = Object.entries(user).reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (userBytes > largestUserMetadataBytes) {
    throw new ServiceError(400, "InvalidArgument", "The total size of the user metadata exceeds 8 KB.");
  }
  const storageClass = headers["x-oss-storage-class"] ?? "Standard";
  if (!storageClasses.includes(storageClass)) {
    throw invalidArgument("x-oss-storage-class", storageClass, "The storage class you specified is not valid.");
  }
  const encryption = readEncryption(headers);
  return { system, user, storageClass, ...(encryption ? { encryption } : {}) };
}

function readEncryption(headers: Headers): ObjectMetadata["encryption"] {
  const algorithm = headers["x-oss-server-side-encryption"];
  const keyId = headers["x-oss-server-side-encryption-key-id"];
  if (algorithm === undefined) {
    if (keyId === undefined) return undefined;
    throw invalidArgument(
      "x-oss-server-side-encryption-key-id",
      keyId,
      "A key id needs the header x-oss-server-side-encryption: KMS.",
    );
  }
  if (!encryptionAlgorithms.includes(algorithm)) {
    throw new ServiceError(
      400,
      "InvalidEncryptionAlgorithmError",
      "The Encryption Method you specified is not supported.",
    );
  }
  return algorithm === "KMS" ? { algorithm, keyId: keyId ?? defaultKmsKeyId } : { algorithm };
}

export function encryptionHeaders({ encryption }: ObjectMetadata): Record<string, string> {
  if (!encryption) return {};
  return {
    "x-oss-server-side-encryption": encryption.algorithm,
    ...(encryption.keyId === undefined ? {} : { "x-oss-server-side-encryption-key-id": encryption.keyId }),
  };
}

/** The headers that GetObject and HeadObject give back. */
export function metadataHeaders(metadata: ObjectMetadata): Record<string, string> {
  return {
    "content-type": "application/octet-stream",
    ...metadata.system,
    ...Object.fromEntries(Object.entries(metadata.user).map(([name, value]) => [`${userPrefix}${name}`, value])),
    ...encryptionHeaders(metadata),
    "x-oss-storage-class": metadata.storageClass,
  };
}

/** Throws 400 InvalidArgument for a value other than true and false. */
export function forbidsOverwrite(headers: Headers): boolean {
  const value = headers["x-oss-forbid-overwrite"];
  if (value === undefined || value.toLowerCase() === "false") return false;
  if (value.toLowerCase() === "true") return true;
  throw invalidArgument("x-oss-forbid-overwrite", value, "The value must be true or false.");
}
