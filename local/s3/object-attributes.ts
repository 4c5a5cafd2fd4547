// GetObjectAttributes: what HeadObject tells and more, chosen by the caller.
import type { ServiceResponse } from "../gateway/service.ts";
import { checksumElement } from "./checksums.ts";
import { type FoundObject, findReadable } from "./get-object.ts";
import { mostListed } from "./list-objects.ts";
import { highestPartNumber } from "./multipart-upload.ts";
import { allowEncryption, allowObject, type S3Call, type S3State, versionHeader, xmlResponse } from "./s3-call.ts";
import { invalidArgument } from "./s3-error.ts";
import type { XmlFields } from "./xml.ts";

const knownAttributes = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"] as const;

export function getObjectAttributes(state: S3State, call: S3Call): ServiceResponse {
  const wanted = new Set((call.headers["x-amz-object-attributes"] ?? "").split(",").map((name) => name.trim()));
  const unknown = [...wanted].find((name) => !knownAttributes.some((known) => known === name));
  if (unknown !== undefined) {
    throw invalidArgument("x-amz-object-attributes", unknown, "Invalid attribute name specified.");
  }
  const versionId = call.query.get("versionId") ?? undefined;
  const found = findReadable(state, call, { bucket: call.bucket.name, key: call.key, versionId });
  allowObject(state, call, versionId === undefined ? "s3:GetObjectAttributes" : "s3:GetObjectVersionAttributes");
  const { version, facts } = found;
  allowEncryption(state, call, facts.metadata.encryption, "read");
  const { checksum } = facts;
  return xmlResponse(
    "GetObjectAttributesResponse",
    {
      // Without quotes here, and a composite without its part count: so does S3.
      ETag: wanted.has("ETag") ? version.etag : undefined,
      Checksum: wanted.has("Checksum")
        ? { [checksumElement(checksum.algorithm)]: checksum.value, ChecksumType: checksum.type }
        : undefined,
      ObjectParts:
        wanted.has("ObjectParts") && facts.partCount !== undefined
          ? partsElement(state, call, found, facts.partCount)
          : undefined,
      StorageClass: wanted.has("StorageClass") ? facts.metadata.storageClass : undefined,
      ObjectSize: wanted.has("ObjectSize") ? version.bytes : undefined,
    },
    {
      "last-modified": new Date(version.modifiedAt).toUTCString(),
      ...versionHeader(call.bucket, version),
    },
  );
}

/** Parts are told one by one only where the client chose the upload's checksum. */
function partsElement(state: S3State, call: S3Call, { version, facts }: FoundObject, partCount: number): XmlFields {
  if (!facts.partsTold) return { PartsCount: partCount };
  const marker = headerNumber(call, "x-amz-part-number-marker", 0, highestPartNumber);
  const most = headerNumber(call, "x-amz-max-parts", mostListed, mostListed);
  const segments = state.index.segments(version.sequence, marker, most + 1);
  const page = segments.slice(0, most);
  return {
    PartsCount: partCount,
    PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.number ?? 0,
    MaxParts: most,
    IsTruncated: segments.length > most && most > 0,
    Part: page.map((segment) => ({
      PartNumber: segment.number,
      Size: segment.bytes,
      ...(segment.checksum ? { [checksumElement(segment.checksum.algorithm)]: segment.checksum.value } : {}),
    })),
  };
}

function headerNumber(call: S3Call, name: string, absent: number, highest: number): number {
  const text = call.headers[name];
  if (text === undefined) return absent;
  if (!/^\d{1,10}$/.test(text)) throw invalidArgument(name, text, `${name} is no whole number`);
  return Math.min(Number(text), highest);
}
