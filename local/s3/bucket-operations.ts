// HeadBucket, GetBucketLocation, GetBucketVersioning. Buckets themselves come from the templates, not from the API.
import type { ServiceResponse } from "../gateway/service.ts";
import { allowBucket, type S3Call, type S3State, xmlResponse } from "./s3-call.ts";

export function headBucket(state: S3State, call: S3Call): ServiceResponse {
  allowBucket(state, call, "s3:ListBucket");
  return { status: 200, headers: { "x-amz-bucket-region": state.context.region } };
}

export function getBucketLocation(state: S3State, call: S3Call): ServiceResponse {
  allowBucket(state, call, "s3:GetBucketLocation");
  const { region } = state.context;
  // For reasons of age, us-east-1 is told by an empty element.
  const text = region === "us-east-1" ? "" : region;
  return {
    status: 200,
    headers: { "content-type": "application/xml" },
    body:
      '<?xml version="1.0" encoding="UTF-8"?>\n' +
      `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${text}</LocationConstraint>`,
  };
}

export function getBucketVersioning(state: S3State, call: S3Call): ServiceResponse {
  allowBucket(state, call, "s3:GetBucketVersioning");
  return xmlResponse("VersioningConfiguration", { Status: call.bucket.versioned ? "Enabled" : undefined });
}
