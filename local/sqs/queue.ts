// A queue's settings, what may be put into it, and how its messages and facts look to a client.
// Source: the SQS API reference; quotas as of 2026 (1 MiB per message and per batch).
import type { SourceMessage } from "../gateway/ports.ts";
import { ServiceError } from "../gateway/service.ts";
import type { MessageInput, ReceiveInput } from "./inputs.ts";
import { attributesDigest, bodyDigest, type MessageAttributes } from "./message-digests.ts";
import type { Depths, StoredMessage } from "./message-store.ts";

export interface BootQueue {
  readonly name: string;
  /** Default 30. */
  readonly visibilityTimeoutSeconds?: number;
  /** Default 0. */
  readonly delaySeconds?: number;
  /** Default four days. */
  readonly retentionSeconds?: number;
  /** Default 0: no long polling unless the call asks for it. */
  readonly receiveWaitSeconds?: number;
  /** Default 1 MiB. */
  readonly largestMessageBytes?: number;
  readonly redrive?: { readonly deadLetterQueueArn: string; readonly maximumReceiveCount: number };
}

export interface Queue extends Required<Omit<BootQueue, "redrive">> {
  readonly arn: string;
  readonly redrive: BootQueue["redrive"];
  readonly createdAtMilliseconds: number;
}

/** What a template's reference to a queue resolves to. */
export function queueUrl(gatewayUrl: string, accountId: string, queueName: string): string {
  return `${gatewayUrl}/${accountId}/${queueName}`;
}

export const largestBatchBytes = 1_048_576;
const mostAttributes = 10;

export function queueOf(boot: BootQueue, arn: string, createdAtMilliseconds: number): Queue {
  if (boot.name.endsWith(".fifo")) throw unsupported(`The local cloud has no FIFO queues (${boot.name}).`);
  if (!/^[\w-]{1,80}$/.test(boot.name)) throw invalid(`${boot.name} is no queue name.`);
  return {
    visibilityTimeoutSeconds: 30,
    delaySeconds: 0,
    retentionSeconds: 345_600,
    receiveWaitSeconds: 0,
    largestMessageBytes: 1_048_576,
    redrive: undefined,
    ...boot,
    arn,
    createdAtMilliseconds,
  };
}

/** Throws ServiceError InvalidMessageContents or InvalidParameterValue. Returns the message's size in bytes. */
export function checkMessage(message: MessageInput, queue: Queue): number {
  if (message.MessageBody === "") throw new ServiceError(400, "MissingParameter", "The MessageBody must not be empty.");
  // XML 1.0's characters, which SQS kept for its JSON protocol.
  if (/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.test(message.MessageBody)) {
    throw new ServiceError(400, "InvalidMessageContents", "The message contains characters outside the allowed set.");
  }
  const attributes = message.MessageAttributes ?? {};
  if (Object.keys(attributes).length > mostAttributes)
    throw invalid(`A message has at most ${mostAttributes} attributes.`);
  for (const [name, attribute] of Object.entries(attributes)) {
    const value = attribute.DataType.startsWith("Binary") ? attribute.BinaryValue : attribute.StringValue;
    if (!value) throw invalid(`The message attribute ${name} has no value of its type ${attribute.DataType}.`);
  }
  const bytes = messageBytes(message.MessageBody, attributes);
  if (bytes <= queue.largestMessageBytes) return bytes;
  throw invalid(
    `One or more parameters are invalid. Reason: Message must be shorter than ${queue.largestMessageBytes} bytes.`,
  );
}

function messageBytes(body: string, attributes: MessageAttributes): number {
  let bytes = Buffer.byteLength(body);
  for (const [name, { DataType, StringValue = "", BinaryValue = "" }] of Object.entries(attributes)) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(DataType) + Buffer.byteLength(StringValue);
    bytes += Buffer.byteLength(BinaryValue, "base64");
  }
  return bytes;
}

/** A message in an answer to ReceiveMessage. */
export function rendered(message: StoredMessage, receiptHandle: string, asked: ReceiveInput): object {
  const attributes = Object.fromEntries(
    Object.entries(message.attributes).filter(([name]) =>
      asked.MessageAttributeNames.some((wish) => covers(wish, name)),
    ),
  );
  const systemNames = [...asked.AttributeNames, ...asked.MessageSystemAttributeNames];
  const system = Object.entries(systemAttributes(message)).filter(
    ([name]) => systemNames.includes("All") || systemNames.includes(name),
  );
  return {
    MessageId: message.messageId,
    ReceiptHandle: receiptHandle,
    Body: message.body,
    MD5OfBody: bodyDigest(message.body),
    ...(system.length > 0 ? { Attributes: Object.fromEntries(system) } : {}),
    ...(Object.keys(attributes).length > 0
      ? { MessageAttributes: attributes, MD5OfMessageAttributes: attributesDigest(attributes) }
      : {}),
  };
}

/** A message as it stands in the record that a function gets, with all its attributes. */
export function sourceMessage(message: StoredMessage, receiptHandle: string): SourceMessage {
  const md5OfMessageAttributes = attributesDigest(message.attributes);
  return {
    messageId: message.messageId,
    receiptHandle,
    body: message.body,
    md5OfBody: bodyDigest(message.body),
    ...(md5OfMessageAttributes === undefined ? {} : { md5OfMessageAttributes }),
    attributes: systemAttributes(message),
    messageAttributes: message.attributes,
  };
}

/** `All`, `.*`, `prefix.*` or a name. */
function covers(wish: string, name: string): boolean {
  if (wish === "All" || wish === ".*") return true;
  return wish.endsWith(".*") ? name.startsWith(wish.slice(0, -2)) : wish === name;
}

function systemAttributes(message: StoredMessage): Readonly<Record<string, string>> {
  return {
    SenderId: message.senderId,
    SentTimestamp: String(Math.floor(message.sentAtMilliseconds)),
    ApproximateReceiveCount: String(message.receiveCount),
    ApproximateFirstReceiveTimestamp: String(Math.floor(message.firstReceivedAtMilliseconds)),
    ...(message.sourceQueueArn === undefined ? {} : { DeadLetterQueueSourceArn: message.sourceQueueArn }),
  };
}

/** All attributes of a queue, by the names of the API. */
export function queueAttributes(queue: Queue, depths: Depths): Readonly<Record<string, string>> {
  const createdAt = String(Math.floor(queue.createdAtMilliseconds / 1000));
  return {
    QueueArn: queue.arn,
    ApproximateNumberOfMessages: String(depths.visible),
    ApproximateNumberOfMessagesNotVisible: String(depths.inFlight),
    ApproximateNumberOfMessagesDelayed: String(depths.delayed),
    CreatedTimestamp: createdAt,
    LastModifiedTimestamp: createdAt,
    VisibilityTimeout: String(queue.visibilityTimeoutSeconds),
    MaximumMessageSize: String(queue.largestMessageBytes),
    MessageRetentionPeriod: String(queue.retentionSeconds),
    DelaySeconds: String(queue.delaySeconds),
    ReceiveMessageWaitTimeSeconds: String(queue.receiveWaitSeconds),
    SqsManagedSseEnabled: "true",
    ...(queue.redrive
      ? {
          RedrivePolicy: JSON.stringify({
            deadLetterTargetArn: queue.redrive.deadLetterQueueArn,
            maxReceiveCount: queue.redrive.maximumReceiveCount,
          }),
        }
      : {}),
  };
}

export function invalid(sentence: string): ServiceError {
  return new ServiceError(400, "InvalidParameterValue", sentence);
}

function unsupported(sentence: string): ServiceError {
  return new ServiceError(400, "UnsupportedOperation", sentence);
}
