// Registry of sources: the key is the name in configuration, copies and receipts.
import { s3ObjectSource } from "./s3-object.ts";
import { signedUrlSource } from "./signed-url.ts";
import type { RangedSource } from "./source.ts";

export const sources = {
  "aliyun-rds": signedUrlSource,
  s3: s3ObjectSource,
} as const satisfies Record<string, () => RangedSource>;
