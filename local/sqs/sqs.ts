// SQS of the local cloud: standard queues. Source: the SQS API reference (JSON 1.0, `AmazonSQS.`).
import { openDurableState } from "../gateway/durable-state.ts";
import { jsonService } from "../gateway/json-service.ts";
import type { QueuePort, QueueSourcePort } from "../gateway/ports.ts";
import type { LocalService, ServiceContext } from "../gateway/service.ts";
import { type Depths, MessageStore } from "./message-store.ts";
import { MoveTasks } from "./move-tasks.ts";
import type { BootQueue } from "./queue.ts";
import { Queues } from "./queues.ts";

export interface SqsService extends LocalService, QueuePort, QueueSourcePort {
  /** Creates the queue, or changes its settings; messages of an earlier boot are in it still. */
  createQueue(queue: BootQueue): { readonly arn: string };
  /** Goes on with the moves of an earlier process. Call once all queues are there. */
  start(): void;
  /** Throws ServiceError QueueDoesNotExist. */
  depths(queueArn: string): Depths;
}

export function createSqsService(context: ServiceContext): SqsService {
  const database = openDurableState(context.stateDirectory, "sqs");
  const messages = new MessageStore(database);
  const queues = new Queues(context, messages);
  const moves = new MoveTasks(context, { database, messages, queues });
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
      ChangeMessageVisibilityBatch: (input, call) => queues.changeVisibilityBatch(input, call),
      GetQueueUrl: (input, call) => queues.getUrl(input, call),
      GetQueueAttributes: (input, call) => queues.getAttributes(input, call),
      ListQueues: (input, call) => queues.list(input, call),
      PurgeQueue: (input, call) => queues.purge(input, call),
      StartMessageMoveTask: (input, call) => moves.begin(input, call),
      ListMessageMoveTasks: (input, call) => moves.list(input, call),
      CancelMessageMoveTask: (input, call) => moves.cancel(input, call),
    },
    resourceOf: ({ QueueUrl, QueueName, SourceArn }) =>
      String(QueueUrl ?? QueueName ?? SourceArn ?? "")
        .split(/[/:]/)
        .at(-1) ?? "",
    throttling: { status: 400, code: "RequestThrottled" },
    async close() {
      queues.close();
      await moves.close();
      database.close();
    },
  });
  return {
    ...service,
    createQueue: (queue) => queues.create(queue),
    start: () => moves.resume(),
    sendMessage: (queueArn, body, attributes) => queues.sendFromInside(queueArn, body, attributes ?? {}),
    visibilityTimeoutSeconds: (queueArn) => queues.byArn(queueArn).visibilityTimeoutSeconds,
    take: (queueArn, most) => queues.take(queueArn, most),
    remove: (queueArn, receiptHandle) => queues.remove(queueArn, receiptHandle),
    giveBack: (queueArn, receiptHandle) => queues.giveBack(queueArn, receiptHandle),
    nextVisibleAt: (queueArn) => queues.nextVisibleAt(queueArn),
    depths: (queueArn) => queues.depths(queueArn),
    onChange: (queueArn, listener) => queues.onChange(queueArn, listener),
  };
}
