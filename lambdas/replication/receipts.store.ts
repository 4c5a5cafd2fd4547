// Receipts in the backups bucket: written once, never replaced, outside every mirrored prefix.
import { GetObjectCommand, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { isErrorNamed } from "../shared/errors.ts";

export class ReceiptsStore {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  /** Writes unless there is one; returns the text that is there in the end. */
  async writeOnce(key: string, body: string): Promise<string> {
    try {
      await this.#client.send(
        new PutObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          Body: body,
          ContentType: "application/json",
          ChecksumAlgorithm: "SHA256",
          IfNoneMatch: "*",
        }),
      );
      return body;
    } catch (error) {
      if (!isErrorNamed(error, "PreconditionFailed", "ConditionalRequestConflict")) throw error;
      return (await this.read(key)) ?? "";
    }
  }

  /** The text of a receipt; undefined when there is none (yet). */
  async read(key: string): Promise<string | undefined> {
    try {
      const answer = await this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key }));
      return await answer.Body?.transformToString();
    } catch (error) {
      if (isErrorNamed(error, "NoSuchKey", "NotFound")) return undefined;
      throw error;
    }
  }
}
