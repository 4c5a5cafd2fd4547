// What the fault rig makes of a call to a robot or a webhook.
import type { Clock } from "../rig/clock.ts";
import type { FaultCall, FaultEffect, Faults } from "../rig/faults.ts";
import { tooOften } from "./robot.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Call {
  readonly fault: FaultCall;
  /** Does what was asked. */
  readonly work: (body: string, headers: Readonly<Record<string, string>>) => Answer;
}

/**
 * `reset`: the connection is to be broken. A robot is throttled with 45009, a webhook with 429. An `error` of status 200
 * is a robot's errcode: `{ kind: "error", status: 200, code: "40058" }`.
 */
export async function misbehave(
  { fault: about, work }: Call,
  given: { readonly body: string; readonly headers: Readonly<Record<string, string>> },
  rig: { readonly clock: Clock; readonly faults: Faults },
): Promise<Answer | "reset"> {
  const fault = rig.faults.next(about);
  if (!fault) return work(given.body, given.headers);
  switch (fault.kind) {
    case "reset":
      return "reset";
    case "delay":
      await rig.clock.sleep(fault.milliseconds);
      return work(given.body, given.headers);
    case "throttle":
      return about.service === "wecom"
        ? json(200, tooOften(Math.floor(rig.clock.now())))
        : text(429, "Too Many Requests", { "retry-after": "1" });
    case "error":
      return errorOf(fault);
    case "fail-after-work":
      work(given.body, given.headers);
      return text(500, "Internal Server Error");
    case "reset-after-work":
      work(given.body, given.headers);
      return "reset";
    default:
      return text(501, `A robot or webhook cannot do the fault ${fault.kind}.`);
  }
}

function errorOf({ status, code }: Extract<FaultEffect, { kind: "error" }>): Answer {
  if (status !== 200) return text(status, code);
  return json(200, { errcode: Number(code), errmsg: "asked for by the fault rig" });
}

function json(status: number, value: object): Answer {
  return { status, headers: { "content-type": "application/json; charset=UTF-8" }, body: JSON.stringify(value) };
}

function text(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers }, body: `${body}\n` };
}
