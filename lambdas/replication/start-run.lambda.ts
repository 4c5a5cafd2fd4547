// Entry: the schedule's target. The execution's name comes from the scheduled time, so that a doubled firing starts one run.

import { SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import * as z from "zod";
import { smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { isErrorNamed } from "../shared/errors.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { startRunEnvironment } from "./config.ts";
import { runNameOf } from "./run-name.ts";

export const handler = makeHandler({
  input: z.object({
    scheduledTime: z.iso.datetime({ offset: true }),
    request: z.record(z.string(), z.unknown()).default({}),
  }),
  build: () => ({ environment: readEnvironment(startRunEnvironment), states: new SFNClient(smallCalls) }),
  run: async ({ scheduledTime, request }, { environment, states }) => {
    const name = runNameOf(scheduledTime);
    try {
      await states.send(
        new StartExecutionCommand({
          stateMachineArn: environment.STATE_MACHINE_ARN,
          name,
          input: JSON.stringify(request),
        }),
      );
      log.info("run started", { runId: name, scheduledTime });
    } catch (error) {
      if (!isErrorNamed(error, "ExecutionAlreadyExists")) throw error;
      log.info("run was started already", { runId: name, scheduledTime });
    }
    return { runId: name };
  },
});
