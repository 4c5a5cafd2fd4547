// PutBucket, GetBucketInfo and GetBucketLocation.
import type { ServiceResponse } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import { allowBucket, isoTime, type OssCall, type OssState, xmlResponse } from "./oss-call.ts";

/** Of every bucket: there is one account. */
export const owner = { ID: "1000000000000000", DisplayName: "1000000000000000" };

/** OSS's limit for an account in a region. */
const mostBuckets = 100;

/** As in OSS, making a bucket of one's own again does nothing. Its settings (a document, headers) are not kept. */
export function putBucket(state: OssState, call: OssCall): ServiceResponse {
  allowBucket(call, "oss:PutBucket");
  ensureBucket(state, call.bucket);
  return { status: 200, headers: { location: `/${call.bucket}` } };
}

/** Throws 400 for a name that OSS does not take, or for the 101st bucket. */
export function ensureBucket(state: Pick<OssState, "index" | "clock">, name: string): void {
  if (!/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(name)) {
    throw new ServiceError(400, "InvalidBucketName", "The specified bucket is not valid.", { BucketName: name });
  }
  if (!state.index.findBucket(name) && state.index.bucketNames().length >= mostBuckets) {
    throw new ServiceError(400, "TooManyBuckets", "You have attempted to create more buckets than allowed.");
  }
  state.index.ensureBucket(name, state.clock.now());
}

export function getBucketInfo(state: OssState, call: OssCall): ServiceResponse {
  allowBucket(call, "oss:GetBucketInfo");
  const endpoint = state.endpoint();
  return xmlResponse("BucketInfo", {
    Bucket: {
      Name: call.bucket,
      Location: state.location,
      CreationDate: isoTime(state.index.findBucket(call.bucket)?.createdAt ?? 0),
      ExtranetEndpoint: endpoint,
      IntranetEndpoint: endpoint,
      StorageClass: "Standard",
      DataRedundancyType: "LRS",
      Owner: owner,
      AccessControlList: { Grant: "private" },
      ServerSideEncryptionRule: { SSEAlgorithm: "None" },
    },
  });
}

export function getBucketLocation(state: OssState, call: OssCall): ServiceResponse {
  allowBucket(call, "oss:GetBucketLocation");
  return {
    status: 200,
    headers: { "content-type": "application/xml" },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint>${state.location}</LocationConstraint>`,
  };
}
