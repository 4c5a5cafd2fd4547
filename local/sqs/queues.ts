// The queues of the local cloud and what a call does to them; sqs.ts is the front over it.
import type { z } from "zod";
import type { JsonCall } from "../gateway/json-service.ts";
import { parseInput } from "../gateway/parse-input.ts";
import type { QueueChange, SourceMessage } from "../gateway/ports.ts";
import type { ServiceContext } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import { checkEntryIds, eachEntry } from "./batch.ts";
import * as inputs from "./inputs.ts";
import { attributesDigest, bodyDigest } from "./message-digests.ts";
import type { Depths, MessageStore, Redrive, StoredMessage } from "./message-store.ts";
import type { BootQueue, Queue } from "./queue.ts";
import {
  checkMessage,
  largestBatchBytes,
  queueAttributes,
  queueOf,
  queueUrl,
  rendered,
  sourceMessage,
} from "./queue.ts";
import { handleOf, readHandle } from "./receipt-handle.ts";

const mostInFlight = 120_000;
const purgeCooldownMilliseconds = 60_000;

export class Queues {
  readonly #context: ServiceContext;
  readonly #messages: MessageStore;
  readonly #queues = new Map<string, Queue>();
  readonly #purgedAt = new Map<string, number>();
  /** Receives that wait, by queue name. */
  readonly #waiting = new Map<string, Set<() => void>>();
  /** Whoever watches a queue from inside the cloud, by queue name. */
  readonly #listeners = new Map<string, Set<(change: QueueChange) => void>>();
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

  /** Throws ServiceError QueueDoesNotExist. */
  byArn(queueArn: string): Queue {
    const prefix = this.#arnOf("");
    const queue = this.#queues.get(queueArn.startsWith(prefix) ? queueArn.slice(prefix.length) : "");
    if (!queue) throw queueDoesNotExist(queueArn);
    return queue;
  }

  all(): Queue[] {
    return [...this.#queues.values()];
  }

  sendFromInside(queueArn: string, body: string, attributes: Readonly<Record<string, string>>): void {
    const queue = this.byArn(queueArn);
    const typed = Object.entries(attributes).map(([name, value]) => [name, { DataType: "String", StringValue: value }]);
    this.#send(queue, { MessageBody: body, MessageAttributes: Object.fromEntries(typed) }, "AWS");
  }

  /** As ReceiveMessage, for an event source mapping, whose batch may be larger than ten. */
  take(queueArn: string, most: number): SourceMessage[] {
    const queue = this.byArn(queueArn);
    const received = this.#take(queue, { MaxNumberOfMessages: most });
    return received.map((message) => sourceMessage(message, handleOf(message)));
  }

  remove(queueArn: string, receiptHandle: string): void {
    this.#delete(this.byArn(queueArn), receiptHandle);
  }

  giveBack(queueArn: string, receiptHandle: string): void {
    const { name } = this.byArn(queueArn);
    const { messageId, receipt } = readHandle(receiptHandle);
    this.#messages.giveBack(name, messageId, receipt, this.#context.clock.now());
    this.arrived(name);
  }

  nextVisibleAt(queueArn: string): number | undefined {
    return this.#messages.nextVisibleAt(this.byArn(queueArn).name);
  }

  depths(queueArn: string): Depths {
    return this.#messages.depths(this.byArn(queueArn).name, this.#context.clock.now());
  }

  onChange(queueArn: string, listener: (change: QueueChange) => void): () => void {
    const { name } = this.byArn(queueArn);
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** Messages came into the queue, or became visible in it sooner. */
  arrived(queueName: string): void {
    for (const wake of this.#waiting.get(queueName) ?? []) wake();
    this.#tell(queueName, "arrival");
  }

  departed(queueName: string): void {
    this.#tell(queueName, "departure");
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
    return this.#hide(queue, input);
  }

  changeVisibilityBatch(body: unknown, call: JsonCall): object {
    const { queue, entries } = this.#openBatch(body, call, "ChangeMessageVisibility");
    const changes = entries.map((entry) => parse(inputs.visibilityEntry, entry));
    return eachEntry(changes, (change) => this.#hide(queue, change));
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
    this.departed(queue.name);
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
    this.arrived(queue.name);
    const MD5OfMessageAttributes = attributesDigest(attributes);
    return {
      MessageId,
      MD5OfMessageBody: bodyDigest(message.MessageBody),
      ...(MD5OfMessageAttributes === undefined ? {} : { MD5OfMessageAttributes }),
    };
  }

  #take(queue: Queue, input: Pick<inputs.ReceiveInput, "MaxNumberOfMessages" | "VisibilityTimeout">): StoredMessage[] {
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
    if (moved > 0 && how.redrive) this.arrived(how.redrive.deadLetterQueueName);
    if (moved + received.length > 0) this.departed(queue.name);
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

  #tell(queueName: string, change: QueueChange): void {
    for (const listener of this.#listeners.get(queueName) ?? []) listener(change);
  }

  #hide(queue: Queue, input: { readonly ReceiptHandle: string; readonly VisibilityTimeout: number }): object {
    const { messageId, receipt } = readHandle(input.ReceiptHandle);
    const now = this.#context.clock.now();
    if (!this.#messages.hide(queue.name, messageId, receipt, now + input.VisibilityTimeout * 1000, now)) {
      throw new ServiceError(400, "MessageNotInflight", "The message referred to isn't in flight.");
    }
    this.arrived(queue.name);
    return {};
  }

  #delete(queue: Queue, receiptHandle: string): object {
    const { messageId, receipt } = readHandle(receiptHandle);
    this.#messages.delete(queue.name, messageId, receipt);
    this.departed(queue.name);
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
