// What a message of the mirror's queue means: a hint that a key may have changed, from S3 or from Causeway itself.
import * as z from "zod";
import { CausewayError } from "../../shared/errors.ts";

/** What Lambda hands over of a batch of messages. */
export const queueBatchSchema = z.object({
  Records: z
    .array(
      z.object({
        messageId: z.string(),
        receiptHandle: z.string(),
        body: z.string(),
        attributes: z.object({ ApproximateReceiveCount: z.coerce.number().int().min(1) }),
      }),
    )
    .max(10_000),
});

export type QueueMessage = z.infer<typeof queueBatchSchema>["Records"][number];

/** S3's, as EventBridge delivers it: the key is not encoded there. */
const objectEvent = z.object({
  source: z.literal("aws.s3"),
  time: z.iso.datetime({ offset: true }),
  detail: z.object({ bucket: z.object({ name: z.string() }), object: z.object({ key: z.string().min(1) }) }),
});

/** A copy has its receipt now: the mirror's may point at it. */
const copyEvent = z.object({
  "detail-type": z.literal("BackupReplicated"),
  time: z.iso.datetime({ offset: true }),
  detail: z.object({ bucket: z.string(), key: z.string().min(1) }),
});

const ownMessage = z.strictObject({ sourceKey: z.string().min(1), again: z.boolean().optional() });

export interface Hint {
  readonly sourceKey: string;
  readonly since?: string;
  readonly again?: boolean;
}

/** Throws `InputInvalid` for what is none of the three, or tells of another bucket. */
export function readMessage(body: string, bucket: string): Hint {
  const message = parseJson(body);
  const event = objectEvent.safeParse(message);
  if (event.success)
    return hintOf(event.data.detail.object.key, event.data.detail.bucket.name, event.data.time, bucket);
  const copied = copyEvent.safeParse(message);
  if (copied.success) return hintOf(copied.data.detail.key, copied.data.detail.bucket, copied.data.time, bucket);
  const own = ownMessage.safeParse(message);
  if (!own.success)
    throw new CausewayError("InputInvalid", "A message is neither an event of an object nor {sourceKey}.");
  return { sourceKey: own.data.sourceKey, ...(own.data.again === undefined ? {} : { again: own.data.again }) };
}

function hintOf(sourceKey: string, from: string, time: string, bucket: string): Hint {
  if (from !== bucket) throw new CausewayError("InputInvalid", `A message tells of the bucket ${from}.`);
  return { sourceKey, since: new Date(Date.parse(time)).toISOString() };
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
