// Entry: compares one shard of what is mirrored, as far as this invocation's time reaches, and puts right what differs.
import { randomUUID } from "node:crypto";
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { KMSClient } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import { SFNClient } from "@aws-sdk/client-sfn";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { namedError } from "../shared/aws-errors.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { gatherEvents } from "../shared/gather-events.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { reconcilePartEnvironment } from "./config.ts";
import { ExecutionsStore } from "./executions.store.ts";
import { MirrorStore } from "./mirror.store.ts";
import { MirrorRunsStore } from "./mirror-runs.store.ts";
import { ReceiptsStore } from "./receipts.store.ts";
import { openReconciliation } from "./reconcile/open-reconciliation.ts";
import { shardInputSchema } from "./reconcile/shard-input.ts";
import { SigningKeyStore } from "./signing-key.store.ts";
import { SourceListsStore } from "./source-lists.store.ts";
import { SourceObjectsStore } from "./source-objects.store.ts";
import { sources } from "./sources/index.ts";
import { openOss } from "./targets/open-oss.ts";
import { openOssContents, ossSegmentBytes } from "./targets/oss-contents.ts";
import { WorkStore } from "./work.store.ts";

export const handler = makeHandler({
  input: shardInputSchema.extend({ runId: z.string() }),
  build: () => {
    const environment = readEnvironment(reconcilePartEnvironment);
    const documents = documentClient();
    const [s3, states] = [new S3Client(smallCalls), new SFNClient(smallCalls)];
    const jobs = new JobsStore(documents, environment.JOBS_TABLE);
    const lists = new SourceListsStore(s3, environment.BACKUPS_BUCKET);
    const work = new WorkStore(s3, environment.WORK_BUCKET);
    return openReconciliation(environment, {
      mirror: new MirrorStore(documents, environment.MIRROR_TABLE),
      objects: new SourceObjectsStore(s3, environment.BACKUPS_BUCKET),
      receipts: new ReceiptsStore(s3, environment.BACKUPS_BUCKET),
      signingKey: new SigningKeyStore(new KMSClient(smallCalls), environment.SIGNING_KEY_ID),
      runs: new MirrorRunsStore(states, new ExecutionsStore(states), environment.MIRROR_STATE_MACHINE_ARN),
      events: gatherEvents(
        eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication"),
      ),
      source: sources.s3(),
      target: openOss(environment),
      contents: openOssContents(environment),
      ossSegmentBytes,
      listS3: (prefix, after) => lists.page(prefix, after),
      putLines: (key, lines) => work.putLines(key, lines),
      updateUnit: (runId, unitId, changes) => jobs.updateUnit(runId, unitId, changes),
      nameError: namedError,
      newMark: randomUUID,
      now: Date.now,
      random: Math.random,
      onOutcome: (outcome) => log.info("looked at a key", { ...outcome }),
      onLost: (error) => log.warn("a lease or a report was lost", { error: String(error) }),
    });
  },
  run: async (input, runRound, { remainingMilliseconds }) => {
    const round = await runRound(input, remainingMilliseconds);
    log.info("shard compared", { shard: input.shard.number, ...round });
    return round;
  },
});
