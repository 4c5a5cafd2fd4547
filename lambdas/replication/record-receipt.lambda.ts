// Entry: writes the signed receipt of a completed copy.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { KMSClient } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { recordReceiptEnvironment } from "./config.ts";
import { CopiesStore } from "./copies.store.ts";
import { isVerified } from "./copy.ts";
import { ReceiptsStore } from "./receipts.store.ts";
import { recordReceipt } from "./record-receipt.ts";
import { SigningKeyStore } from "./signing-key.store.ts";

export const handler = makeHandler({
  input: z.object({ runId: z.string(), copyId: z.string(), executionArn: z.string() }),
  build: () => {
    const environment = readEnvironment(recordReceiptEnvironment);
    const documents = documentClient();
    return {
      copies: new CopiesStore(documents, environment.COPIES_TABLE),
      jobs: new JobsStore(documents, environment.JOBS_TABLE),
      receipts: new ReceiptsStore(new S3Client(smallCalls), environment.BACKUPS_BUCKET),
      events: eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication"),
      key: new SigningKeyStore(new KMSClient(smallCalls), environment.SIGNING_KEY_ID),
    };
  },
  run: async ({ runId, copyId, executionArn }, { copies, jobs, receipts, events, key: signingKey }) => {
    const result = await recordReceipt(
      { runId, copyId, executionArn },
      {
        read: (id) => copies.read(id),
        sign: (digest) => signingKey.sign(digest),
        writeOnce: (key, body) => receipts.writeOnce(key, body),
        finish: (id, arn, state, done) => copies.finish(id, arn, state, done),
      },
    );
    const outcome = isVerified(result.proof) ? "verified" : "copied-unverified";
    await jobs.updateUnit(runId, copyId, {
      phase: outcome,
      outcome,
      proof: result.proof,
      receiptKey: result.receiptKey,
      finishedAt: new Date().toISOString(),
    });
    const [, instanceId = "", backupId = ""] = copyId.split(":");
    const { bucket, key, bytes, proof, receiptKey } = result;
    await events.send("BackupReplicated", [
      { runId, copyId, instanceId, backupId, bucket, key, bytes, proof, receiptKey },
    ]);
    if (outcome === "copied-unverified") {
      await events.send("BackupUnverified", [{ runId, copyId, instanceId, backupId, key, receiptKey }]);
    }
    return { copyId, outcome, bytes, proof, key, receiptKey };
  },
});
