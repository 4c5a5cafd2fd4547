// Entry: the queue of deletions, which only a stage with mirrorDeletes has.
import { randomUUID } from "node:crypto";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { namedError } from "../shared/aws-errors.ts";
import { readEnvironment } from "../shared/environment.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { mirrorDeletesEnvironment } from "./config.ts";
import { handleMessages } from "./mirror/handle-messages.ts";
import { mirrorDelete } from "./mirror/mirror-delete.ts";
import { queueBatchSchema } from "./mirror/read-message.ts";
import { MirrorStore } from "./mirror.store.ts";
import { MirrorQueueStore } from "./mirror-queue.store.ts";
import { SourceObjectsStore } from "./source-objects.store.ts";
import { openOssRemover } from "./targets/oss-deletes.ts";

export const handler = makeHandler({
  input: queueBatchSchema,
  build: () => {
    const environment = readEnvironment(mirrorDeletesEnvironment);
    const sqs = new SQSClient(smallCalls);
    const objects = new SourceObjectsStore(new S3Client(smallCalls), environment.BACKUPS_BUCKET);
    const mirrorQueue = new MirrorQueueStore(sqs, environment.MIRROR_QUEUE_URL);
    const ports = {
      mappings: environment.MIRROR_MAPPINGS,
      mirror: new MirrorStore(documentClient(), environment.MIRROR_TABLE),
      remover: openOssRemover(environment),
      current: (sourceKey: string) => objects.current(sourceKey),
      enqueue: (sourceKey: string) => mirrorQueue.send(sourceKey),
      newHolder: randomUUID,
      now: Date.now,
    };
    return { ports, queue: new MirrorQueueStore(sqs, environment.DELETES_QUEUE_URL), environment };
  },
  run: async ({ Records }, { ports, queue, environment }, { remainingMilliseconds, signalAfter }) => {
    const endsAt = Date.now() + remainingMilliseconds();
    return handleMessages(Records, {
      bucket: environment.BACKUPS_BUCKET,
      mostReceives: environment.MOST_RECEIVES,
      // One after the other: deletions are few, and nobody waits for them.
      keysAtOnce: 1,
      signal: signalAfter(0.5),
      work: async ({ sourceKey }) => {
        const outcome = await mirrorDelete(sourceKey, { ...ports, lastWriteAt: () => endsAt });
        log.info("looked at a deleted key", { sourceKey, outcome });
      },
      delay: (message, seconds) => queue.delay(message.receiptHandle, seconds),
      nameError: namedError,
      onProblem: (error, _message, sourceKey) => log.error(String(error), { sourceKey }),
      random: Math.random,
    });
  },
});
