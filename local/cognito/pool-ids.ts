// What Cognito calls pools, clients and users: ids that are the same at every boot.
import { createHash } from "node:crypto";

/** `eu-central-1_localk3x9…`; `physicalName` is the stack's name and the logical id. */
export function poolIdFor(region: string, physicalName: string): string {
  return `${region}_local${letters(physicalName, 9)}`;
}

/** 26 small letters and digits, as Cognito's. */
export function clientIdFor(physicalName: string): string {
  return letters(physicalName, 26);
}

/** A user's `sub`: a UUID. */
export function subjectFor(poolId: string, username: string): string {
  const digest = createHash("sha256").update(`${poolId}/${username}`).digest("hex");
  const parts = [digest.slice(0, 8), digest.slice(8, 12), `4${digest.slice(13, 16)}`, `8${digest.slice(17, 20)}`];
  return [...parts, digest.slice(20, 32)].join("-");
}

function letters(text: string, length: number): string {
  const digest = createHash("sha256").update(text).digest("hex");
  return BigInt(`0x${digest}`).toString(36).padStart(length, "0").slice(0, length);
}
