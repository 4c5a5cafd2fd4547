// Registry of targets: the key is the name in configuration and receipts.
import { ossLimits, ossTarget } from "./oss.ts";
import { s3Limits, s3Target } from "./s3.ts";

export const targets = {
  s3: { open: s3Target, limits: s3Limits },
  oss: { open: ossTarget, limits: ossLimits },
} as const;
