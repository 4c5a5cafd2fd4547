// The event that Step Functions puts on the account's default bus whenever an execution's status changes.
// Source: "Automating Step Functions event delivery with EventBridge" in the AWS Step Functions Developer Guide.
import { randomUUID } from "node:crypto";
import type { CloudEvent } from "../gateway/ports.ts";
import { redriveView } from "./redrive-view.ts";
import type { ExecutionRow } from "./rows.ts";

/** Of input and output together, as they stand escaped in the event; the input goes first when they are more. */
const largestDataBytes = 248 * 1024;

/** Dates in `detail` are milliseconds since 1970; absent facts are null. */
export function statusEvent(
  row: ExecutionRow,
  place: { readonly accountId: string; readonly region: string; readonly nowMilliseconds: number },
): CloudEvent {
  const redrive = redriveView(row, place.nowMilliseconds);
  const outputBytes = escapedBytes(row.output);
  const includesOutput = outputBytes <= largestDataBytes;
  const includesInput = escapedBytes(row.input) + (includesOutput ? outputBytes : 0) <= largestDataBytes;
  return {
    version: "0",
    id: randomUUID(),
    "detail-type": "Step Functions Execution Status Change",
    source: "aws.states",
    account: place.accountId,
    time: `${new Date(place.nowMilliseconds).toISOString().slice(0, 19)}Z`,
    region: place.region,
    resources: [row.arn],
    detail: {
      executionArn: row.arn,
      stateMachineArn: row.machineArn,
      stateMachineVersionArn: null,
      stateMachineAliasArn: null,
      name: row.name,
      status: row.status,
      startDate: wholeMilliseconds(row.startedAt),
      stopDate: wholeMilliseconds(row.stoppedAt),
      input: includesInput ? row.input : null,
      inputDetails: { included: includesInput },
      output: includesOutput ? row.output : null,
      outputDetails: row.output === null ? null : { included: includesOutput },
      error: row.error,
      cause: row.cause,
      redriveCount: row.redriveCount,
      redriveDate: wholeMilliseconds(row.redrivenAt),
      redriveStatus: redrive.status,
      redriveStatusReason: redrive.reason ?? null,
    },
  };
}

function escapedBytes(text: string | null): number {
  return text === null ? 0 : Buffer.byteLength(JSON.stringify(text));
}

function wholeMilliseconds(milliseconds: number | null): number | null {
  return milliseconds === null ? null : Math.floor(milliseconds);
}
