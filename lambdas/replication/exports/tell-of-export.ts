// Tell of export: a recorded export in the run's job and on the bus. A partial one is never told as a complete one.
import type { EventSender } from "../../shared/events.ts";
import { readableCause } from "../readable-cause.ts";
import type { ExportResult } from "./export-item.ts";
import type { SchemaOutcome } from "./export-receipt.ts";
import type { ExportLine } from "./snapshot.ts";
import type { UnitChanges } from "./start-export.ts";

export interface TellPorts {
  updateUnit(changes: UnitChanges): Promise<void>;
  readonly events: Pick<EventSender, "send">;
  now(): number;
}

/** A unit's reason is read by people; the receipt has all of it. */
const mostMissingInReason = 5;

export async function tellOfExport(
  { runId, line, schema }: { runId: string; line: ExportLine; schema: SchemaOutcome | null },
  result: ExportResult,
  ports: TellPorts,
): Promise<void> {
  const { exportId, snapshot } = line;
  const isPartial = result.missingCount > 0;
  const outcome = isPartial ? "partial" : "exported";
  const reason = [...(isPartial ? [missingSentence(result)] : []), ...schemaSentences(schema)].join(" ");
  await ports.updateUnit({
    phase: outcome,
    outcome,
    receiptKey: result.receiptKey,
    finishedAt: new Date(ports.now()).toISOString(),
    ...(reason !== "" && { reason }),
  });
  const facts = { runId, exportId, databaseId: snapshot.databaseId, snapshotArn: snapshot.arn };
  const { bucket, prefix, taskId, tables, files, missing, receiptKey } = result;
  if (isPartial) {
    await ports.events.send("SnapshotExportPartial", [{ ...facts, missing: [...missing], receiptKey }]);
    return;
  }
  await ports.events.send("SnapshotExported", [
    { ...facts, bucket, prefix: `${prefix}/${taskId}/`, tables, files, receiptKey },
  ]);
}

function missingSentence({ missing, missingCount }: ExportResult): string {
  const named = missing.slice(0, mostMissingInReason).join("; ");
  const rest = missingCount > mostMissingInReason ? `; and ${missingCount - mostMissingInReason} more` : "";
  return `Missing: ${named}${rest}.`;
}

function schemaSentences(schema: SchemaOutcome | null): string[] {
  if (schema === null) return [];
  if (!schema.kept) return [`The schema was not kept: ${schema.error}: ${readableCause(schema.cause)}`];
  const omitted = schema.files.flatMap((file) => file.omitted);
  return omitted.length === 0
    ? []
    : [`The kept schema lacks ${omitted.length} objects: ${omitted.slice(0, 3).join("; ")}.`];
}
