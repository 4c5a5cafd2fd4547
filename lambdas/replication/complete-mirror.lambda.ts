// Entry: completes a large object in OSS, writes its receipt, and lets the key go.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { KMSClient } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { type EventDetail, eventSender } from "../shared/events.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { completeMirrorEnvironment } from "./config.ts";
import { completeMirror } from "./mirror/complete-mirror.ts";
import { jobOfCompletion } from "./mirror/report-mirror.ts";
import { MirrorStore } from "./mirror.store.ts";
import { MirrorQueueStore } from "./mirror-queue.store.ts";
import { PartLedgerStore } from "./part-ledger.store.ts";
import { ReceiptsStore } from "./receipts.store.ts";
import { SigningKeyStore } from "./signing-key.store.ts";
import { SourceObjectsStore } from "./source-objects.store.ts";
import { openOss } from "./targets/open-oss.ts";

export const handler = makeHandler({
  input: z.object({ runId: z.string(), sourceKey: z.string(), fence: z.number(), isUploaded: z.boolean() }),
  build: () => {
    const environment = readEnvironment(completeMirrorEnvironment);
    const [documents, s3] = [documentClient(), new S3Client(smallCalls)];
    const ledger = new PartLedgerStore(documents, environment.PART_LEDGER_TABLE);
    const receipts = new ReceiptsStore(s3, environment.BACKUPS_BUCKET);
    const key = new SigningKeyStore(new KMSClient(smallCalls), environment.SIGNING_KEY_ID);
    const objects = new SourceObjectsStore(s3, environment.BACKUPS_BUCKET);
    const queue = new MirrorQueueStore(new SQSClient(smallCalls), environment.MIRROR_QUEUE_URL);
    const events = eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication");
    const { BACKUPS_BUCKET: sourceBucket, OSS_REGION: ossRegion, OSS_BUCKET: ossBucket } = environment;
    const ports = {
      places: { sourceBucket, ossRegion, ossBucket },
      target: openOss(environment),
      mirror: new MirrorStore(documents, environment.MIRROR_TABLE),
      events: { mirrored: (detail: EventDetail<"ObjectMirrored">) => events.send("ObjectMirrored", [detail]) },
      current: (sourceKey: string) => objects.current(sourceKey),
      enqueue: (sourceKey: string) => queue.send(sourceKey),
      readLedger: (mark: string, first: number, last: number) => ledger.read(mark, first, last),
      readReceipt: (receiptKey: string) => receipts.read(receiptKey),
      writeReceipt: (receiptKey: string, body: string) => receipts.writeOnce(receiptKey, body),
      sign: (digest: Buffer) => key.sign(digest),
      now: Date.now,
    };
    return { ports, jobs: new JobsStore(documents, environment.JOBS_TABLE) };
  },
  run: async ({ runId, ...held }, { ports, jobs }) => {
    const completed = await completeMirror(held, ports);
    const at = new Date().toISOString();
    const { outcome, receiptKey } = completed;
    if (held.isUploaded) {
      const receipt = receiptKey === null ? {} : { receiptKey };
      await jobs.updateUnit(runId, held.sourceKey, { phase: outcome, outcome, finishedAt: at, ...receipt });
    }
    await jobs.updateJob(runId, jobOfCompletion(completed, at));
    return completed;
  },
});
