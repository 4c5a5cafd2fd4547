// Switches a booted app's schedules off. Hours pass in a moment in a test, and what then fires by itself is in its way.
import {
  GetScheduleCommand,
  ListSchedulesCommand,
  SchedulerClient,
  UpdateScheduleCommand,
} from "@aws-sdk/client-scheduler";
import type { LocalCloud } from "../local/cloud.ts";

/** All but those of these names; `cloud.scheduler.fire` still fires each of them. */
export async function stopSchedules(cloud: LocalCloud, but: readonly string[] = []): Promise<void> {
  const client = new SchedulerClient(cloud.clientConfig());
  const { Schedules = [] } = await client.send(new ListSchedulesCommand({}));
  for (const { Name } of Schedules.filter(({ Name = "" }) => !but.includes(Name))) {
    const { ScheduleExpression, ScheduleExpressionTimezone, FlexibleTimeWindow, Target } = await client.send(
      new GetScheduleCommand({ Name }),
    );
    const kept = { Name, ScheduleExpression, ScheduleExpressionTimezone, FlexibleTimeWindow, Target };
    await client.send(new UpdateScheduleCommand({ ...kept, State: "DISABLED" }));
  }
}
