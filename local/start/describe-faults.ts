// The fault rig's rules and what struck, in words.
import type { FaultEffect, FaultRule, FiredFault } from "../rig/faults.ts";

const effects: { readonly [Kind in FaultEffect["kind"]]: string } = {
  throttle: "is throttled",
  delay: "is delayed",
  error: "answers with an error",
  "fail-after-work": "does its work, and answers 500",
  reset: "has its connection reset",
  "reset-after-work": "does its work, and has its connection reset",
  "short-body": "ends its body early",
  "flip-bit": "answers with a flipped bit",
  "flip-stored-bit": "gets a flipped bit",
  "error-in-200": "answers 200 with an error inside",
  "wrong-range": "answers with another range",
  "ignore-range": "answers with the whole file",
  "expire-link": "says that the link has expired",
  "replace-source": "finds the file replaced",
  "duplicate-event": "delivers an event again",
  "reorder-event": "delivers an event late",
  rewind: "goes back and delivers again",
  "transaction-conflict": "meets another transaction",
  kill: "is killed at one of its calls",
};

/** "s3 UploadPart is throttled, 3 times from call 5 on" */
export function describeRule(rule: FaultRule): string {
  const { service, operation, resourceIncludes, effect, fromCall = 1, times = 1 } = rule;
  const what = [service, operation, resourceIncludes].filter((word) => word !== undefined).join(" ");
  const when = `${times === 1 ? "once" : `${times} times`} from call ${fromCall} on`;
  return `${what} ${effects[effect.kind]}, ${when}`;
}

/** One line for each kind that struck, with how often. */
export function describeFired(fired: readonly FiredFault[]): string[] {
  const counts = new Map<string, number>();
  for (const { service, operation, effect } of fired) {
    const what = `${service} ${operation} ${effects[effect.kind]}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => (count === 1 ? what : `${what} (${count} times)`));
}
