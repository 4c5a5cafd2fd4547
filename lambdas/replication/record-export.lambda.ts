// Entry: reads what an export left in S3, and writes its signed receipt.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { KMSClient } from "@aws-sdk/client-kms";
import { RDSClient } from "@aws-sdk/client-rds";
import { S3Client } from "@aws-sdk/client-s3";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { recordExportEnvironment } from "./config.ts";
import { ExportTasksStore } from "./export-tasks.store.ts";
import { ExportedFilesStore } from "./exported-files.store.ts";
import { schemaOutcomeSchema } from "./exports/export-receipt.ts";
import { recordExport } from "./exports/record-export.ts";
import { exportLineSchema } from "./exports/snapshot.ts";
import { tellOfExport } from "./exports/tell-of-export.ts";
import { ExportsStore } from "./exports.store.ts";
import { ReceiptsStore } from "./receipts.store.ts";
import { SigningKeyStore } from "./signing-key.store.ts";

export const handler = makeHandler({
  input: z.object({
    runId: z.string(),
    executionArn: z.string(),
    line: exportLineSchema,
    taskId: z.string(),
    schema: schemaOutcomeSchema.nullable(),
  }),
  build: () => {
    const environment = readEnvironment(recordExportEnvironment);
    const documents = documentClient();
    const s3 = new S3Client(smallCalls);
    const bucket = environment.BACKUPS_BUCKET;
    const place = { bucket, roleArn: environment.EXPORT_ROLE_ARN, kmsKeyArn: environment.EXPORT_KEY_ARN };
    return {
      tasks: new ExportTasksStore(new RDSClient(smallCalls), place),
      files: new ExportedFilesStore(s3, bucket),
      receipts: new ReceiptsStore(s3, bucket),
      key: new SigningKeyStore(new KMSClient(smallCalls), environment.SIGNING_KEY_ID),
      exports: new ExportsStore(documents, environment.EXPORTS_TABLE),
      jobs: new JobsStore(documents, environment.JOBS_TABLE),
      events: eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication"),
    };
  },
  run: async (input, ports) => {
    const { runId, line } = input;
    const result = await recordExport({ ...input, exportId: line.exportId }, { ...ports, now: Date.now });
    await tellOfExport(input, result, {
      updateUnit: (changes) => ports.jobs.updateUnit(runId, line.exportId, changes),
      events: ports.events,
      now: Date.now,
    });
    const { taskId, tables, files, bytes, missingCount, receiptKey } = result;
    log.info("export recorded", { runId, taskId, tables, files, bytes, missingCount });
    return { exportId: line.exportId, taskId, tables, files, bytes, missingCount, receiptKey };
  },
});
