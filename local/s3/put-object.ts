// PutObject: the body goes to a file while its checksums are verified, then one row makes it an object.
import type { ServiceRequest, ServiceResponse } from "../gateway/service.ts";
import { checksumHeaders, defaultAlgorithm, type StoredChecksum } from "./checksums.ts";
import type { Segment } from "./object-index.ts";
import { encryptionHeaders, readMetadata } from "./object-metadata.ts";
import { assertWritable, writeConditions } from "./preconditions.ts";
import { declaredBody, type ReceivedBody, receiveBody } from "./receive-body.ts";
import { allowEncryption, allowObject, quoted, type S3Call, type S3State, versionHeader } from "./s3-call.ts";
import { currentObject, storeObject } from "./store-object.ts";

export async function putObject(state: S3State, call: S3Call): Promise<ServiceResponse> {
  allowObject(state, call, "s3:PutObject");
  const metadata = readMetadata(call.headers, call.bucket.kmsKeyArn);
  if (Object.keys(metadata.tags).length > 0) allowObject(state, call, "s3:PutObjectTagging");
  allowEncryption(state, call, metadata.encryption, "write");
  const conditions = writeConditions(call.headers);
  const declared = declaredBody(call.headers);
  // Also checked when the row is written; here it saves a doomed body the way.
  assertWritable(conditions, call.key, currentObject(state, call));

  const algorithm = declared.algorithm ?? defaultAlgorithm;
  const writer = await state.bodies.create();
  try {
    const received = await receiveBody(call.request, writer, {
      declared,
      algorithms: [algorithm],
      flipBit: bitToFlip(call.request),
    });
    await writer.close();
    const checksum: StoredChecksum = {
      algorithm,
      type: "FULL_OBJECT",
      value: received.digests.get(algorithm)?.toString("base64") ?? "",
    };
    const version = storeObject(state, call, {
      bytes: received.bytes,
      etag: received.md5.toString("hex"),
      facts: { metadata, checksum },
      segments: [wholeSegment(writer.file, received)],
      conditions,
      reason: "PutObject",
    });
    return {
      status: 200,
      headers: {
        etag: quoted(version.etag),
        ...versionHeader(call.bucket, version),
        ...encryptionHeaders(metadata.encryption),
        ...checksumHeaders(checksum),
      },
    };
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

export function wholeSegment(file: string, received: Pick<ReceivedBody, "bytes">): Segment {
  return { number: 1, startByte: 0, bytes: received.bytes, file, checksum: undefined };
}

/** What the fault rig asks for at this call. */
export function bitToFlip(request: ServiceRequest): "in-transit" | "at-rest" | undefined {
  return request.fault?.kind === "flip-stored-bit" ? request.fault.when : undefined;
}
