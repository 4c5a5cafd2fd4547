// Which events are signs of life, and of what: the other side of the check for silence.
import type { BusEvent } from "../shared/bus-event.ts";

/** Items of the check for silence that the event speaks for. */
export function signsOfLife(event: BusEvent): string[] {
  switch (event.name) {
    case "BackupReplicated":
      return [`database#${event.detail.instanceId}`];
    case "SnapshotExported":
      return [`database#${event.detail.databaseId}`];
    case "ScheduledRunStarted":
      return [`schedule#${event.detail.schedule}`];
    default:
      return [];
  }
}
