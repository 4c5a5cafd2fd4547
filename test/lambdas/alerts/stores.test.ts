// What the Alerts table holds a writer to, on a real DynamoDB: counted once, one at a time, listed newest first, nothing lost.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newAlert, newDeliveries } from "../../../lambdas/alerts/alert.ts";
import { ChannelStatesStore } from "../../../lambdas/alerts/channel-states.store.ts";
import { DeliveriesStore } from "../../../lambdas/alerts/deliveries.store.ts";
import { addOccurrence } from "../../../lambdas/alerts/incident.ts";
import { IncidentsStore } from "../../../lambdas/alerts/incidents.store.ts";
import { incidentKeyOf } from "../../../lambdas/alerts/rule.ts";
import { RulesStore } from "../../../lambdas/alerts/rules.store.ts";
import { SilenceStore } from "../../../lambdas/alerts/silence.store.ts";
import { type HttpTables, startHttpTables } from "../shared/http-tables.ts";
import { eventOf, minutesLater, ruleFor } from "./sample-events.ts";
import { deliveriesOf } from "./sample-messages.ts";

const table = "Alerts";
const auditPut = { Put: { TableName: "Audit", Item: { month: "2026-11", item: "1" } } };

let tables: HttpTables;

beforeAll(async () => {
  tables = await startHttpTables({
    [table]: { partition: "partition", sort: "item" },
    Audit: { partition: "month", sort: "item" },
  });
});

afterAll(async () => {
  await tables?.[Symbol.asyncDispose]();
});

describe("incidents", () => {
  const rule = ruleFor("MirrorFailed");
  const writeOf = (event = eventOf("MirrorFailed"), before?: Parameters<typeof addOccurrence>[0]) => {
    const key = incidentKeyOf(rule, event);
    const { incident, telling } = addOccurrence(before, rule, key, event, `alert-${event.eventId}`);
    const alert =
      telling &&
      newAlert(`alert-${event.eventId}`, rule, { event: event.name, cause: event }, telling, ["log", "wecom"]);
    const announced = { alertId: "a", event: event.name, subject: "s", since: event.at };
    return {
      countsEvent: event.eventId,
      before,
      incident,
      alert,
      deliveries: alert ? newDeliveries(alert, event.at) : [],
      announced,
    };
  };

  it("count an event once, and remember what it announced", async () => {
    const store = new IncidentsStore(tables.documents, table);
    const write = writeOf();
    expect(await store.write(write)).toEqual({ outcome: "written" });
    const again = { ...write, before: write.incident, incident: { ...write.incident, version: 2 } };
    expect(await store.write(again)).toEqual({ outcome: "counted", announced: write.announced });
    expect(await store.read(write.incident)).toMatchObject({ count: 1, version: 1 });
  });

  it("are written by one at a time, with alert and deliveries or not at all", async () => {
    const store = new IncidentsStore(tables.documents, table);
    const deliveries = new DeliveriesStore(tables.documents, table);
    const sourceKey = "mysql/contended";
    const writes = Array.from({ length: 5 }, () => writeOf(eventOf("MirrorFailed", { sourceKey })));
    const outcomes = await Promise.all(writes.map((write) => store.write(write)));
    expect(outcomes.filter(({ outcome }) => outcome === "written")).toHaveLength(1);
    expect(outcomes.filter(({ outcome }) => outcome === "changed")).toHaveLength(4);
    const alerts = await deliveries.readAlerts(writes.flatMap(({ alert }) => alert?.alertId ?? []));
    expect(alerts.size).toBe(1);
    const waiting = await deliveries.pending("wecom", Date.parse(minutesLater(1)));
    expect(waiting.filter(({ subject }) => subject === sourceKey)).toHaveLength(1);
  });
});

describe("deliveries", () => {
  it("of three hundred are kept, finished and listed whole, newest first, page by page", async () => {
    const store = new DeliveriesStore(tables.documents, table);
    const all = deliveriesOf(300).map((delivery, index) => {
      const raisedAt = minutesLater(index, "2026-10-31T21:00:00.000Z");
      return { ...delivery, channel: "bulk", raisedAt, deliveryId: `${raisedAt}#a-${index}#bulk`, notBefore: raisedAt };
    });
    await store.keepRecords(all);
    await store.keepPending(all);
    expect(await store.pending("bulk", Date.parse("2027-01-01T00:00:00Z"))).toHaveLength(300);
    expect(await store.pending("bulk", Date.parse("2026-10-31T21:00:00.000Z"))).toHaveLength(1);
    await store.keepPending(all.map((delivery) => ({ ...delivery, state: "sent" as const })));
    expect(await store.pending("bulk", Date.parse("2027-01-01T00:00:00Z"))).toEqual([]);

    const listed: string[] = [];
    let before: string | undefined = "2026-12-01T00:00:00.000Z";
    while (before !== undefined) {
      const page = await store.list({ channel: "bulk" }, before, "2026-09", 100);
      expect(page.items.length).toBeLessThanOrEqual(100);
      listed.push(...page.items.map(({ deliveryId }) => deliveryId));
      before = page.after;
    }
    expect(listed).toEqual(all.map(({ deliveryId }) => deliveryId).reverse());
    expect(await store.list({ channel: "nobody" }, "2026-12-01", "2026-09", 10)).toEqual({
      items: [],
      after: undefined,
    });
  });

  it("that wait for the end of quiet hours do not stand before those that may go", async () => {
    const store = new DeliveriesStore(tables.documents, table);
    const [early, late] = deliveriesOf(2).map((delivery) => ({ ...delivery, channel: "quiet" }));
    if (early === undefined || late === undefined) throw new Error("two were made");
    await store.keepPending([
      { ...early, notBefore: minutesLater(600) },
      { ...late, notBefore: minutesLater(0) },
    ]);
    expect((await store.pending("quiet", Date.parse(minutesLater(1)))).map(({ alertId }) => alertId)).toEqual([
      late.alertId,
    ]);
  });
});

describe("a channel's lease", () => {
  it("is held by one, and anybody's once it is over", async () => {
    const store = new ChannelStatesStore(tables.documents, table);
    expect(await store.take("c", "one", 1_000, 2_000)).toEqual({ sentAt: [], pausedUntil: 0 });
    expect(await store.take("c", "two", 1_500, 2_500)).toBeUndefined();
    expect(await store.take("c", "two", 2_000, 3_000)).toBeDefined();
    // Whoever lost it changes nothing any more.
    await store.letGo("c", "one", { sentAt: [9], pausedUntil: 9 });
    await store.keep("c", "two", { sentAt: [2_100], pausedUntil: 5_000 });
    await store.letGo("c", "two", { sentAt: [2_100], pausedUntil: 5_000 });
    await store.noteSent("c", 2_200);
    expect(await store.take("c", "three", 2_300, 9_000)).toEqual({ sentAt: [2_100, 2_200], pausedUntil: 5_000 });
  });
});

describe("signs of life", () => {
  it("end a silence, and an older one changes nothing", async () => {
    const store = new SilenceStore(tables.documents, table);
    const find = async () => (await store.all()).find(({ item }) => item === "database#x");
    await store.keepFinding(
      { item: "database#x", since: minutesLater(0), reportedAt: minutesLater(10), name: null },
      undefined,
    );
    await store.noteLife("database#x", minutesLater(20));
    expect(await find()).toMatchObject({ lastAt: minutesLater(20), since: minutesLater(0) });
    expect(await find()).not.toHaveProperty("reportedAt");
    await store.noteLife("database#x", minutesLater(5));
    // A check that had read what was there before the sign of life.
    await store.keepFinding(
      { item: "database#x", reportedAt: minutesLater(21), name: null },
      { item: "database#x", since: minutesLater(0) },
    );
    expect(await find()).not.toHaveProperty("reportedAt");
    expect((await find())?.lastAt).toBe(minutesLater(20));
  });
});

describe("rules", () => {
  it("are written under the version that was read, and what is no rule any more is left out", async () => {
    const store = new RulesStore(tables.documents, table);
    const one = { version: 1, rules: [ruleFor("MirrorFailed")], changedAt: minutesLater(0), changedBy: "me" };
    await store.write(one, 0, auditPut);
    await expect(store.write(one, 0, auditPut)).rejects.toMatchObject({ name: "PreconditionFailed" });
    const odd = { ...ruleFor("NothingNew"), match: { ...ruleFor("NothingNew").match, events: ["GoneEvent" as never] } };
    await store.write({ ...one, version: 2, rules: [...one.rules, odd] }, 1, auditPut);
    expect(await store.read()).toEqual({ ...one, version: 2 });
  });
});
