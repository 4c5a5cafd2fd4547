// How far the mirror is, read from three places that know nothing of one another: S3's list, the Mirror table, and OSS.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { DynamoDBDocumentClient, ScanCommand } from "@aws-sdk/lib-dynamodb";
import * as z from "zod";
import type { LocalCloud } from "../cloud.ts";

const itemSchema = z.object({
  sourceKey: z.string(),
  targetKey: z.string(),
  mirrored: z
    .object({
      s3Etag: z.string(),
      bytes: z.number(),
      crc64: z.string(),
      at: z.string(),
      receiptKey: z.string().nullable(),
    })
    .optional(),
  run: z.object({ name: z.string() }).optional(),
  lastError: z.object({ error: z.string(), cause: z.string() }).optional(),
});

export type MirrorEntry = z.infer<typeof itemSchema>;

export interface SourceObject {
  readonly key: string;
  readonly bytes: number;
  /** Undefined: the mirror has not heard of it. */
  readonly entry: MirrorEntry | undefined;
  /** The current bytes are in OSS, as far as the table says. */
  readonly isMirrored: boolean;
}

/** What is configured of the mirror, as its function is told it. */
export interface MirrorPlace {
  readonly bucket: string;
  readonly region: string;
  readonly mappings: readonly { readonly from: string; readonly to: string }[];
}

const placeSchema = z.object({ OSS_BUCKET: z.string(), OSS_REGION: z.string(), MIRROR_MAPPINGS: z.string() });
const mappingsSchema = z.array(z.object({ from: z.string(), to: z.string() }));

export function readPlace(cloud: LocalCloud): MirrorPlace {
  const { Environment } = cloud.resource("MirrorObjects/Function").properties;
  const { Variables } = z.object({ Variables: placeSchema }).parse(Environment);
  return {
    bucket: Variables.OSS_BUCKET,
    region: Variables.OSS_REGION,
    mappings: mappingsSchema.parse(JSON.parse(Variables.MIRROR_MAPPINGS)),
  };
}

/** Reads S3's list and the table anew each time. */
export function mirrorReader(cloud: LocalCloud, { mappings }: MirrorPlace): () => Promise<SourceObject[]> {
  const s3 = new S3Client(cloud.clientConfig());
  const documents = DynamoDBDocumentClient.from(new DynamoDBClient(cloud.clientConfig()));
  const Bucket = cloud.output("BackupsBucketName");
  const TableName = cloud.output("MirrorTableName");
  return async () => {
    const entries = await readEntries(documents, TableName);
    const objects: SourceObject[] = [];
    for (const { from } of mappings) {
      for (const { Key = "", Size = 0, ETag = "" } of await listAll(s3, Bucket, from)) {
        const entry = entries.get(Key);
        const isMirrored = entry?.mirrored !== undefined && bare(entry.mirrored.s3Etag) === bare(ETag);
        objects.push({ key: Key, bytes: Size, entry, isMirrored });
      }
    }
    return objects;
  };
}

async function listAll(s3: S3Client, Bucket: string, Prefix: string) {
  const found = [];
  for (let token: string | undefined; ; ) {
    const page = await s3.send(
      new ListObjectsV2Command({ Bucket, Prefix, ...(token && { ContinuationToken: token }) }),
    );
    found.push(...(page.Contents ?? []));
    token = page.NextContinuationToken;
    if (!token) return found;
  }
}

async function readEntries(documents: DynamoDBDocumentClient, TableName: string): Promise<Map<string, MirrorEntry>> {
  const entries = new Map<string, MirrorEntry>();
  for (let start: Record<string, unknown> | undefined; ; ) {
    const page = await documents.send(new ScanCommand({ TableName, ...(start && { ExclusiveStartKey: start }) }));
    for (const raw of page.Items ?? []) {
      const entry = itemSchema.parse(raw);
      entries.set(entry.sourceKey, entry);
    }
    start = page.LastEvaluatedKey;
    if (!start) return entries;
  }
}

function bare(etag: string): string {
  return etag.replaceAll('"', "");
}

export interface TargetFacts {
  readonly bytes: number;
  readonly crc64: string | undefined;
}

/** Asks OSS itself, by its official client. Undefined: it has no such object. */
export async function ossReader(
  cloud: LocalCloud,
  { bucket, region }: MirrorPlace,
): Promise<(key: string) => Promise<TargetFacts | undefined>> {
  const { default: OSS } = await import("ali-oss");
  const { accessKeyId, accessKeySecret } = cloud.oss.credentials;
  // `sldEnable`, the bucket in the path, is missing in the published types.
  const options = { accessKeyId, accessKeySecret, bucket, region, endpoint: cloud.oss.url, sldEnable: true };
  const client = new OSS({ ...options, authorizationV4: true });
  return async (key) => {
    try {
      const { res } = await client.head(key);
      const headers = res.headers as Readonly<Record<string, string | undefined>>;
      return { bytes: Number(headers["content-length"]), crc64: headers["x-oss-hash-crc64ecma"] };
    } catch (error) {
      if ((error as { status?: unknown }).status === 404) return undefined;
      throw error;
    }
  };
}
