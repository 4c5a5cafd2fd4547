// Entry: reports what waits for too long to be mirrored, and wakes what nobody works on.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { SQSClient } from "@aws-sdk/client-sqs";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { publishCounts } from "../shared/metrics.ts";
import { checkMirrorLagEnvironment } from "./config.ts";
import { checkLag } from "./mirror/check-lag.ts";
import { MirrorStore } from "./mirror.store.ts";
import { MirrorQueueStore } from "./mirror-queue.store.ts";

export const handler = makeHandler({
  input: z.object({ scheduledTime: z.string() }),
  build: () => {
    const environment = readEnvironment(checkMirrorLagEnvironment);
    return {
      lagMinutes: environment.LAG_MINUTES,
      mirror: new MirrorStore(documentClient(), environment.MIRROR_TABLE),
      queue: new MirrorQueueStore(new SQSClient(smallCalls), environment.MIRROR_QUEUE_URL),
      events: eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication"),
    };
  },
  run: async (_input, { lagMinutes, mirror, queue, events }) => {
    const report = await checkLag(lagMinutes, {
      waiting: (options) => mirror.waiting(options),
      enqueue: (sourceKey) => queue.send(sourceKey),
      lagging: (detail) => events.send("MirrorLagging", [detail]),
      now: Date.now,
    });
    publishCounts({ MirrorWaiting: report.waiting, MirrorLagging: report.lagging });
    log.info("looked for lag", { ...report });
    return report;
  },
});
