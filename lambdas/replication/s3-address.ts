// The address of one version of an object in S3, as a source takes it: `s3://bucket/key?versionId=…`, each part encoded.
import { CausewayError } from "../shared/errors.ts";

export interface S3Address {
  readonly bucket: string;
  readonly key: string;
  /** Null where the bucket keeps no versions. */
  readonly versionId: string | null;
}

export function s3AddressOf({ bucket, key, versionId }: S3Address): string {
  const path = key.split("/").map(encodeURIComponent).join("/");
  return `s3://${bucket}/${path}${versionId === null ? "" : `?versionId=${encodeURIComponent(versionId)}`}`;
}

/** Throws `InputInvalid` for anything else. By hand: `URL` would resolve `.` and `..`, which a key may have. */
export function parseS3Address(address: string): S3Address {
  const [, bucket, path, versionId] = /^s3:\/\/([^/?]+)\/([^?]+)(?:\?versionId=(.+))?$/.exec(address) ?? [];
  if (bucket === undefined || path === undefined) {
    throw new CausewayError("InputInvalid", "This is no address of an object in S3.");
  }
  return {
    bucket,
    key: path.split("/").map(decodeURIComponent).join("/"),
    versionId: versionId === undefined ? null : decodeURIComponent(versionId),
  };
}
