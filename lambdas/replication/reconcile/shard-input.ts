// What the workflow hands to a round of a shard: the shard's line, and what the round before gave back.
import * as z from "zod";

const sum = z.object({ bytes: z.number(), crc64: z.string(), crc64Nvme: z.string() });

const shard = z.object({
  number: z.number(),
  s3Prefix: z.string(),
  ossPrefix: z.string(),
  after: z.string().nullable(),
  upTo: z.string().nullable(),
});

const progress = z.object({
  after: z.string().nullable(),
  done: z.array(z.string()),
  reading: z
    .object({
      sourceKey: z.string(),
      versionId: z.string().nullable(),
      s3Etag: z.string(),
      ossEtag: z.string(),
      s3: sum,
      oss: sum,
    })
    .nullable(),
  counts: z.record(z.string(), z.number()),
  reports: z.number(),
  samples: z.array(z.string()),
  tries: z.number(),
  outages: z.number(),
});

export const shardInputSchema = z.object({
  shard,
  readData: z.boolean(),
  progress: progress.nullable(),
  idleRounds: z.number(),
});
