// EventBridge Scheduler: what a schedule is now. It may have been changed since the stage was deployed.
import { GetScheduleCommand, type SchedulerClient } from "@aws-sdk/client-scheduler";
import { isErrorNamed } from "../shared/errors.ts";
import type { ScheduleFacts } from "./silence/check-silence.ts";

export class SchedulesStore {
  readonly #client: SchedulerClient;

  constructor(client: SchedulerClient) {
    this.#client = client;
  }

  /** Of the default group. A schedule that is gone is told as such. */
  async read(name: string): Promise<ScheduleFacts> {
    try {
      const answer = await this.#client.send(new GetScheduleCommand({ Name: name }));
      return {
        name,
        exists: true,
        enabled: answer.State !== "DISABLED",
        expression: answer.ScheduleExpression ?? "",
        timeZone: answer.ScheduleExpressionTimezone ?? "UTC",
        changedAt: (answer.LastModificationDate ?? answer.CreationDate)?.toISOString() ?? null,
      };
    } catch (error) {
      if (!isErrorNamed(error, "ResourceNotFoundException")) throw error;
      return { name, exists: false, enabled: false, expression: "", timeZone: "UTC", changedAt: null };
    }
  }
}
