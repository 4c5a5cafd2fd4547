// Entry: a fresh download address for a copy whose link has expired.
import * as z from "zod";
import { documentClient } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { refreshLinkEnvironment } from "./config.ts";
import { CopiesStore } from "./copies.store.ts";
import { inventories } from "./inventories/index.ts";
import { refreshAndNote } from "./refresh-link.ts";
import { sources } from "./sources/index.ts";

export const handler = makeHandler({
  input: z.object({ copyId: z.string(), executionArn: z.string(), expiredLinkVersion: z.number() }),
  build: () => {
    const environment = readEnvironment(refreshLinkEnvironment);
    return {
      inventory: inventories["aliyun-rds"](environment),
      source: sources["aliyun-rds"](),
      copies: new CopiesStore(documentClient(), environment.COPIES_TABLE),
      now: Date.now,
    };
  },
  run: (input, ports) => refreshAndNote(input, ports),
});
