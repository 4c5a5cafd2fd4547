// OSS's operations by name. Any other is refused by name.
import { getBucketInfo, getBucketLocation, putBucket } from "./bucket-operations.ts";
import { completeMultipartUpload } from "./complete-upload.ts";
import { copyObject } from "./copy-object.ts";
import { deleteMultipleObjects, deleteObject } from "./delete-objects.ts";
import { getObject, getObjectMeta } from "./get-object.ts";
import { listObjects, listObjectsV2 } from "./list-objects.ts";
import {
  abortMultipartUpload,
  initiateMultipartUpload,
  listMultipartUploads,
  listParts,
  uploadPart,
} from "./multipart-upload.ts";
import type { Operation } from "./oss-call.ts";
import { putObject } from "./put-object.ts";

export const operations: Readonly<Record<string, Operation>> = {
  AbortMultipartUpload: abortMultipartUpload,
  CompleteMultipartUpload: completeMultipartUpload,
  CopyObject: copyObject,
  DeleteMultipleObjects: deleteMultipleObjects,
  DeleteObject: deleteObject,
  GetBucketInfo: getBucketInfo,
  GetBucketLocation: getBucketLocation,
  GetObject: getObject,
  GetObjectMeta: getObjectMeta,
  HeadObject: getObject,
  InitiateMultipartUpload: initiateMultipartUpload,
  ListMultipartUploads: listMultipartUploads,
  ListObjects: listObjects,
  ListObjectsV2: listObjectsV2,
  ListParts: listParts,
  PutBucket: putBucket,
  PutObject: putObject,
  UploadPart: uploadPart,
};
