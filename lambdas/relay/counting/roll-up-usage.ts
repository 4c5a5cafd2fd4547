// Roll up usage: what the stream, the schedule and a rebuild each set going. The stream marks and the schedule makes sure.
import * as z from "zod";
import { markRange, type RebuildRange } from "./rebuild.ts";
import { rollUp } from "./roll-up.ts";
import { type RollUpAllPorts, type RollUpReport, rollUpAll } from "./roll-up-all.ts";
import { hourAt, laneCount, laneOf, laneOfRecords, partitionOf, startOf, type Unit } from "./units.ts";

const millisecondsOf = z.iso.datetime().transform((text) => Date.parse(text));

/** A batch of the stream, the schedule's call, or an administrator's wish. */
export const rollUpInput = z.union([
  z.object({
    Records: z.array(
      z.object({
        eventName: z.string(),
        dynamodb: z.object({ Keys: z.object({ partition: z.object({ S: z.string() }) }) }),
      }),
    ),
  }),
  z.object({ rebuild: z.object({ from: millisecondsOf, to: millisecondsOf }) }),
  z.object({ scheduledTime: z.string() }),
]);

export type RollUpInput = z.output<typeof rollUpInput>;

export interface RollUpUsagePorts extends RollUpAllPorts {
  hasRecords(lane: Unit): Promise<boolean>;
  note(name: string): Promise<string | undefined>;
  putNote(name: string, note: string): Promise<void>;
  /** Of the running relay: seconds between two roll-ups, days that records are kept. */
  settings(): Promise<{ readonly rollUpSeconds: number }>;
  count(counts: Readonly<Record<string, number>>): void;
  failed(error: unknown): void;
  told(report: Readonly<Record<string, unknown>>): void;
}

const hour = 3_600_000;
const day = 24 * hour;
/** What the stream keeps. Whoever was away for longer has missed something. */
const streamMilliseconds = day;
const mostGapDays = 31;
/** An hour is counted once more when nothing can come late any more, whatever the stream told. */
const auditAfterHours = 25;
/** After a pause of the schedule more of them wait: so many at one call, the others at the next. */
const mostAuditsPerCall = 24;
/** The schedule comes every minute, and never to the second: by half of that it may come early. */
const scheduleSlackMilliseconds = 30_000;

/** Throws the first failure of a unit, after all others were done; the stream's batch is taken in any case once it is marked. */
export async function rollUpUsage(input: RollUpInput, ports: RollUpUsagePorts): Promise<RollUpReport | undefined> {
  if ("Records" in input) return takeBatch(input.Records, ports);
  if ("rebuild" in input) {
    await rebuild(input.rebuild, ports);
    return roll(ports);
  }
  await lookBack(ports);
  return (await isDue(ports, scheduleSlackMilliseconds)) ? roll(ports) : undefined;
}

type StreamRecord = Extract<RollUpInput, { Records: unknown }>["Records"][number];

async function takeBatch(records: readonly StreamRecord[], ports: RollUpUsagePorts): Promise<RollUpReport | undefined> {
  const lanes = new Map<string, Unit>();
  for (const { eventName, dynamodb } of records) {
    const lane = laneOfRecords(dynamodb.Keys.partition.S);
    // What DynamoDB dropped because its time was over has been used all the same.
    if (lane !== undefined && eventName !== "REMOVE") lanes.set(partitionOf(lane), lane);
  }
  for (const lane of lanes.values()) await ports.mark(lane, ports.now());
  if (!(await isDue(ports))) return undefined;
  try {
    return await roll(ports);
  } catch (error) {
    // It is marked: the schedule goes on with it, and the stream need not tell it again.
    ports.failed(error);
    return undefined;
  }
}

async function isDue(ports: RollUpUsagePorts, slackMilliseconds = 0): Promise<boolean> {
  const [last, { rollUpSeconds }] = await Promise.all([ports.note("rolled-up"), ports.settings()]);
  const passed = last === undefined ? Number.NaN : ports.now() - Number(last);
  // Where the clock was set back, nobody waits for the time that it said before.
  return !(passed >= 0 && passed < rollUpSeconds * 1000 - slackMilliseconds);
}

async function roll(ports: RollUpUsagePorts): Promise<RollUpReport> {
  await ports.putNote("rolled-up", String(ports.now()));
  const report = await rollUpAll(ports);
  const { failures, ...sums } = report;
  if (report.units > 0) {
    ports.count({ RelayRollUpUnits: report.units, RelayRollUpExpired: report.expired });
    ports.told({ ...sums, failures: failures.length });
  }
  if (report.failures.length > 0) throw report.failures[0];
  return report;
}

async function rebuild(range: RebuildRange, ports: RollUpUsagePorts): Promise<void> {
  await markRange(range, ports);
}

/** After a pause that the stream did not survive, everything of that time is counted anew; and each hour once for certain. */
async function lookBack(ports: RollUpUsagePorts): Promise<void> {
  // They say what is logged of it.
  await ports.settings();
  const now = ports.now();
  const last = await ports.note("tick");
  if (last !== undefined && now - Number(last) > streamMilliseconds) {
    const from = Math.max(Number(last) - hour, now - mostGapDays * day);
    const hours = await markRange({ from, to: now }, { ...ports, isWanted: (lane) => ports.hasRecords(lane) });
    ports.count({ RelayRollUpGapHours: hours });
  }
  await ports.putNote("tick", String(now));
  await auditHours(ports, now);
}

/** Each hour once, also those that came due while the schedule stood still. */
async function auditHours(ports: RollUpUsagePorts, now: number): Promise<void> {
  const due = Math.floor((now - auditAfterHours * hour) / hour) * hour;
  const last = await ports.note("audited");
  const next = last === undefined ? due : startOf({ level: "hour", name: last }) + hour;
  let at = Math.max(next, due - mostGapDays * day);
  for (let count = 0; at <= due && count < mostAuditsPerCall && ports.hasTime(); count += 1) {
    const audited = hourAt(at);
    const corrected = await audit(audited, ports);
    if (corrected > 0) ports.count({ RelayTotalsCorrected: corrected });
    await ports.putNote("audited", audited.name);
    at += hour;
  }
}

/** Rows that were not what the hour's records say. */
async function audit(audited: Unit, ports: RollUpUsagePorts): Promise<number> {
  let corrected = 0;
  for (let lane = 0; lane < laneCount; lane += 1) {
    const unit = laneOf(audited, lane);
    await ports.mark(unit, ports.now());
    try {
      const outcome = await rollUp(unit, ports);
      if (outcome.kind === "counted") corrected += outcome.changed;
    } catch (error) {
      // It is marked: the roll-ups try it again, and the other units are not kept waiting for it.
      ports.failed(error);
    }
  }
  return corrected;
}
