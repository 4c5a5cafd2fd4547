// The machine's own time: for benchmarks, whose thousands of waiting streams the local cloud's clock is not made for.
import { setTimeout as sleep } from "node:timers/promises";
import type { Waits } from "./send-answer.ts";

export const timerWaits: Waits = {
  now: () => Date.now(),
  sleep: (milliseconds, { signal }) => sleep(milliseconds, undefined, { signal }),
};
