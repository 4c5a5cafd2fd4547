// DeleteObject and DeleteObjects.
import type { ServiceResponse } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import { declaredBody, receiveDocument } from "./receive-body.ts";
import { allowObject, type S3Call, type S3State, xmlResponse } from "./s3-call.ts";
import { invalidRequest, malformedXml } from "./s3-error.ts";
import { type Deletion, deleteObject } from "./store-object.ts";
import { childNodes, childText, parseXml, type XmlFields } from "./xml.ts";

/** S3's limit for one DeleteObjects. */
const mostKeys = 1_000;

interface Target {
  readonly key: string;
  readonly versionId: string | undefined;
  readonly ifMatch: string | undefined;
}

export function deleteOneObject(state: S3State, call: S3Call): ServiceResponse {
  const versionId = call.query.get("versionId") ?? undefined;
  const deletion = permittedDelete(state, call, { key: call.key, versionId, ifMatch: call.headers["if-match"] });
  return {
    status: 204,
    headers: {
      ...(deletion.versionId === undefined ? {} : { "x-amz-version-id": deletion.versionId }),
      ...(deletion.deleteMarker ? { "x-amz-delete-marker": "true" } : {}),
    },
  };
}

/** Each key is permitted and deleted for itself; what failed is told in the answer, which is 200 all the same. */
export async function deleteManyObjects(state: S3State, call: S3Call): Promise<ServiceResponse> {
  const declared = declaredBody(call.headers);
  if (!declared.algorithm && !declared.contentMd5) {
    throw invalidRequest("Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
  }
  const root = parseXml(await receiveDocument(call.request, declared), "Delete");
  const objects = root ? childNodes(root, "Object") : [];
  if (!root || objects.length === 0 || objects.length > mostKeys) throw malformedXml();
  const targets = objects.map((object): Target => {
    const key = childText(object, "Key");
    if (key === undefined || key === "") throw malformedXml();
    return { key, versionId: childText(object, "VersionId") || undefined, ifMatch: childText(object, "ETag") };
  });
  const quiet = childText(root, "Quiet")?.trim().toLowerCase() === "true";
  const deleted: XmlFields[] = [];
  const errors: XmlFields[] = [];
  for (const target of targets) {
    try {
      deleted.push(deletedElement(target, permittedDelete(state, call, target)));
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      errors.push({ Key: target.key, VersionId: target.versionId, Code: error.code, Message: error.message });
    }
  }
  return xmlResponse("DeleteResult", { Deleted: quiet ? [] : deleted, Error: errors });
}

function permittedDelete(state: S3State, call: S3Call, target: Target): Deletion {
  allowObject(state, call, target.versionId === undefined ? "s3:DeleteObject" : "s3:DeleteObjectVersion", target.key);
  return deleteObject(state, call, target);
}

function deletedElement(target: Target, deletion: Deletion): XmlFields {
  return {
    Key: target.key,
    VersionId: target.versionId,
    DeleteMarker: deletion.deleteMarker || undefined,
    DeleteMarkerVersionId: deletion.deleteMarker ? deletion.versionId : undefined,
  };
}
