// PutObject, and how an object comes into being: its files are whole and closed, then one transaction names them.
import type { ServiceResponse } from "../gateway/service.ts";
import { inTransaction } from "../s3/database.ts";
import type { NewObject, Segment } from "./object-index.ts";
import { encryptionHeaders, forbidsOverwrite, readMetadata, refuseWriteConditions } from "./object-metadata.ts";
import { allowObject, type OssCall, type OssState, quoted } from "./oss-call.ts";
import { fileAlreadyExists } from "./oss-error.ts";
import { checkKey, declaredBody, receiveBody } from "./receive-body.ts";

export async function putObject(state: OssState, call: OssCall): Promise<ServiceResponse> {
  allowObject(call, "oss:PutObject");
  checkKey(call.key);
  refuseWriteConditions(call.headers);
  const metadata = readMetadata(call.headers);
  const declared = declaredBody(call.headers);
  const mustNotExist = forbidsOverwrite(call.headers);
  // Also checked when the row is written; here it saves a doomed body the way.
  if (mustNotExist && state.index.find(call.bucket, call.key)) throw fileAlreadyExists();

  const writer = await state.bodies.create();
  try {
    const { bytes, md5, crc64 } = await receiveBody(call, declared, writer);
    const object = { etag: md5, bytes, crc64, type: "Normal", metadata, ...newHere(state, call) } as const;
    storeObject(state, object, [{ startByte: 0, bytes, file: writer.file }], { mustNotExist });
    return {
      status: 200,
      headers: { etag: quoted(md5), "x-oss-hash-crc64ecma": crc64, ...encryptionHeaders(metadata) },
    };
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** Where and when. */
export function newHere(state: OssState, call: OssCall): Pick<NewObject, "bucket" | "key" | "modifiedAt"> {
  return { bucket: call.bucket, key: call.key, modifiedAt: Math.floor(state.clock.now()) };
}

/**
 * Makes the object the key's. Of two writers with `mustNotExist` that race, one gets 409. When this throws, nothing has
 * changed and the files are still the caller's. `alsoRemove` runs in the same transaction and returns files to delete.
 */
export function storeObject(
  state: OssState,
  object: NewObject,
  segments: readonly Segment[],
  options: { readonly mustNotExist: boolean; readonly alsoRemove?: () => string[] },
): void {
  const unneeded = inTransaction(state.database, () => {
    if (options.mustNotExist && state.index.find(object.bucket, object.key)) throw fileAlreadyExists();
    const replaced = state.index.replace(object, segments);
    return [...replaced, ...(options.alsoRemove?.() ?? [])];
  });
  state.bodies.remove(unneeded);
}
