// Starts the far ends in processes of their own, so that what they take is not counted as the copy's.
import { fork } from "node:child_process";
import { join } from "node:path";
import type { StandInRole } from "./serve-stand-in.ts";

export interface StandInProcess {
  readonly url: string;
  stop(): void;
}

export function startStandIn(role: StandInRole): Promise<StandInProcess> {
  const child = fork(join(import.meta.dirname, "serve-stand-in.ts"));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the ${role.role} ended with ${code} before it served`)));
    child.once("message", (message: { port: number }) => {
      const scheme = role.certificate ? "https" : "http";
      resolve({ url: `${scheme}://127.0.0.1:${message.port}`, stop: () => child.kill() });
    });
    child.send(role);
  });
}
