// SQS of the local cloud: standard queues. Source: the SQS API reference (JSON 1.0, `AmazonSQS.`).
import type { z } from "zod";
import { openDurableState } from "../gateway/durable-state.ts";
import { type JsonCall, jsonService } from "../gateway/json-service.ts";
import { parseInput } from "../gateway/parse-input.ts";
import type { QueuePort } from "../gateway/ports.ts";
import type { LocalService, ServiceContext } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import { checkEntryIds, eachEntry } from "./batch.ts";
import * as inputs from "./inputs.ts";
import { attributesDigest, bodyDigest } from "./message-digests.ts";
import { MessageStore, type Redrive, type StoredMessage } from "./message-store.ts";
import type { BootQueue, Queue } from "./queue.ts";
import { checkMessage, largestBatchBytes, queueAttributes, queueOf, rendered } from "./queue.ts";
import { handleOf, readHandle } from "./receipt-handle.ts";

export interface SqsService extends LocalService, QueuePort {
  /** Creates the queue, or changes its settings; messages of an earlier boot are in it still. */
  createQueue(queue: BootQueue): { readonly arn: string };
}

/** What a template's reference to a queue resolves to. */
export function queueUrl(gatewayUrl: string, accountId: string, queueName: string): string {
  return `${gatewayUrl}/${accountId}/${queueName}`;
}

const mostInFlight = 120_000;
const purgeCooldownMilliseconds = 60_000;

export function createSqsService(context: ServiceContext): SqsService {
  const database = openDurableState(context.stateDirectory, "sqs");
  const queues = new Queues(context, new MessageStore(database));
  const service = jsonService({
    name: "sqs",
    version: "1.0",
    targetPrefix: "AmazonSQS",
    operations: {
      SendMessage: (input, call) => queues.sendOne(input, call),
      SendMessageBatch: (input, call) => queues.sendBatch(input, call),
      ReceiveMessage: (input, call) => queues.receive(input, call),
      DeleteMessage: (input, call) => queues.deleteOne(input, call),
      DeleteMessageBatch: (input, call) => queues.deleteBatch(input, call),
      ChangeMessageVisibility: (input, call) => queues.changeVisibility(input, call),
      GetQueueUrl: (input, call) => queues.getUrl(input, call),
      GetQueueAttributes: (input, call) => queues.getAttributes(input, call),
      ListQueues: (input, call) => queues.list(input, call),
      PurgeQueue: (input, call) => queues.purge(input, call),
    },
    resourceOf: ({ QueueUrl, QueueName }) =>
      String(QueueUrl ?? QueueName ?? "")
        .split("/")
        .at(-1) ?? "",
    throttling: { status: 400, code: "RequestThrottled" },
    async close() {
      queues.close();
      database.close();
    },
  });
  return {
    ...service,
    createQueue: (queue) => queues.create(queue),
    sendMessage: (queueArn, body, attributes) => queues.sendFromInside(queueArn, body, attributes ?? {}),
  };
}

class Queues {
  readonly #context: ServiceContext;
  readonly #messages: MessageStore;
  readonly #queues = new Map<string, Queue>();
  readonly #purgedAt = new Map<string, number>();
  /** Receives that wait, by queue name. */
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #closing = new AbortController();

  constructor(context: ServiceContext, messages: MessageStore) {
    this.#context = context;
    this.#messages = messages;
  }

  create(boot: BootQueue): { arn: string } {
    const queue = queueOf(boot, this.#arnOf(boot.name), this.#context.clock.now());
    this.#queues.set(queue.name, queue);
    return { arn: queue.arn };
  }

  sendFromInside(queueArn: string, body: string, attributes: Readonly<Record<string, string>>): void {
    const prefix = this.#arnOf("");
    const queue = this.#queues.get(queueArn.startsWith(prefix) ? queueArn.slice(prefix.length) : "");
    if (!queue) throw queueDoesNotExist(queueArn);
    const typed = Object.entries(attributes).map(([name, value]) => [name, { DataType: "String", StringValue: value }]);
    this.#send(queue, { MessageBody: body, MessageAttributes: Object.fromEntries(typed) }, "AWS");
  }

  sendOne(body: unknown, call: JsonCall): object {
    const { QueueUrl, ...message } = parse(inputs.sendMessage, body);
    const queue = this.#find(QueueUrl, call, "SendMessage");
    return this.#send(queue, message, call.principal.arn);
  }

  sendBatch(body: unknown, call: JsonCall): object {
    const { queue, entries } = this.#openBatch(body, call, "SendMessage");
    const messages = entries.map((entry) => parse(inputs.sendEntry, entry));
    const bytes = messages.reduce((sum, message) => sum + Buffer.byteLength(message.MessageBody), 0);
    if (bytes > largestBatchBytes) {
      throw new ServiceError(
        400,
        "BatchRequestTooLong",
        `Batch requests cannot be longer than ${largestBatchBytes} bytes. You have sent ${bytes} bytes.`,
      );
    }
    return eachEntry(messages, ({ Id: _, ...message }) => this.#send(queue, message, call.principal.arn));
  }

  /** Waits in cloud time. A background wait: an idle-skipping clock must not race ahead of a patient consumer. */
  async receive(body: unknown, call: JsonCall): Promise<object> {
    const input = parse(inputs.receiveMessage, body);
    const queue = this.#find(input.QueueUrl, call, "ReceiveMessage");
    const { clock } = this.#context;
    const deadline = clock.now() + (input.WaitTimeSeconds ?? queue.receiveWaitSeconds) * 1000;
    for (;;) {
      const received = this.#take(queue, input);
      if (received.length > 0) {
        return { Messages: received.map((message) => rendered(message, handleOf(message), input)) };
      }
      const now = clock.now();
      if (now >= deadline) return {};
      const wakeAt = Math.min(deadline, this.#messages.nextVisibleAt(queue.name) ?? deadline);
      await this.#waitForMessage(queue.name, Math.max(1, wakeAt - now), call.request.signal);
    }
  }

  deleteOne(body: unknown, call: JsonCall): object {
    const input = parse(inputs.deleteMessage, body);
    const queue = this.#find(input.QueueUrl, call, "DeleteMessage");
    this.#delete(queue, input.ReceiptHandle);
    return {};
  }

  deleteBatch(body: unknown, call: JsonCall): object {
    const { queue, entries } = this.#openBatch(body, call, "DeleteMessage");
    const deletions = entries.map((entry) => parse(inputs.deleteEntry, entry));
    return eachEntry(deletions, ({ ReceiptHandle }) => this.#delete(queue, ReceiptHandle));
  }

  changeVisibility(body: unknown, call: JsonCall): object {
    const input = parse(inputs.changeVisibility, body);
    const queue = this.#find(input.QueueUrl, call, "ChangeMessageVisibility");
    const { messageId, receipt } = readHandle(input.ReceiptHandle);
    const now = this.#context.clock.now();
    if (!this.#messages.hide(queue.name, messageId, receipt, now + input.VisibilityTimeout * 1000, now)) {
      throw new ServiceError(400, "MessageNotInflight", "The message referred to isn't in flight.");
    }
    if (input.VisibilityTimeout === 0) this.#wake(queue.name);
    return {};
  }

  getUrl(body: unknown, call: JsonCall): object {
    const { QueueName, QueueOwnerAWSAccountId: owner } = parse(inputs.getQueueUrl, body);
    this.#context.authorize(call.principal, "sqs:GetQueueUrl", this.#arnOf(QueueName));
    const isOurs = owner === undefined || owner === this.#context.accountId;
    if (!isOurs || !this.#queues.has(QueueName)) throw queueDoesNotExist(QueueName);
    return { QueueUrl: this.#urlOf(QueueName, call) };
  }

  getAttributes(body: unknown, call: JsonCall): object {
    const input = parse(inputs.getQueueAttributes, body);
    const queue = this.#find(input.QueueUrl, call, "GetQueueAttributes");
    const now = this.#context.clock.now();
    this.#dropExpired(queue, now);
    const all = queueAttributes(queue, this.#messages.depths(queue.name, now));
    const isWanted = ([name]: [string, string]) =>
      input.AttributeNames.includes("All") || input.AttributeNames.includes(name);
    return { Attributes: Object.fromEntries(Object.entries(all).filter(isWanted)) };
  }

  list(body: unknown, call: JsonCall): object {
    const { QueueNamePrefix = "", MaxResults = 1000, NextToken = "" } = parse(inputs.listQueues, body);
    this.#context.authorize(call.principal, "sqs:ListQueues", this.#arnOf("*"));
    const wanted = [...this.#queues.keys()]
      .filter((name) => name.startsWith(QueueNamePrefix) && name > NextToken)
      .sort();
    const page = wanted.slice(0, MaxResults);
    return {
      QueueUrls: page.map((name) => this.#urlOf(name, call)),
      ...(page.length < wanted.length ? { NextToken: page.at(-1) } : {}),
    };
  }

  purge(body: unknown, call: JsonCall): object {
    const { QueueUrl } = parse(inputs.queueOnly, body);
    const queue = this.#find(QueueUrl, call, "PurgeQueue");
    const now = this.#context.clock.now();
    if (now - (this.#purgedAt.get(queue.name) ?? Number.NEGATIVE_INFINITY) < purgeCooldownMilliseconds) {
      throw new ServiceError(400, "PurgeQueueInProgress", "Only one PurgeQueue operation is allowed every 60 seconds.");
    }
    this.#purgedAt.set(queue.name, now);
    this.#messages.purge(queue.name);
    return {};
  }

  close(): void {
    this.#closing.abort(new ServiceError(503, "ServiceUnavailable", "The local cloud stops."));
  }

  #send(queue: Queue, message: inputs.MessageInput, senderId: string): object {
    checkMessage(message, queue);
    const attributes = message.MessageAttributes ?? {};
    const delaySeconds = message.DelaySeconds ?? queue.delaySeconds;
    const stored = { body: message.MessageBody, attributes, senderId };
    const MessageId = this.#messages.send(queue.name, stored, this.#context.clock.now(), delaySeconds);
    this.#wake(queue.name);
    const MD5OfMessageAttributes = attributesDigest(attributes);
    return {
      MessageId,
      MD5OfMessageBody: bodyDigest(message.MessageBody),
      ...(MD5OfMessageAttributes === undefined ? {} : { MD5OfMessageAttributes }),
    };
  }

  #take(queue: Queue, input: inputs.ReceiveInput): StoredMessage[] {
    const now = this.#context.clock.now();
    this.#dropExpired(queue, now);
    if (this.#messages.depths(queue.name, now).inFlight >= mostInFlight) {
      throw new ServiceError(403, "OverLimit", `More than ${mostInFlight} messages are in flight.`);
    }
    const how = {
      most: input.MaxNumberOfMessages,
      visibilitySeconds: input.VisibilityTimeout ?? queue.visibilityTimeoutSeconds,
      redrive: this.#redriveOf(queue),
    };
    const { received, moved } = this.#messages.receive(queue.name, how, now);
    if (moved > 0 && how.redrive) this.#wake(how.redrive.deadLetterQueueName);
    return received;
  }

  /** Undefined while the dead-letter queue does not exist: the message then stays where it is. */
  #redriveOf(queue: Queue): Redrive | undefined {
    const deadLetterQueueName = queue.redrive?.deadLetterQueueArn.split(":").at(-1) ?? "";
    if (!queue.redrive || !this.#queues.has(deadLetterQueueName)) return undefined;
    return {
      sourceQueueArn: queue.arn,
      deadLetterQueueName,
      maximumReceiveCount: queue.redrive.maximumReceiveCount,
    };
  }

  async #waitForMessage(queueName: string, milliseconds: number, callerGone: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    const waiting = this.#waiting.get(queueName) ?? new Set();
    this.#waiting.set(queueName, waiting.add(wake));
    try {
      const signal = AbortSignal.any([woken.signal, callerGone, this.#closing.signal]);
      await this.#context.clock.sleep(milliseconds, { background: true, signal });
    } catch (error) {
      if (!woken.signal.aborted || callerGone.aborted || this.#closing.signal.aborted) throw error;
    } finally {
      waiting.delete(wake);
    }
  }

  #wake(queueName: string): void {
    for (const wake of this.#waiting.get(queueName) ?? []) wake();
  }

  #delete(queue: Queue, receiptHandle: string): object {
    const { messageId, receipt } = readHandle(receiptHandle);
    this.#messages.delete(queue.name, messageId, receipt);
    return {};
  }

  #dropExpired(queue: Queue, nowMilliseconds: number): void {
    this.#messages.dropSentBefore(queue.name, nowMilliseconds - queue.retentionSeconds * 1000);
  }

  #openBatch(body: unknown, call: JsonCall, action: string) {
    const { QueueUrl, Entries } = parse(inputs.batch, body);
    const queue = this.#find(QueueUrl, call, action);
    checkEntryIds(Entries.map(({ Id }) => Id));
    return { queue, entries: Entries };
  }

  /** Permission comes before existence, as in AWS. */
  #find(url: string, call: JsonCall, action: string): Queue {
    const [, accountId, name = ""] = /^https?:\/\/[^/]+\/(\d+)\/([^/]+)$/.exec(url) ?? [];
    this.#context.authorize(call.principal, `sqs:${action}`, this.#arnOf(name));
    const queue = accountId === this.#context.accountId ? this.#queues.get(name) : undefined;
    if (queue) return queue;
    throw queueDoesNotExist(url);
  }

  #urlOf(name: string, call: JsonCall): string {
    return queueUrl(`http://${call.request.headers.host}`, this.#context.accountId, name);
  }

  #arnOf(name: string): string {
    return `arn:aws:sqs:${this.#context.region}:${this.#context.accountId}:${name}`;
  }
}

function parse<Schema extends z.ZodType>(schema: Schema, body: unknown): z.infer<Schema> {
  return parseInput(schema, body, "InvalidParameterValue");
}

function queueDoesNotExist(which: string): ServiceError {
  return new ServiceError(400, "QueueDoesNotExist", `The specified queue does not exist: ${which}`);
}
