// Schema files in the backups bucket, written as they come: memory does not grow with them.
import { createHash } from "node:crypto";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";

/** A part of S3 is at least 5 MiB; nearly every schema is smaller, and is put in one go. */
const partBytes = 8 * 1024 ** 2;
const contentType = "application/sql; charset=utf-8";

export class SchemaFilesStore {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  /** Replaces what is there. When the pieces break off, nothing is written. */
  async write(key: string, pieces: AsyncIterable<string>): Promise<{ bytes: number; sha256: string }> {
    const sha256 = createHash("sha256");
    let bytes = 0;
    let upload: PartedUpload | undefined;
    try {
      let waiting: Buffer[] = [];
      let waitingBytes = 0;
      for await (const piece of pieces) {
        const buffer = Buffer.from(piece);
        sha256.update(buffer);
        bytes += buffer.length;
        waiting.push(buffer);
        waitingBytes += buffer.length;
        if (waitingBytes < partBytes) continue;
        upload ??= await PartedUpload.begin(this.#client, this.#bucket, key);
        await upload.add(Buffer.concat(waiting));
        waiting = [];
        waitingBytes = 0;
      }
      const rest = Buffer.concat(waiting);
      if (upload === undefined) await this.#put(key, rest);
      else await upload.complete(rest);
    } catch (error) {
      await upload?.abort();
      throw error;
    }
    return { bytes, sha256: sha256.digest("hex") };
  }

  async #put(key: string, body: Buffer): Promise<void> {
    await this.#client.send(
      new PutObjectCommand({
        Bucket: this.#bucket,
        Key: key,
        Body: body,
        ContentType: contentType,
        ChecksumAlgorithm: "SHA256",
      }),
    );
  }
}

class PartedUpload {
  readonly #client: S3Client;
  readonly #upload: { readonly Bucket: string; readonly Key: string; readonly UploadId: string | undefined };
  readonly #parts: { PartNumber: number; ETag: string | undefined }[] = [];

  private constructor(client: S3Client, upload: { Bucket: string; Key: string; UploadId: string | undefined }) {
    this.#client = client;
    this.#upload = upload;
  }

  static async begin(client: S3Client, Bucket: string, Key: string): Promise<PartedUpload> {
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ContentType: contentType }));
    return new PartedUpload(client, { Bucket, Key, UploadId });
  }

  async add(body: Buffer): Promise<void> {
    const PartNumber = this.#parts.length + 1;
    const { ETag } = await this.#client.send(new UploadPartCommand({ ...this.#upload, PartNumber, Body: body }));
    this.#parts.push({ PartNumber, ETag });
  }

  async complete(rest: Buffer): Promise<void> {
    if (rest.length > 0) await this.add(rest);
    await this.#client.send(
      new CompleteMultipartUploadCommand({ ...this.#upload, MultipartUpload: { Parts: this.#parts } }),
    );
  }

  async abort(): Promise<void> {
    // The bucket's lifecycle ends what cannot be ended now.
    await this.#client.send(new AbortMultipartUploadCommand(this.#upload)).catch(() => undefined);
  }
}
