// CPU profiles of Causeway's two threads while a case runs, for Chrome's DevTools or any reader of .cpuprofile files.
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import type { Worker } from "node:worker_threads";

export interface Profiling {
  /** Writes `<prefix>-relay.cpuprofile` and `<prefix>-main.cpuprofile`. */
  write(prefix: string): Promise<void>;
}

export async function startProfiling(relay: Worker): Promise<Profiling> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.start");
  const handle = await relay.startCpuProfile();
  return {
    async write(prefix) {
      writeFileSync(`${prefix}-relay.cpuprofile`, await handle.stop());
      const { profile } = await session.post("Profiler.stop");
      writeFileSync(`${prefix}-main.cpuprofile`, JSON.stringify(profile));
      session.disconnect();
    },
  };
}
