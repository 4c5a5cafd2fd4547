// The objects that are mirrored, as S3 holds them now.
import { HeadObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { isErrorNamed } from "../shared/errors.ts";
import type { CurrentObject } from "./mirror/mirror-item.ts";

export class SourceObjectsStore {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  /** Null: no object is there, or its current version is a delete marker. */
  async current(key: string): Promise<CurrentObject | null> {
    try {
      const head = await this.#client.send(
        new HeadObjectCommand({ Bucket: this.#bucket, Key: key, ChecksumMode: "ENABLED" }),
      );
      return {
        versionId: head.VersionId ?? null,
        etag: head.ETag ?? "",
        sizeBytes: head.ContentLength ?? 0,
        crc64Nvme: head.ChecksumCRC64NVME ?? null,
        uploadMark: head.Metadata?.["causeway-upload"] ?? null,
      };
    } catch (error) {
      if (isErrorNamed(error, "NotFound", "NoSuchKey")) return null;
      throw error;
    }
  }
}
