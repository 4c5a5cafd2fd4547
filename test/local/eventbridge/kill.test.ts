// Events that were taken in survive a kill -9 of the process.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createEventBridgeService } from "../../../local/eventbridge/eventbridge.ts";
import type { CloudEvent } from "../../../local/gateway/ports.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";
import { accountId, region } from "../service-rig.ts";

const queueArn = `arn:aws:sqs:${region}:${accountId}:events`;
const enough = 200;

test("every event that was taken before a kill -9 is delivered by the next process, in order", async () => {
  const stateDirectory = mkdtempSync(join(tmpdir(), "causeway-kill-"));
  const clock = new Clock();
  try {
    const taken = await publishUntilKilled(stateDirectory);
    const delivered: number[] = [];
    const events = createEventBridgeService(
      { clock, faults: new Faults(), authorize: () => undefined, region, accountId, stateDirectory },
      {
        ports: () => ({
          queues: {
            sendMessage: (_to, body) => {
              delivered.push(Number((JSON.parse(body) as CloudEvent).detail.number));
            },
          },
        }),
        permissions: {
          assumeRole() {
            throw new Error("no role is needed here");
          },
          serviceMay: () => true,
        },
      },
    );
    events.start();
    await events.settled();
    await events.close?.();
    expect(taken).toBeGreaterThanOrEqual(enough);
    // The last one may have been written without the word of it getting out.
    expect([taken, taken + 1]).toContain(delivered.length);
    expect(delivered).toEqual(delivered.map((_, index) => index + 1));
  } finally {
    clock.close();
    rmSync(stateDirectory, { recursive: true, force: true });
  }
});

/** Resolves with the last number that the process said was taken. */
function publishUntilKilled(stateDirectory: string): Promise<number> {
  const program = join(import.meta.dirname, "publish-until-killed.ts");
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, stateDirectory, queueArn], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  return new Promise((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (output.split("\n").length > enough) child.kill("SIGKILL");
    });
    child.on("error", reject);
    child.on("close", (_code, signal) => {
      // A number that was cut off has no line end yet.
      const whole = output.slice(0, output.lastIndexOf("\n")).split("\n");
      if (signal === "SIGKILL") resolve(Number(whole.at(-1)));
      else reject(new Error(`the publisher ended by itself: ${output}`));
    });
  });
}
