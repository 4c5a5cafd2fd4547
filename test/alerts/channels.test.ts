// Channels that fail, rules that change, hours that are quiet, functions that die: what must arrive does, once if it can be.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { details } from "../lambdas/alerts/sample-events.ts";
import { AlertsRig } from "./alerts-rig.ts";

let rig: AlertsRig;

beforeEach(async () => {
  rig = await AlertsRig.start();
});

afterEach(async () => {
  await rig?.close();
});

describe("a channel that is down", () => {
  it("is tried again after a pause, while the others are not held up", async () => {
    rig.faults.add({ service: "wecom", times: 2, effect: { kind: "error", status: 502, code: "Bad Gateway" } });
    await rig.emit("BackupCopyFailed", details.BackupCopyFailed);
    await rig.settled();
    expect(rig.group).toEqual([]);
    expect(rig.mails).toHaveLength(1);
    expect(await rig.listDeliveries({ channel: "wecom" })).toMatchObject([
      { state: "pending", attempts: 1, error: "ChannelUnavailable", answer: expect.stringContaining("HTTP 502") },
    ]);
    await rig.tick();
    expect(rig.group).toEqual([]);
    await rig.tick(2);
    expect(rig.group).toHaveLength(1);
    expect(await rig.listDeliveries({ channel: "wecom" })).toMatchObject([{ state: "sent", attempts: 3, error: null }]);
  });

  it("because it was too much is tried again after its minute", async () => {
    rig.faults.add({ service: "wecom", effect: { kind: "throttle" } });
    await rig.emit("BackupCopyFailed", details.BackupCopyFailed);
    await rig.settled();
    expect(await rig.listDeliveries({ channel: "wecom" })).toMatchObject([
      { state: "pending", error: "ChannelThrottled" },
    ]);
    await rig.tick(2);
    expect(rig.group).toHaveLength(1);
  });

  it("with all others ends in the dead letters", { timeout: 120_000 }, async () => {
    await rig.keepRule("backup-copy-failed", { channels: ["wecom", "mail"] });
    rig.cloud.wecom.removeRobot("operations");
    rig.faults.add({ service: "ses", times: 1_000, effect: { kind: "error", status: 500, code: "InternalFailure" } });
    await rig.emit("BackupCopyFailed", details.BackupCopyFailed);
    await rig.settled();
    // The robot's key is refused for good, SES is tried for an hour.
    expect(await rig.listDeliveries({ channel: "wecom" })).toMatchObject([
      { state: "failed", error: "ChannelRefused", attempts: 1 },
    ]);
    expect(await rig.undelivered()).toEqual([]);
    for (let round = 0; round < 8; round += 1) await rig.tick(31);
    expect(await rig.listDeliveries({ channel: "mail" })).toMatchObject([{ state: "given-up", attempts: 8 }]);
    expect(await rig.undelivered()).toMatchObject([
      {
        event: "BackupCopyFailed",
        subject: "aliyun-rds:rm-1:101",
        channels: { wecom: { state: "failed" }, mail: { state: "given-up" } },
      },
    ]);
    expect(rig.group).toEqual([]);
  });

  it("whose address was put anew is called there", async () => {
    await rig.putWecomAddress("https://10.0.0.1/hook");
    await rig.emit("BackupCopyFailed", details.BackupCopyFailed);
    await rig.settled();
    expect(await rig.listDeliveries({ channel: "wecom" })).toMatchObject([
      { state: "failed", error: "AddressRefused" },
    ]);
    await rig.putWecomAddress(rig.cloud.wecom.webhookUrl("operations"));
    await rig.emit("BackupCopyFailed", { ...details.BackupCopyFailed, copyId: "another" });
    await rig.settled();
    expect(rig.group).toHaveLength(1);
  });
});

describe("rules", () => {
  it("that are changed hold for the next event, without a redeploy", async () => {
    await rig.emit("ObjectMirrored", details.ObjectMirrored);
    await rig.settled();
    expect(rig.group).toEqual([]);
    await rig.keepRule("object-mirrored", { enabled: true, channels: ["wecom"] });
    await rig.emit("ObjectMirrored", details.ObjectMirrored);
    await rig.settled();
    expect(rig.group).toHaveLength(1);
    expect(rig.mails).toEqual([]);
  });

  it("let wait through quiet hours what may, and tell it at their end", async () => {
    const now = new Date(rig.clock.now());
    const time = (minutes: number) => new Date(now.getTime() + minutes * 60_000).toISOString().slice(11, 16);
    const quietHours = { from: time(-60), to: time(90), timeZone: "UTC", criticalPasses: true };
    await rig.keepRule("mirror-failed", { quietHours });
    await rig.keepRule("backup-copy-failed", { quietHours });
    await rig.emit("MirrorFailed", details.MirrorFailed);
    await rig.emit("BackupCopyFailed", details.BackupCopyFailed);
    await rig.settled();
    expect(rig.group).toHaveLength(1);
    expect(rig.group[0]).toContain("A backup was not copied");
    await rig.tick(60);
    expect(rig.group).toHaveLength(1);
    await rig.tick(31);
    expect(rig.group).toHaveLength(2);
    expect(rig.group[1]).toContain("An object was not mirrored");
  });
});

describe("a function that dies", () => {
  /** The calls that each function makes for one event, in steps; a kill behind the last one hits nothing. */
  const kills = {
    EvaluateEvents: [1, 2, 3, 4].flatMap((atCall) => [
      { atCall, when: "before" as const },
      { atCall, when: "after" as const },
    ]),
    DeliverAlerts: [1, 4, 7, 10, 13, 16, 19, 22, 25].map((atCall, index) => ({
      atCall,
      when: index % 2 === 0 ? ("before" as const) : ("after" as const),
    })),
  };

  it.each(["EvaluateEvents", "DeliverAlerts"] as const)(
    "at any of its calls loses nothing: %s",
    { timeout: 180_000 },
    async (name) => {
      for (const { atCall, when } of kills[name]) {
        rig.faults.clear();
        rig.faults.add({ service: "lambda", resourceIncludes: name, effect: { kind: "kill", atCall, when } });
        const copyId = `${name}-${atCall}-${when}`;
        const told = () => rig.group.filter((content) => content.includes(copyId)).length;
        await rig.emit("BackupCopyFailed", { ...details.BackupCopyFailed, copyId });
        await rig.settled();
        for (let round = 0; round < 6 && told() === 0; round += 1) await rig.tick(3);
        expect(told(), `${name} killed ${when} call ${atCall}`).toBeGreaterThanOrEqual(1);
        expect(told(), `${name} killed ${when} call ${atCall}`).toBeLessThanOrEqual(2);
      }
      expect(rig.faults.fired.length).toBeGreaterThanOrEqual(kills[name].length);
      for (let round = 0; round < 4 && (await rig.pending("wecom")) > 0; round += 1) await rig.tick(3);
      const records = await rig.listDeliveries();
      expect(records.filter(({ state }) => state !== "sent")).toEqual([]);
      expect(records).toHaveLength(kills[name].length * 3);
    },
  );
});
