// Cancel export: an export that was cancelled ends as that, and whoever listens hears of it.
import type { EventSender } from "../../shared/events.ts";
import type { ExportsStore } from "../exports.store.ts";
import type { ExportLine } from "./snapshot.ts";
import type { UnitChanges } from "./start-export.ts";

export interface CancelExportPorts {
  updateUnit(changes: UnitChanges): Promise<void>;
  readonly events: Pick<EventSender, "send">;
  readonly exports: Pick<ExportsStore, "end">;
  now(): number;
}

/** The item's end comes last: with it the claim goes, and whoever comes after a death before it does all of this again. */
export async function cancelExport(
  { runId, executionArn, line }: { runId: string; executionArn: string; line: ExportLine },
  ports: CancelExportPorts,
): Promise<void> {
  const at = new Date(ports.now()).toISOString();
  const { exportId, snapshot } = line;
  await ports.updateUnit({ phase: "cancelled", outcome: "cancelled", reason: "cancelled", finishedAt: at });
  await ports.events.send("SnapshotExportCancelled", [
    { runId, exportId, databaseId: snapshot.databaseId, snapshotArn: snapshot.arn },
  ]);
  await ports.exports.end(exportId, "cancelled", {
    executionArn,
    error: "Cancelled",
    cause: "Somebody cancelled the run or its export task.",
    at,
  });
}
