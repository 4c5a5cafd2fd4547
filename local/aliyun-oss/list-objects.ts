// ListObjects, version 1 and 2, and what all listings share.
// Source: "ListObjects (GetBucket)" and "ListObjectsV2 (GetBucketV2)" in OSS's API reference.
import { encodeStrictly } from "../aliyun-rds/acs3-signature.ts";
import type { ServiceResponse } from "../gateway/service.ts";
import { behindKey, behindPrefix, commonPrefixOf } from "../s3/list-objects.ts";
import type { XmlFields } from "../s3/xml.ts";
import { owner } from "./bucket-operations.ts";
import type { StoredObject } from "./object-index.ts";
import { allowBucket, isoTime, type OssCall, type OssState, queryNumber, quoted, xmlResponse } from "./oss-call.ts";
import { invalidArgument } from "./oss-error.ts";

/** OSS's page sizes. */
const pageLimits = { absent: 100, least: 1, most: 1_000 };

/** Encodes names where the client asked for it: keys may hold what XML cannot. */
export function listedName(call: OssCall): (name: string) => string {
  const encoding = call.query.get("encoding-type") ?? "";
  if (encoding === "") return (name) => name;
  if (encoding.toLowerCase() === "url") return encodeStrictly;
  throw invalidArgument("encoding-type", encoding, "The encoding-type must be url.");
}

interface Page {
  readonly contents: readonly StoredObject[];
  readonly prefixes: readonly string[];
  /** Where the next page begins; undefined: this is the last. */
  readonly next: Buffer | undefined;
}

export function listObjects(state: OssState, call: OssCall): ServiceResponse {
  allowBucket(call, "oss:ListObjects");
  const marker = call.query.get("marker") ?? "";
  const page = collect(state, call, marker === "" ? undefined : behindMarker(call, marker));
  const listed = listedName(call);
  return xmlResponse("ListBucketResult", {
    ...commonFields(call, page, listed),
    Marker: listed(marker),
    NextMarker: page.next && listed(lastName(page)),
    ...itemFields(page, listed, true),
  });
}

export function listObjectsV2(state: OssState, call: OssCall): ServiceResponse {
  allowBucket(call, "oss:ListObjects");
  const { query } = call;
  if (query.get("list-type") !== "2") {
    throw invalidArgument("list-type", query.get("list-type") ?? "", "The list-type must be 2.");
  }
  const startAfter = query.get("start-after") ?? "";
  const token = query.get("continuation-token") ?? "";
  const page = collect(
    state,
    call,
    token !== "" ? decodeToken(token) : startAfter !== "" ? behindKey(Buffer.from(startAfter)) : undefined,
  );
  const listed = listedName(call);
  return xmlResponse("ListBucketResult", {
    ...commonFields(call, page, listed),
    StartAfter: startAfter === "" ? undefined : listed(startAfter),
    ContinuationToken: token === "" ? undefined : token,
    NextContinuationToken: page.next?.toString("base64"),
    KeyCount: page.contents.length + page.prefixes.length,
    ...itemFields(page, listed, query.get("fetch-owner") === "true"),
  });
}

function collect(state: OssState, call: OssCall, start: Buffer | undefined): Page {
  const prefix = call.query.get("prefix") ?? "";
  const delimiter = call.query.get("delimiter") ?? undefined;
  const most = queryNumber(call, "max-keys", pageLimits);
  const contents: StoredObject[] = [];
  const prefixes: string[] = [];
  const nextFrom = (place: Buffer): StoredObject | undefined => {
    const found = state.index.next(call.bucket, place);
    return found?.key.startsWith(prefix) ? found : undefined;
  };
  const first = Buffer.from(prefix);
  let from = start && Buffer.compare(start, first) > 0 ? start : first;
  let next = nextFrom(from);
  while (next && contents.length + prefixes.length < most) {
    const common = commonPrefixOf(next.key, prefix, delimiter);
    if (common === undefined) contents.push(next);
    else prefixes.push(common);
    from = common === undefined ? behindKey(Buffer.from(next.key)) : behindPrefix(Buffer.from(common));
    next = nextFrom(from);
  }
  return { contents, prefixes, next: next && from };
}

/** A marker that is itself a common prefix stands for all the keys below it. */
function behindMarker(call: OssCall, marker: string): Buffer {
  const { query } = call;
  const common = commonPrefixOf(marker, query.get("prefix") ?? "", query.get("delimiter") ?? undefined);
  return common === marker ? behindPrefix(Buffer.from(marker)) : behindKey(Buffer.from(marker));
}

/** Of the page: a key or a common prefix, whichever stands later. */
function lastName({ contents, prefixes }: Page): string {
  const [key, prefix] = [contents.at(-1)?.key ?? "", prefixes.at(-1) ?? ""];
  return Buffer.compare(Buffer.from(key), Buffer.from(prefix)) > 0 ? key : prefix;
}

/** A token is the place in the key order where the next page begins: good as long as the bucket lives. */
function decodeToken(token: string): Buffer {
  if (/^[A-Za-z0-9+/]+=*$/.test(token)) return Buffer.from(token, "base64");
  throw invalidArgument("continuation-token", token, "The continuation token provided is incorrect.");
}

function commonFields(call: OssCall, page: Page, listed: (name: string) => string): XmlFields {
  const delimiter = call.query.get("delimiter") ?? "";
  return {
    Name: call.bucket,
    Prefix: listed(call.query.get("prefix") ?? ""),
    MaxKeys: queryNumber(call, "max-keys", pageLimits),
    Delimiter: listed(delimiter),
    EncodingType: call.query.get("encoding-type") ?? undefined,
    IsTruncated: page.next !== undefined,
  };
}

function itemFields(page: Page, listed: (name: string) => string, withOwner: boolean): XmlFields {
  return {
    Contents: page.contents.map((object) => ({
      Key: listed(object.key),
      LastModified: isoTime(object.modifiedAt),
      ETag: quoted(object.etag),
      Type: object.type,
      Size: object.bytes,
      StorageClass: object.metadata.storageClass,
      Owner: withOwner ? owner : undefined,
    })),
    CommonPrefixes: page.prefixes.map((prefix) => ({ Prefix: listed(prefix) })),
  };
}
