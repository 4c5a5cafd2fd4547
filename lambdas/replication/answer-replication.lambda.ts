// Entry: copies and exports as they are kept, with their receipts.
import { S3Client } from "@aws-sdk/client-s3";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { readEnvironment } from "../shared/environment.ts";
import { listCopies, showCopy } from "./api/show-copies.ts";
import { listExports, showExport } from "./api/show-exports.ts";
import { answerReplicationEnvironment } from "./config.ts";
import { CopiesStore } from "./copies.store.ts";
import { ExportsStore } from "./exports.store.ts";
import { ReceiptsStore } from "./receipts.store.ts";
import { routes } from "./routes.ts";

export const handler = defineRoutes({
  routes,
  entry: "answer-replication",
  build: () => {
    const environment = readEnvironment(answerReplicationEnvironment);
    const documents = documentClient();
    const receipts = new ReceiptsStore(new S3Client(smallCalls), environment.BACKUPS_BUCKET);
    return {
      copies: new CopiesStore(documents, environment.COPIES_TABLE),
      exports: new ExportsStore(documents, environment.EXPORTS_TABLE),
      readText: (key: string) => receipts.read(key),
    };
  },
  handlers: {
    listCopies: async ({ query }, { copies }) => ({
      data: await listCopies(query, (question) => copies.list(question)),
    }),
    getCopy: async ({ path }, { copies, readText }) => ({
      data: await showCopy(path.copyId, (copyId) => copies.read(copyId), readText),
    }),
    listExports: async ({ query }, { exports }) => ({
      data: await listExports(query, (options) => exports.list(options)),
    }),
    getExport: async ({ path }, { exports, readText }) => ({
      data: await showExport(path.exportId, (exportId) => exports.read(exportId), readText),
    }),
  },
});
