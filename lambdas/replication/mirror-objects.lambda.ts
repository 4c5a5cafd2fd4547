// Entry: the mirror queue's messages. Small objects are mirrored here, large ones by the workflow.
import { randomUUID } from "node:crypto";
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { KMSClient } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import { SFNClient } from "@aws-sdk/client-sfn";
import { SQSClient } from "@aws-sdk/client-sqs";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { namedError } from "../shared/aws-errors.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { gatherEvents } from "../shared/gather-events.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { mirrorObjectsEnvironment } from "./config.ts";
import { ExecutionsStore } from "./executions.store.ts";
import { handleMessages } from "./mirror/handle-messages.ts";
import { openMirror } from "./mirror/open-mirror.ts";
import { queueBatchSchema } from "./mirror/read-message.ts";
import { MirrorStore } from "./mirror.store.ts";
import { MirrorQueueStore } from "./mirror-queue.store.ts";
import { MirrorRunsStore } from "./mirror-runs.store.ts";
import { ReceiptsStore } from "./receipts.store.ts";
import { SigningKeyStore } from "./signing-key.store.ts";
import { SourceObjectsStore } from "./source-objects.store.ts";
import { sources } from "./sources/index.ts";
import { openOss } from "./targets/open-oss.ts";

export const handler = makeHandler({
  input: queueBatchSchema,
  build: () => {
    const environment = readEnvironment(mirrorObjectsEnvironment);
    const [s3, states] = [new S3Client(smallCalls), new SFNClient(smallCalls)];
    const key = openMirror(environment, {
      mirror: new MirrorStore(documentClient(), environment.MIRROR_TABLE),
      objects: new SourceObjectsStore(s3, environment.BACKUPS_BUCKET),
      receipts: new ReceiptsStore(s3, environment.BACKUPS_BUCKET),
      signingKey: new SigningKeyStore(new KMSClient(smallCalls), environment.SIGNING_KEY_ID),
      runs: new MirrorRunsStore(states, new ExecutionsStore(states), environment.MIRROR_STATE_MACHINE_ARN),
      events: gatherEvents(
        eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication"),
      ),
      source: sources.s3(),
      target: openOss(environment),
      newMark: randomUUID,
      now: Date.now,
      random: Math.random,
      nameError: namedError,
      onOutcome: (outcome) => log.info("looked at a key", { ...outcome }),
      onLost: (error) => log.warn("the lease was not given back; it ends by itself", { error: String(error) }),
    });
    return { key, queue: new MirrorQueueStore(new SQSClient(smallCalls), environment.MIRROR_QUEUE_URL), environment };
  },
  run: async ({ Records }, { key, queue, environment }, { remainingMilliseconds }) => {
    using time = key.until(remainingMilliseconds());
    return handleMessages(Records, {
      bucket: environment.BACKUPS_BUCKET,
      mostReceives: environment.MOST_RECEIVES,
      keysAtOnce: environment.KEYS_AT_ONCE,
      signal: time.signal,
      work: time.mirror,
      delay: (message, seconds) => queue.delay(message.receiptHandle, seconds),
      nameError: namedError,
      onProblem: (error, message, sourceKey) =>
        log.error(String(error), { sourceKey, receives: message.attributes.ApproximateReceiveCount }),
      random: Math.random,
    });
  },
});
