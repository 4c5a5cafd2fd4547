// What API Gateway calls things that have no name of their own: ids that are the same at every boot.
import { createHash } from "node:crypto";

/** `physicalName` is unique in the local cloud: the stack's name and the logical id. */
export function apiIdFor(physicalName: string): string {
  return idOf(physicalName, 10);
}

export function resourceIdFor(physicalName: string): string {
  return idOf(physicalName, 6);
}

/** Of the resource `/` that comes with a RestApi. */
export function rootResourceIdFor(apiPhysicalName: string): string {
  return idOf(`${apiPhysicalName}/`, 10);
}

function idOf(text: string, length: number): string {
  const digest = createHash("sha256").update(text).digest("hex");
  return BigInt(`0x${digest}`).toString(36).padStart(length, "0").slice(0, length);
}
