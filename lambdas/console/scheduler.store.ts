// Schedules as EventBridge Scheduler has them: when they fire is read and changed, everything else stays as it is.
import {
  GetScheduleCommand,
  type GetScheduleCommandOutput,
  type SchedulerClient,
  UpdateScheduleCommand,
} from "@aws-sdk/client-scheduler";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import { wrongInput } from "../shared/wrong-input.ts";
import type { ScheduleSettings } from "./schedule-fields.ts";

export interface RunningSchedule {
  readonly name: string;
  readonly description: string;
  readonly settings: ScheduleSettings;
  /** All of it, to be handed back with a change: UpdateSchedule sets what it is not given to its default. */
  readonly definition: GetScheduleCommandOutput;
}

export class SchedulerStore {
  readonly #client: SchedulerClient;

  constructor(client: SchedulerClient) {
    this.#client = client;
  }

  /** Throws `NotFound`. */
  async read(name: string): Promise<RunningSchedule> {
    try {
      const definition = await this.#client.send(new GetScheduleCommand({ Name: name }));
      return {
        name,
        description: definition.Description ?? "",
        settings: {
          enabled: definition.State !== "DISABLED",
          expression: definition.ScheduleExpression ?? "",
          timeZone: definition.ScheduleExpressionTimezone ?? "UTC",
        },
        definition,
      };
    } catch (error) {
      if (!isErrorNamed(error, "ResourceNotFoundException")) throw error;
      throw new CausewayError("NotFound", `There is no schedule ${name}.`, { cause: error });
    }
  }

  /** Throws `InputInvalid` where Scheduler refuses the expression. */
  async change({ definition }: RunningSchedule, { enabled, expression, timeZone }: ScheduleSettings): Promise<void> {
    const { Name, GroupName, Description, FlexibleTimeWindow, Target, KmsKeyArn } = definition;
    const { StartDate, EndDate, ActionAfterCompletion } = definition;
    try {
      await this.#client.send(
        new UpdateScheduleCommand({
          ...{ Name, GroupName, Description, FlexibleTimeWindow, Target, KmsKeyArn },
          ...{ StartDate, EndDate, ActionAfterCompletion },
          ScheduleExpression: expression,
          ScheduleExpressionTimezone: timeZone,
          State: enabled ? "ENABLED" : "DISABLED",
        }),
      );
    } catch (error) {
      if (!isErrorNamed(error, "ValidationException")) throw error;
      const said = error instanceof Error ? error.message.slice(0, 200) : "";
      throw wrongInput([{ field: "body.expression", problem: `EventBridge Scheduler does not take it: ${said}` }]);
    }
  }
}
