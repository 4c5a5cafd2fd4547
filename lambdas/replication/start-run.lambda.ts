// Entry: the target of the room's schedules. The execution's name comes from the scheduled time, so that a doubled firing starts one run.

import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import * as z from "zod";
import { smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { isErrorNamed } from "../shared/errors.ts";
import { eventSender } from "../shared/events.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { startRunEnvironment } from "./config.ts";
import { runNameOf } from "./run-name.ts";

export const handler = makeHandler({
  input: z.object({
    /** The schedule's name: what the check for missed schedules knows it by. */
    schedule: z.string().min(1),
    stateMachineArn: z.string().min(1),
    scheduledTime: z.iso.datetime({ offset: true }),
    /** Begins the run's name. Runs of two workflows may be due at the same time, and a run's name is its job's id. */
    runsAs: z
      .string()
      .regex(/^[a-z-]{1,40}$/)
      .default("scheduled"),
    request: z.record(z.string(), z.unknown()).default({}),
  }),
  build: () => {
    const environment = readEnvironment(startRunEnvironment);
    return {
      states: new SFNClient(smallCalls),
      events: eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication"),
    };
  },
  run: async ({ schedule, stateMachineArn, scheduledTime, runsAs, request }, { states, events }) => {
    const runId = runNameOf(scheduledTime, runsAs);
    try {
      await states.send(new StartExecutionCommand({ stateMachineArn, name: runId, input: JSON.stringify(request) }));
      log.info("run started", { schedule, runId, scheduledTime });
    } catch (error) {
      if (!isErrorNamed(error, "ExecutionAlreadyExists")) throw error;
      log.info("run was started already", { schedule, runId, scheduledTime });
    }
    // Also when it was started already: the call before this one may have died before it could tell.
    await events.send("ScheduledRunStarted", [{ schedule, scheduledTime, runId }]);
    return { runId };
  },
});
