// The name of the execution that mirrors one large version: the same for the same version, so that duplicates collapse.
import { createHash } from "node:crypto";

/** A name has at most 80 letters; so many of a hash keep any two versions of any two keys apart. */
const hashLetters = 24;

/** `attempt` counts the executions that ended without bringing the version to OSS: a name is used up for 90 days. */
export function mirrorRunNameOf(sourceKey: string, version: string, attempt: number): string {
  return `mirror-${hashOf(sourceKey)}-${hashOf(version)}-a${attempt}`;
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, hashLetters);
}
