// Exported records in S3: a file is sent in parts while it is written, and is there only when it is whole.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import type { ByteSink } from "./formats/format.ts";

/** S3's smallest part but the last is 5 MiB. */
const partBytes = 8 * 1024 ** 2;

export interface UsageFile extends ByteSink {
  /** The bytes of the whole file. */
  finish(): Promise<number>;
  /** Nothing of it is left. */
  abort(): Promise<void>;
}

export class UsageFilesStore {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  /** What was at the key before is replaced when the file is finished. */
  open(key: string, contentType: string): UsageFile {
    const client = this.#client;
    const target = { Bucket: this.#bucket, Key: key };
    const parts: { ETag: string | undefined; PartNumber: number }[] = [];
    let uploadId: string | undefined;
    let waiting: Uint8Array[] = [];
    let waitingBytes = 0;
    let sentBytes = 0;

    async function sendPart(): Promise<void> {
      const Body = Buffer.concat(waiting);
      uploadId ??= (await client.send(new CreateMultipartUploadCommand({ ...target, ContentType: contentType })))
        .UploadId;
      const PartNumber = parts.length + 1;
      const { ETag } = await client.send(new UploadPartCommand({ ...target, UploadId: uploadId, PartNumber, Body }));
      parts.push({ ETag, PartNumber });
      sentBytes += Body.length;
      waiting = [];
      waitingBytes = 0;
    }

    return {
      async write(bytes) {
        waiting.push(bytes);
        waitingBytes += bytes.length;
        if (waitingBytes >= partBytes) await sendPart();
      },
      async finish() {
        if (uploadId === undefined) {
          const Body = Buffer.concat(waiting);
          await client.send(new PutObjectCommand({ ...target, ContentType: contentType, Body }));
          return Body.length;
        }
        if (waitingBytes > 0) await sendPart();
        const MultipartUpload = { Parts: parts };
        await client.send(new CompleteMultipartUploadCommand({ ...target, UploadId: uploadId, MultipartUpload }));
        return sentBytes;
      },
      async abort() {
        if (uploadId !== undefined)
          await client.send(new AbortMultipartUploadCommand({ ...target, UploadId: uploadId }));
      },
    };
  }
}
