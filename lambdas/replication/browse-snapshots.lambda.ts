// Entry: which snapshots RDS has now, and what the next run would do with each.
import { RDSClient } from "@aws-sdk/client-rds";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { readEnvironment } from "../shared/environment.ts";
import { browseSnapshots } from "./api/browse-snapshots.ts";
import { browseSnapshotsEnvironment } from "./config.ts";
import { ExportsStore } from "./exports.store.ts";
import { routes } from "./routes.ts";
import { SnapshotsStore } from "./snapshots.store.ts";

export const handler = defineRoutes({
  routes,
  entry: "browse-snapshots",
  build: () => {
    const { EXPORTS_TABLE, EXPORT_SETTINGS, ACCOUNT_ID, REGION } = readEnvironment(browseSnapshotsEnvironment);
    const exports = new ExportsStore(documentClient(), EXPORTS_TABLE);
    return {
      settings: EXPORT_SETTINGS && { ...EXPORT_SETTINGS, accountId: ACCOUNT_ID, region: REGION },
      ports: {
        snapshots: new SnapshotsStore(new RDSClient(smallCalls)),
        knownExports: (exportIds: readonly string[]) => exports.readMany(exportIds),
        now: Date.now,
      },
    };
  },
  handlers: {
    browseSnapshots: async ({ query }, { settings, ports }) => ({
      data: await browseSnapshots(query, settings, ports),
    }),
  },
});
