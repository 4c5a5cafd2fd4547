// What an event makes of the rules: counted once, told by threshold and suppression, over when it recovers.
import { describe, expect, it } from "vitest";
import { eventNames, recoveries } from "../../../lambdas/alerts/event-facts.ts";
import { recoveredKeyOf } from "../../../lambdas/alerts/rule.ts";
import { MemoryAlerts } from "./memory-alerts.ts";
import { details, eventOf, minutesLater, ruleFor, standardRules } from "./sample-events.ts";

const one = "aliyun-rds:rm-1:101";

describe("an event", () => {
  it("makes one alert with a delivery for each channel", async () => {
    const memory = new MemoryAlerts();
    await memory.take(standardRules(), eventOf("BackupCopyFailed"));
    expect(memory.told).toEqual([`raised BackupCopyFailed ${one}`]);
    expect(memory.alerts[0]).toMatchObject({ severity: "critical", count: 1, since: "2026-11-20T10:00:00.000Z" });
    expect(memory.deliveries.map(({ channel, state }) => [channel, state])).toEqual([
      ["log", "pending"],
      ["wecom", "pending"],
    ]);
  });

  it("is told to nobody when it is only information, unless its rule is switched on", async () => {
    const memory = new MemoryAlerts();
    const mirrored = eventOf("ObjectMirrored");
    await memory.take(standardRules(), mirrored);
    expect(memory.told).toEqual([]);
    await memory.take([ruleFor("ObjectMirrored")], mirrored);
    expect(memory.told).toEqual(["raised ObjectMirrored mysql/rm-1/a.xb"]);
  });

  it("has a default rule under each name, and only what is more than information is on", () => {
    const rules = standardRules();
    expect(rules.map(({ match }) => match.events)).toEqual(eventNames.map((name) => [name]));
    expect(rules.filter(({ enabled }) => !enabled).map(({ ruleId }) => ruleId)).toEqual([
      "scheduled-run-started",
      "backup-replicated",
      "snapshot-exported",
      "snapshot-export-cancelled",
      "object-mirrored",
      "relay-account-recovered",
      "relay-error-rate-normal",
      "relay-latency-normal",
      "dead-letters-cleared",
      "alert-recovered",
    ]);
  });

  it("that is delivered twice counts once", async () => {
    const memory = new MemoryAlerts();
    const event = eventOf("BackupCopyFailed");
    await memory.take(standardRules(), event, event, event);
    expect(memory.told).toHaveLength(1);
    expect([...memory.incidents.values()]).toMatchObject([{ count: 1 }]);
  });

  it("that meets others at the same incident is counted after them", async () => {
    const memory = new MemoryAlerts();
    memory.conflicts = 5;
    await memory.take(standardRules(), eventOf("BackupCopyFailed"));
    expect(memory.told).toHaveLength(1);
    memory.conflicts = 100;
    await expect(memory.take(standardRules(), eventOf("BackupCopyFailed"))).rejects.toMatchObject({
      name: "AwsUnavailable",
    });
  });

  it("matches by source, severity, and what its fields hold or must not hold", async () => {
    const memory = new MemoryAlerts();
    const base = ruleFor("BackupCopyFailed");
    const rules = [
      { ...base, ruleId: "other-source", match: { ...base.match, sources: ["causeway.relay"] } },
      { ...base, ruleId: "other-severity", match: { ...base.match, severities: ["warning" as const] } },
      { ...base, ruleId: "other-instance", match: { ...base.match, where: { instanceId: ["rm-2"] } } },
      { ...base, ruleId: "not-this-one", match: { ...base.match, unless: { instanceId: ["rm-1"] } } },
      {
        ...base,
        ruleId: "all-of-it",
        match: {
          ...base.match,
          sources: ["causeway.replication"],
          severities: ["critical" as const],
          where: { instanceId: ["rm-1", "rm-2"] },
          unless: { error: ["Other"] },
        },
      },
    ];
    await memory.take(rules, eventOf("BackupCopyFailed"));
    expect(memory.alerts.map(({ ruleId }) => ruleId)).toEqual(["all-of-it"]);
  });

  it("of a run that ended is told only where the run failed and no copy tells of itself", async () => {
    const memory = new MemoryAlerts();
    const ended = (state: string, failed: number) => eventOf("ReplicationRunFinished", { state, counts: { failed } });
    await memory.take(standardRules(), ended("succeeded", 0), ended("failed", 3));
    expect(memory.told).toEqual([]);
    await memory.take(standardRules(), ended("failed", 0));
    expect(memory.told).toEqual(["raised ReplicationRunFinished"]);
  });
});

describe("a rule", () => {
  it("speaks from the count-th event within its window on", async () => {
    const memory = new MemoryAlerts();
    const rules = [ruleFor("MirrorFailed", { threshold: { count: 3, windowMinutes: 10 } })];
    const at = (minutes: number) => eventOf("MirrorFailed", {}, minutesLater(minutes));
    await memory.take(rules, at(0), at(9), at(20), at(25));
    expect(memory.told).toEqual([]);
    await memory.take(rules, at(29));
    expect(memory.told).toHaveLength(1);
    expect(memory.alerts[0]).toMatchObject({ count: 5, since: minutesLater(0) });
  });

  it("counts what comes within its suppression window, and says so when it speaks again", async () => {
    const memory = new MemoryAlerts();
    const rules = [ruleFor("MirrorFailed", { suppressionMinutes: 60 })];
    const at = (minutes: number) => eventOf("MirrorFailed", {}, minutesLater(minutes));
    await memory.take(rules, at(0), at(10), at(59));
    expect(memory.told).toHaveLength(1);
    await memory.take(rules, at(60));
    expect(memory.alerts.map(({ kind, count }) => [kind, count])).toEqual([
      ["raised", 1],
      ["again", 4],
    ]);
  });

  it("of a limit's next window is trouble of its own, however soon it comes", async () => {
    const memory = new MemoryAlerts();
    const next = eventOf("RelayBudgetNear", { resetAt: "2026-11-22T00:00:00.000Z" }, minutesLater(5));
    await memory.take([ruleFor("RelayBudgetNear", { suppressionMinutes: 60 })], eventOf("RelayBudgetNear"), next);
    expect(memory.alerts.map(({ kind }) => kind)).toEqual(["raised", "raised"]);
  });

  it("keeps apart what differs in its deduplication fields, and together what does not", async () => {
    const memory = new MemoryAlerts();
    const failures = ["1", "2", "3"].map((backupId) =>
      eventOf("BackupCopyFailed", { backupId, copyId: `c-${backupId}` }),
    );
    await memory.take([ruleFor("BackupCopyFailed")], ...failures);
    expect(memory.told).toHaveLength(3);
    const coarse = new MemoryAlerts();
    await coarse.take([ruleFor("BackupCopyFailed", { deduplicateBy: ["instanceId"] })], ...failures);
    expect(coarse.told).toEqual(["raised BackupCopyFailed c-1"]);
    expect([...coarse.incidents.values()][0]?.count).toBe(3);
  });

  it("chooses its channels, its severity, and whether anybody is told at all", async () => {
    const memory = new MemoryAlerts();
    const rules = [
      ruleFor("MirrorFailed", { ruleId: "one", channels: ["wecom", "gone"], severity: "critical" }),
      ruleFor("MirrorFailed", { ruleId: "none", channels: [] }),
    ];
    await memory.take(rules, eventOf("MirrorFailed"));
    expect(memory.deliveries.map(({ channel, severity }) => [channel, severity])).toEqual([["wecom", "critical"]]);
  });

  it("lets wait until the end of quiet hours what may wait, and nothing else", async () => {
    const quietHours = { from: "22:00", to: "07:00", timeZone: null, criticalPasses: true };
    const rules = [ruleFor("MirrorFailed", { quietHours }), ruleFor("BackupCopyFailed", { quietHours })];
    const memory = new MemoryAlerts();
    // 23:30 in Shanghai.
    const night = "2026-11-20T15:30:00.000Z";
    await memory.take(rules, eventOf("MirrorFailed", {}, night), eventOf("BackupCopyFailed", {}, night));
    const waits = new Map(memory.deliveries.map(({ event, notBefore }) => [event, notBefore]));
    expect(waits.get("MirrorFailed")).toBe("2026-11-20T23:00:00.000Z");
    expect(waits.get("BackupCopyFailed")).toBe(night);
  });
});

describe("a recovery", () => {
  it("is told once, through the same channels, and announced on the bus", async () => {
    const memory = new MemoryAlerts();
    const copied = eventOf("BackupReplicated", {}, minutesLater(5));
    await memory.take(
      standardRules(),
      eventOf("BackupCopyFailed"),
      copied,
      copied,
      eventOf("BackupReplicated", {}, minutesLater(6)),
    );
    expect(memory.told).toEqual([`raised BackupCopyFailed ${one}`, `recovered BackupCopyFailed ${one}`]);
    expect(memory.alerts[1]).toMatchObject({
      severity: "critical",
      since: minutesLater(0),
      channels: ["log", "wecom"],
    });
    // Announced again where the event came again: whoever announced it first may have died before.
    expect(new Set(memory.announced.map(({ alertId }) => alertId))).toEqual(new Set([memory.alerts[0]?.alertId]));
    expect(memory.announced[0]).toMatchObject({ event: "BackupCopyFailed", subject: one, since: minutesLater(0) });
  });

  it("of another subject changes nothing", async () => {
    const memory = new MemoryAlerts();
    await memory.take(
      standardRules(),
      eventOf("BackupCopyFailed"),
      eventOf("BackupReplicated", { copyId: "other" }, minutesLater(5)),
    );
    expect(memory.told).toEqual([`raised BackupCopyFailed ${one}`]);
  });

  it("that is older than the newest failure does not end it", async () => {
    const memory = new MemoryAlerts();
    await memory.take(
      standardRules(),
      eventOf("BackupCopyFailed", {}, minutesLater(10)),
      eventOf("BackupReplicated", {}, minutesLater(5)),
    );
    expect(memory.told).toEqual([`raised BackupCopyFailed ${one}`]);
  });

  it("that overtook its failure keeps the failure from being told", async () => {
    const memory = new MemoryAlerts();
    await memory.take(
      standardRules(),
      eventOf("BackupReplicated", {}, minutesLater(5)),
      eventOf("BackupCopyFailed", {}, minutesLater(0)),
    );
    expect(memory.told).toEqual([]);
    await memory.take(standardRules(), eventOf("BackupCopyFailed", {}, minutesLater(6)));
    expect(memory.told).toEqual([`raised BackupCopyFailed ${one}`]);
  });

  it("of an incident of many subjects is told when the last of them is well", async () => {
    const memory = new MemoryAlerts();
    const reached = (copyId: string) => eventOf("EgressLimitReached", { copyId });
    const copied = (copyId: string) => eventOf("BackupReplicated", { copyId }, minutesLater(600));
    await memory.take(standardRules(), reached("a"), reached("b"), copied("a"));
    expect(memory.told).toEqual(["raised EgressLimitReached a"]);
    await memory.take(standardRules(), copied("b"));
    expect(memory.told.at(-1)).toBe("recovered EgressLimitReached b");
  });

  it("of what nobody was told of is told to nobody", async () => {
    const memory = new MemoryAlerts();
    const rules = [ruleFor("MirrorFailed", { threshold: { count: 5, windowMinutes: 10 } })];
    await memory.take(rules, eventOf("MirrorFailed"), eventOf("ObjectMirrored", {}, minutesLater(1)));
    expect(memory.told).toEqual([]);
    expect(memory.announced).toEqual([]);
  });

  it("begins the suppression anew where it was told, and not where it was not", async () => {
    const flutter = [
      eventOf("MirrorFailed"),
      eventOf("ObjectMirrored", {}, minutesLater(1)),
      eventOf("MirrorFailed", {}, minutesLater(2)),
    ];
    const told = new MemoryAlerts();
    await told.take([ruleFor("MirrorFailed", { recoveryNotice: true })], ...flutter);
    expect(told.alerts.map(({ kind }) => kind)).toEqual(["raised", "recovered", "raised"]);
    const untold = new MemoryAlerts();
    await untold.take([ruleFor("MirrorFailed", { recoveryNotice: false })], ...flutter);
    expect(untold.alerts.map(({ kind }) => kind)).toEqual(["raised"]);
    expect(untold.announced).toHaveLength(1);
  });

  it("by a run that succeeded ends the run that broke off", async () => {
    const memory = new MemoryAlerts();
    await memory.take(
      standardRules(),
      eventOf("ReplicationRunFinished"),
      eventOf("ReplicationRunFinished", { state: "failed", counts: { failed: 2 } }, minutesLater(5)),
    );
    expect(memory.told).toHaveLength(1);
    await memory.take(standardRules(), eventOf("ReplicationRunFinished", { state: "succeeded" }, minutesLater(10)));
    expect(memory.told).toEqual(["raised ReplicationRunFinished", "recovered ReplicationRunFinished"]);
  });

  it("is known by its fields under the default rule of every event that it can end", () => {
    for (const name of eventNames) {
      for (const recovery of recoveries[name]?.recovers ?? []) {
        const key = recoveredKeyOf(ruleFor(recovery.event), eventOf(name, details[name]), recovery);
        expect(key, `${name} recovers ${recovery.event}`).toBeDefined();
      }
    }
  });
});
