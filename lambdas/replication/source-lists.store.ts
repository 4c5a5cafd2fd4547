// The lists of what lies in the backups bucket: its keys in order, and its folders.
import { ListObjectsV2Command, type S3Client } from "@aws-sdk/client-s3";
import type { ListPage } from "./reconcile/join-lists.ts";

/** S3's largest page. */
const mostListed = 1000;

export class SourceListsStore {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  /** The first keys behind `after` that begin with `prefix`. */
  async page(prefix: string, after: string | null, most = mostListed): Promise<ListPage> {
    const answer = await this.#client.send(
      new ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: prefix,
        MaxKeys: most,
        // XML cannot hold every letter that a key may have.
        EncodingType: "url",
        ...(after !== null && { StartAfter: after }),
      }),
    );
    return {
      objects: (answer.Contents ?? []).map(({ Key, ETag, Size, LastModified }) => ({
        key: decodeListed(Key ?? ""),
        etag: ETag ?? "",
        sizeBytes: Size ?? 0,
        modifiedAt: LastModified?.getTime() ?? 0,
      })),
      isLast: answer.IsTruncated !== true,
    };
  }

  /** Folders right below the prefix, as whole prefixes; of many the first `mostPages` pages. */
  async folders(prefix: string, mostPages: number): Promise<string[]> {
    const folders: string[] = [];
    let token: string | undefined;
    for (let page = 0; page < mostPages; page += 1) {
      const answer = await this.#client.send(
        new ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix: prefix,
          Delimiter: "/",
          EncodingType: "url",
          ...(token !== undefined && { ContinuationToken: token }),
        }),
      );
      folders.push(...(answer.CommonPrefixes ?? []).map(({ Prefix }) => decodeListed(Prefix ?? "")));
      token = answer.NextContinuationToken;
      if (token === undefined) break;
    }
    return folders;
  }
}

/** S3 encodes listed names as forms are: a space is "+". The SDK does not decode them. */
function decodeListed(name: string): string {
  return decodeURIComponent(name.replaceAll("+", "%20"));
}
