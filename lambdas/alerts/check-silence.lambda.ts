// Entry: looks for what did not happen: no new recovery points, missed schedules, and queues that should be empty.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { SchedulerClient } from "@aws-sdk/client-scheduler";
import { SQSClient } from "@aws-sdk/client-sqs";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { checkSilenceEnvironment } from "./config.ts";
import { QueuesStore } from "./queues.store.ts";
import { SchedulesStore } from "./schedules.store.ts";
import { lookForSilence } from "./silence/look-for-silence.ts";
import { SilenceStore } from "./silence.store.ts";

export const handler = makeHandler({
  input: z.object({
    /** Databases of which recovery points are expected even before the first one came; separated by commas. */
    expectedDatabaseIds: z.string().default(""),
  }),
  build: () => {
    const environment = readEnvironment(checkSilenceEnvironment);
    const silence = new SilenceStore(documentClient(), environment.ALERTS_TABLE);
    const schedules = new SchedulesStore(new SchedulerClient(smallCalls));
    const queues = new QueuesStore(new SQSClient(smallCalls));
    const events = eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.alerts");
    return { environment, silence, schedules, queues, events };
  },
  run: async ({ expectedDatabaseIds }, { environment, silence, schedules, queues, events }) => {
    const report = await lookForSilence({
      expectedDatabaseIds: expectedDatabaseIds.split(",").filter(Boolean),
      nothingNewHours: environment.NOTHING_NEW_HOURS,
      schedules: environment.SCHEDULES,
      queues: environment.QUEUES,
      readWatched: () => silence.all(),
      readSchedule: (name) => schedules.read(name),
      countMessages: (url) => queues.countMessages(url),
      send: (finding) => events.send(finding.name, [finding.detail as never]),
      keep: (finding, known) => silence.keepFinding(finding, known),
      now: Date.now(),
    });
    log.info("looked for silence", { ...report });
    return report;
  },
});
