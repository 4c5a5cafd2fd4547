// DeleteObject and DeleteMultipleObjects. What is not there counts as deleted.
import type { ServiceResponse } from "../gateway/service.ts";
import { inTransaction } from "../s3/database.ts";
import { childNodes, childText, parseXml } from "../s3/xml.ts";
import { listedName } from "./list-objects.ts";
import { allowObject, type OssCall, type OssState, xmlResponse } from "./oss-call.ts";
import { malformedXml } from "./oss-error.ts";
import { receiveDocument } from "./receive-body.ts";

/** OSS's limit for one DeleteMultipleObjects. */
const mostKeys = 1_000;

export function deleteObject(state: OssState, call: OssCall): ServiceResponse {
  allowObject(call, "oss:DeleteObject");
  remove(state, call.bucket, [call.key]);
  return { status: 204 };
}

/** All keys must be permitted, or none is deleted: OSS's answer has no place for the errors of single keys. */
export async function deleteMultipleObjects(state: OssState, call: OssCall): Promise<ServiceResponse> {
  const root = parseXml(await receiveDocument(call), "Delete");
  const keys = root ? childNodes(root, "Object").map((object) => childText(object, "Key") ?? "") : [];
  if (!root || keys.length === 0 || keys.length > mostKeys || keys.includes("")) throw malformedXml();
  for (const key of keys) allowObject(call, "oss:DeleteObject", key);
  remove(state, call.bucket, keys);
  if (childText(root, "Quiet")?.trim() === "true") return { status: 200 };
  const listed = listedName(call);
  return xmlResponse("DeleteResult", {
    EncodingType: call.query.get("encoding-type") ?? undefined,
    Deleted: keys.map((key) => ({ Key: listed(key) })),
  });
}

function remove(state: OssState, bucket: string, keys: readonly string[]): void {
  state.bodies.remove(inTransaction(state.database, () => keys.flatMap((key) => state.index.remove(bucket, key))));
}
