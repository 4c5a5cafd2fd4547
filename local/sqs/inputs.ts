// What each operation of SQS takes. A member that is not listed (FIFO's among them) is refused by name.
import { z } from "zod";

const queueUrl = z.string().min(1);

const attribute = z.strictObject({
  DataType: z
    .string()
    .regex(/^(String|Number|Binary)(\..+)?$/, "must be String, Number or Binary, with an optional label"),
  StringValue: z.string().min(1).optional(),
  BinaryValue: z.base64().optional(),
});

const message = {
  MessageBody: z.string(),
  DelaySeconds: z.int().min(0).max(900).optional(),
  MessageAttributes: z.record(z.string().min(1).max(256), attribute).optional(),
};

const deletion = { ReceiptHandle: z.string().min(1) };
const visibility = { ...deletion, VisibilityTimeout: z.int().min(0).max(43_200) };
const entryId = { Id: z.string() };

export const sendMessage = z.strictObject({ QueueUrl: queueUrl, ...message });
export const sendEntry = z.strictObject({ ...entryId, ...message });
export const deleteMessage = z.strictObject({ QueueUrl: queueUrl, ...deletion });
export const deleteEntry = z.strictObject({ ...entryId, ...deletion });
export const changeVisibility = z.strictObject({ QueueUrl: queueUrl, ...visibility });
export const visibilityEntry = z.strictObject({ ...entryId, ...visibility });
export const batch = z.strictObject({ QueueUrl: queueUrl, Entries: z.array(z.looseObject(entryId)) });
export const queueOnly = z.strictObject({ QueueUrl: queueUrl });

export const receiveMessage = z.strictObject({
  QueueUrl: queueUrl,
  MaxNumberOfMessages: z.int().min(1).max(10).default(1),
  VisibilityTimeout: z.int().min(0).max(43_200).optional(),
  WaitTimeSeconds: z.int().min(0).max(20).optional(),
  AttributeNames: z.array(z.string()).default([]),
  MessageSystemAttributeNames: z.array(z.string()).default([]),
  MessageAttributeNames: z.array(z.string()).default([]),
});

export const getQueueUrl = z.strictObject({
  QueueName: z.string().min(1),
  QueueOwnerAWSAccountId: z.string().optional(),
});

export const getQueueAttributes = z.strictObject({
  QueueUrl: queueUrl,
  AttributeNames: z.array(z.string()).default([]),
});

export const listQueues = z.strictObject({
  QueueNamePrefix: z.string().optional(),
  MaxResults: z.int().min(1).max(1000).optional(),
  NextToken: z.string().optional(),
});

const queueArn = z.string().regex(/^arn:aws:sqs:[^:]+:\d{12}:[\w-]{1,80}$/, "is not the ARN of a queue");

export const startMove = z.strictObject({
  SourceArn: queueArn,
  DestinationArn: queueArn.optional(),
  MaxNumberOfMessagesPerSecond: z.int().min(1).max(500).optional(),
});
export const listMoves = z.strictObject({ SourceArn: queueArn, MaxResults: z.int().min(1).max(10).default(1) });
export const cancelMove = z.strictObject({ TaskHandle: z.string().min(1) });

export type MessageInput = Omit<z.output<typeof sendMessage>, "QueueUrl">;
export type ReceiveInput = z.output<typeof receiveMessage>;
