// Run by kill.test.ts as a process of its own: publishes events without end, and says after each that it was taken.
import { writeSync } from "node:fs";
import { createEventBridgeService } from "../../../local/eventbridge/eventbridge.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";

const [, , stateDirectory = "", targetArn = ""] = process.argv;

const events = createEventBridgeService(
  {
    clock: new Clock(),
    faults: new Faults(),
    authorize: () => undefined,
    region: "eu-central-1",
    accountId: "111122223333",
    stateDirectory,
  },
  {
    ports: () => ({}),
    permissions: {
      assumeRole() {
        throw new Error("no role is needed here");
      },
      serviceMay: () => true,
    },
  },
);
events.putRule({ name: "all", eventPattern: { source: ["test"] }, targets: [{ Id: "queue", Arn: targetArn }] });
for (let number = 1; ; number += 1) {
  events.publish({
    version: "0",
    id: String(number),
    "detail-type": "Numbered",
    source: "test",
    account: "111122223333",
    time: "2026-11-20T12:00:00Z",
    region: "eu-central-1",
    resources: [],
    detail: { number },
  });
  writeSync(1, `${number}\n`);
}
