// Registry of sources: the key is the inventory's name in configuration, copies and receipts.
import { signedUrlSource } from "./signed-url.ts";
import type { RangedSource } from "./source.ts";

export const sources = {
  "aliyun-rds": signedUrlSource,
} as const satisfies Record<string, () => RangedSource>;
