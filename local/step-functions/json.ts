// JSON values as they travel through a workflow, and the size limit AWS puts on them.
import { WorkflowError } from "./workflow-error.ts";

export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [member: string]: Json };

/** Input and output of every state and execution, in UTF-8 bytes of their JSON text (Step Functions quota). */
export const largestPayloadBytes = 262_144;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `what` is the state's name or the task's resource, as AWS puts it into the cause. */
export function checkPayloadSize(text: string, what: string): void {
  if (Buffer.byteLength(text) > largestPayloadBytes) {
    throw new WorkflowError(
      "States.DataLimitExceeded",
      `The state/task '${what}' returned a result with a size exceeding the maximum number of bytes service limit.`,
    );
  }
}

export function parseJson(text: string): Json {
  return JSON.parse(text) as Json;
}
