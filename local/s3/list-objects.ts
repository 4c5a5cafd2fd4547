// ListObjectsV2 and ListObjectVersions, and the walk through sorted keys that all listings share.
import type { ServiceResponse } from "../gateway/service.ts";
import type { ObjectVersion } from "./object-index.ts";
import { allowBucket, isoTime, queryNumber, quoted, type S3Call, type S3State, xmlResponse } from "./s3-call.ts";
import { invalidArgument } from "./s3-error.ts";
import { encodeListedKey, type XmlFields } from "./xml.ts";

/** S3's page size. */
export const mostListed = 1_000;

/** Smallest key behind every key that starts with this prefix; UTF-8 has no byte 255, so the last can be raised. */
export function behindPrefix(prefix: Uint8Array): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end[end.length - 1] ?? 0) + 1;
  return end;
}

/** Smallest key behind this one. */
export function behindKey(key: Uint8Array): Buffer {
  return Buffer.concat([key, Buffer.from([0])]);
}

/** The part of a key up to and with the first delimiter behind the prefix. */
export function commonPrefixOf(key: string, prefix: string, delimiter: string | undefined): string | undefined {
  if (!delimiter) return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.slice(0, at + delimiter.length);
}

/** Encodes names where the client asked for it: keys may hold what XML cannot. */
export function listedName(call: S3Call): (name: string) => string {
  const encoding = call.query.get("encoding-type");
  if (encoding === null) return (name) => name;
  if (encoding === "url") return encodeListedKey;
  throw invalidArgument("encoding-type", encoding, "Invalid Encoding Method specified in Request");
}

/** s3:ListBucket and its kin with the conditions that policies speak of. */
export function allowListing(state: S3State, call: S3Call, action: `s3:${string}`): void {
  const prefix = call.query.get("prefix");
  const delimiter = call.query.get("delimiter");
  allowBucket(state, call, action, {
    ...(prefix === null ? {} : { "s3:prefix": prefix }),
    ...(delimiter === null ? {} : { "s3:delimiter": delimiter }),
  });
}

export function listObjects(state: S3State, call: S3Call): ServiceResponse {
  allowListing(state, call, "s3:ListBucket");
  const { query, bucket } = call;
  if (query.get("list-type") !== "2") {
    throw invalidArgument("list-type", query.get("list-type") ?? "", "Invalid List Type specified in Request");
  }
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? undefined;
  const startAfter = query.get("start-after") ?? undefined;
  const token = query.get("continuation-token") ?? undefined;
  const most = queryNumber(call, "max-keys", { absent: mostListed, highest: mostListed });
  const listed = listedName(call);

  let from: Buffer = Buffer.from(prefix);
  if (startAfter !== undefined) from = later(from, behindKey(Buffer.from(startAfter)));
  if (token !== undefined) from = later(from, decodeToken(token));
  const owner = query.get("fetch-owner") === "true" ? { ID: state.context.accountId } : undefined;
  const contents: XmlFields[] = [];
  const prefixes: string[] = [];
  let next = nextUnder(state, call, prefix, from);
  while (next && contents.length + prefixes.length < most) {
    const common = commonPrefixOf(next.key, prefix, delimiter);
    if (common === undefined) contents.push({ ...contentElement(next, listed), Owner: owner });
    else prefixes.push(common);
    from = common === undefined ? behindKey(Buffer.from(next.key)) : behindPrefix(Buffer.from(common));
    next = nextUnder(state, call, prefix, from);
  }
  const truncated = next !== undefined && most > 0;
  return xmlResponse("ListBucketResult", {
    Name: bucket.name,
    Prefix: listed(prefix),
    Delimiter: delimiter === undefined ? undefined : listed(delimiter),
    StartAfter: startAfter === undefined ? undefined : listed(startAfter),
    MaxKeys: most,
    KeyCount: contents.length + prefixes.length,
    EncodingType: query.get("encoding-type") ?? undefined,
    IsTruncated: truncated,
    ContinuationToken: token,
    NextContinuationToken: truncated ? from.toString("base64url") : undefined,
    Contents: contents,
    CommonPrefixes: prefixes.map((common) => ({ Prefix: listed(common) })),
  });
}

function nextUnder(state: S3State, call: S3Call, prefix: string, from: Uint8Array): ObjectVersion | undefined {
  const found = state.index.nextObject(call.bucket.name, from);
  return found?.key.startsWith(prefix) ? found : undefined;
}

/** A token is the place in the key order where the next page begins: good as long as the bucket lives. */
function decodeToken(token: string): Buffer {
  if (!/^[\w-]+$/.test(token)) {
    throw invalidArgument("continuation-token", token, "The continuation token provided is incorrect");
  }
  return Buffer.from(token, "base64url");
}

function later(left: Buffer, right: Buffer): Buffer {
  return Buffer.compare(left, right) >= 0 ? left : right;
}

function contentElement(version: ObjectVersion, listed: (name: string) => string): XmlFields {
  return {
    Key: listed(version.key),
    LastModified: isoTime(version.modifiedAt),
    ETag: quoted(version.etag),
    ChecksumAlgorithm: version.facts?.checksum.algorithm,
    ChecksumType: version.facts?.checksum.type,
    Size: version.bytes,
    StorageClass: version.facts?.metadata.storageClass,
  };
}

export function listObjectVersions(state: S3State, call: S3Call): ServiceResponse {
  allowListing(state, call, "s3:ListBucketVersions");
  const { query, bucket } = call;
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? undefined;
  const keyMarker = query.get("key-marker") ?? undefined;
  const versionMarker = query.get("version-id-marker") || undefined;
  const most = queryNumber(call, "max-keys", { absent: mostListed, highest: mostListed });
  const listed = listedName(call);

  const entries: [kind: "Version" | "DeleteMarker", element: XmlFields][] = [];
  const prefixes: string[] = [];
  let last: ObjectVersion | undefined;
  let lastPrefix: string | undefined;
  let next = versionsStart(state, call, prefix, keyMarker, versionMarker);
  while (next?.key.startsWith(prefix) && entries.length + prefixes.length < most) {
    const common = commonPrefixOf(next.key, prefix, delimiter);
    last = next;
    lastPrefix = common;
    if (common === undefined) {
      entries.push(versionElement(next, listed, state.context.accountId));
      next = state.index.nextVersion(bucket.name, Buffer.from(next.key), next.sequence);
    } else {
      prefixes.push(common);
      next = state.index.firstVersion(bucket.name, behindPrefix(Buffer.from(common)));
    }
  }
  const truncated = next?.key.startsWith(prefix) === true && most > 0;
  return xmlResponse("ListVersionsResult", {
    Name: bucket.name,
    Prefix: listed(prefix),
    KeyMarker: listed(keyMarker ?? ""),
    VersionIdMarker: versionMarker ?? "",
    Delimiter: delimiter === undefined ? undefined : listed(delimiter),
    MaxKeys: most,
    EncodingType: query.get("encoding-type") ?? undefined,
    IsTruncated: truncated,
    NextKeyMarker: truncated && last ? listed(lastPrefix ?? last.key) : undefined,
    NextVersionIdMarker: truncated && last && lastPrefix === undefined ? last.versionId : undefined,
    Version: entries.filter(([kind]) => kind === "Version").map(([, element]) => element),
    DeleteMarker: entries.filter(([kind]) => kind === "DeleteMarker").map(([, element]) => element),
    CommonPrefixes: prefixes.map((common) => ({ Prefix: listed(common) })),
  });
}

function versionsStart(
  state: S3State,
  call: S3Call,
  prefix: string,
  keyMarker: string | undefined,
  versionMarker: string | undefined,
): ObjectVersion | undefined {
  const bucket = call.bucket.name;
  if (versionMarker !== undefined) {
    if (keyMarker === undefined) {
      throw invalidArgument(
        "version-id-marker",
        versionMarker,
        "A version-id marker cannot be specified without a key marker.",
      );
    }
    const marked = state.index.findVersion(bucket, keyMarker, versionMarker);
    if (!marked) throw invalidArgument("version-id-marker", versionMarker, "Invalid version id specified");
    return state.index.nextVersion(bucket, Buffer.from(keyMarker), marked.sequence);
  }
  let from: Buffer = Buffer.from(prefix);
  if (keyMarker !== undefined) {
    const delimiter = call.query.get("delimiter") ?? undefined;
    // A marker that is itself a common prefix stands for all the keys below it.
    const isPrefix = delimiter !== undefined && keyMarker !== "" && keyMarker.endsWith(delimiter);
    from = later(from, isPrefix ? behindPrefix(Buffer.from(keyMarker)) : behindKey(Buffer.from(keyMarker)));
  }
  return state.index.firstVersion(bucket, from);
}

function versionElement(
  version: ObjectVersion,
  listed: (name: string) => string,
  accountId: string,
): ["Version" | "DeleteMarker", XmlFields] {
  const both = {
    Key: listed(version.key),
    VersionId: version.versionId,
    IsLatest: version.latest,
    LastModified: isoTime(version.modifiedAt),
    Owner: { ID: accountId },
  };
  if (version.deleteMarker) return ["DeleteMarker", both];
  return [
    "Version",
    {
      ...both,
      ETag: quoted(version.etag),
      ChecksumAlgorithm: version.facts?.checksum.algorithm,
      ChecksumType: version.facts?.checksum.type,
      Size: version.bytes,
      StorageClass: version.facts?.metadata.storageClass,
    },
  ];
}
