// Entry: what Aliyun has now. A function of its own, for the vendor's SDK is large.
import { documentClient } from "../shared/aws-clients.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { readEnvironment } from "../shared/environment.ts";
import { browseBackups } from "./api/browse-backups.ts";
import { browseAliyunEnvironment } from "./config.ts";
import { CopiesStore } from "./copies.store.ts";
import { inventories } from "./inventories/index.ts";
import { routes } from "./routes.ts";
import { s3Limits } from "./targets/s3.ts";

export const handler = defineRoutes({
  routes,
  entry: "browse-aliyun",
  build: () => {
    const environment = readEnvironment(browseAliyunEnvironment);
    const copies = new CopiesStore(documentClient(), environment.COPIES_TABLE);
    return {
      settings: {
        instanceIds: environment.INSTANCE_IDS.split(",").filter((id) => id !== ""),
        windowHours: environment.WINDOW_HOURS,
        maximumAgeHours: environment.MAXIMUM_AGE_HOURS,
        includeDeletedInstances: environment.INCLUDE_DELETED_INSTANCES,
        largestObjectBytes: s3Limits.largestObjectBytes,
      },
      ports: {
        inventory: inventories["aliyun-rds"](environment),
        statesOf: (copyIds: readonly string[]) => copies.statesOf(copyIds),
        now: Date.now,
      },
    };
  },
  handlers: {
    browseAliyunBackups: async ({ query }, { settings, ports }) => ({
      data: await browseBackups(query, settings, ports),
    }),
  },
});
