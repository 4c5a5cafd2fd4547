// What RDS wrote into the backups bucket: listed page by page, and its lists read one at a time.
import { GetObjectCommand, ListObjectsV2Command, type S3Client } from "@aws-sdk/client-s3";
import { CausewayError } from "../shared/errors.ts";
import type { ExportedFile } from "./exports/read-export.ts";

/** 20 million objects: at a thousand a page, what one function reads in its time. */
const mostPages = 20_000;

export class ExportedFilesStore {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  /** In the order of keys. */
  async *list(prefix: string): AsyncGenerator<ExportedFile> {
    let ContinuationToken: string | undefined;
    for (let page = 0; page < mostPages; page += 1) {
      const answer = await this.#client.send(
        new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: prefix, ContinuationToken }),
      );
      for (const { Key = "", Size = 0 } of answer.Contents ?? []) yield { key: Key, bytes: Size };
      if (answer.IsTruncated !== true) return;
      ContinuationToken = answer.NextContinuationToken;
    }
    throw new CausewayError("ExportFailed", `More than ${mostPages * 1000} objects lie below ${prefix}.`);
  }

  async readText(key: string, mostBytes: number): Promise<string> {
    const answer = await this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key }));
    if ((answer.ContentLength ?? 0) > mostBytes) {
      throw new CausewayError("ExportFailed", `${key} has ${answer.ContentLength} bytes, more than ${mostBytes}.`);
    }
    return (await answer.Body?.transformToString()) ?? "";
  }
}
