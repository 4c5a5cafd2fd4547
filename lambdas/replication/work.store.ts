// The work bucket: lists between the steps of a run. No list travels in a payload.
import { PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";

export class WorkStore {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  /** One JSON document a line, as a Distributed Map's item reader takes it. */
  async putLines(key: string, lines: readonly object[]): Promise<void> {
    const body = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
    await this.#client.send(
      new PutObjectCommand({ Bucket: this.#bucket, Key: key, Body: body, ContentType: "application/x-ndjson" }),
    );
  }
}
