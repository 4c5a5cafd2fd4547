// Alarms by themselves: windows, levels, what is remembered, and what is not evaluated.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AlarmDefinition } from "../../../local/cloudwatch/alarm.ts";
import { Alarms } from "../../../local/cloudwatch/alarms.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";

const noon = Date.parse("2026-11-20T12:00:00Z");
const minute = 60_000;

let directory: string;
let clock: Clock;
let alarms: Alarms;
let subjects: string[];

beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/alarms-`);
  clock = new Clock({ startAtMilliseconds: noon });
  subjects = [];
  open();
});
afterEach(() => {
  alarms.close();
  clock.close();
  rmSync(directory, { recursive: true });
});

function open(): void {
  const place = { region: "eu-central-1", accountId: "111122223333", stateDirectory: directory };
  alarms = new Alarms(
    { ...place, clock, faults: new Faults(), authorize: () => undefined },
    { notify: (topicArn, _alarmArn, { subject }) => subjects.push(`${topicArn} ${subject.split(" in ")[0]}`) },
  );
}

const definition: AlarmDefinition = {
  name: "failures",
  arn: "arn:alarm",
  description: "",
  namespace: "Causeway",
  metricName: "CopiesFailed",
  dimensions: [{ Name: "service", Value: "copies" }],
  statistic: "Sum",
  periodSeconds: 300,
  evaluationPeriods: 1,
  datapointsToAlarm: 1,
  threshold: 2,
  comparison: "GreaterThanOrEqualToThreshold",
  alarmActions: ["topic"],
  okActions: ["topic"],
};
const fail = (sum: number, name = "CopiesFailed") =>
  alarms.take({
    ...{ namespace: "Causeway", name, dimensions: definition.dimensions, unit: "Count" },
    ...{ timestampMilliseconds: clock.now(), sampleCount: 1, sum, minimum: sum, maximum: sum },
  });
const depth = (visible: number) => alarms.level("AWS/SQS", "Depth", "QueueName", "dead", visible);
const ofDepth = { namespace: "AWS/SQS", metricName: "Depth", dimensions: [{ Name: "QueueName", Value: "dead" }] };

/** Whatever became due in the meantime is judged. */
async function advance(milliseconds: number): Promise<void> {
  clock.advance(milliseconds);
  await clock.sleep(1);
}

describe("an alarm on a count", () => {
  test("adds up a period's data, is raised once, and clears when the period is over", async () => {
    alarms.add(definition, true);
    fail(1);
    fail(5, "Other");
    expect(subjects).toEqual([]);
    fail(1);
    fail(1);
    expect(subjects).toEqual(['topic ALARM: "failures"']);
    await advance(5 * minute);
    await advance(5 * minute);
    expect(subjects).toEqual(['topic ALARM: "failures"', 'topic OK: "failures"']);
    fail(1);
    expect(alarms.list()).toEqual([{ name: "failures", state: "OK", evaluated: true }]);
  });

  test("may need several periods of its window", async () => {
    alarms.add({ ...definition, evaluationPeriods: 3, datapointsToAlarm: 2 }, true);
    fail(2);
    await advance(5 * minute);
    fail(1);
    expect(subjects).toEqual([]);
    await advance(5 * minute);
    fail(2);
    expect(subjects).toHaveLength(1);
  });
});

describe("an alarm on a level", () => {
  test("is raised and cleared with it", () => {
    alarms.add({ ...definition, ...ofDepth, statistic: "Maximum", threshold: 1 }, true);
    depth(0);
    depth(1);
    depth(3);
    depth(0);
    expect(subjects).toEqual(['topic ALARM: "failures"', 'topic OK: "failures"']);
  });

  test("that must last is raised by time alone", async () => {
    alarms.add({ ...definition, ...ofDepth, threshold: 1, evaluationPeriods: 2, datapointsToAlarm: 2 }, true);
    depth(1);
    expect(subjects).toEqual([]);
    await advance(5 * minute);
    expect(subjects).toHaveLength(1);
  });
});

test("a restart does not raise it again, and it clears from there", async () => {
  alarms.add(definition, true);
  fail(2);
  alarms.close();
  fail(2);
  open();
  alarms.add(definition, true);
  fail(2);
  expect(subjects).toHaveLength(1);
  await advance(5 * minute);
  await advance(5 * minute);
  expect(subjects.at(-1)).toBe('topic OK: "failures"');
});

test("what the local cloud cannot evaluate never changes", () => {
  alarms.add({ ...definition, statistic: "p99" }, true);
  alarms.add({ ...definition, name: "silence" }, false);
  fail(9);
  expect(alarms.list()).toEqual([
    { name: "failures", state: "OK", evaluated: false },
    { name: "silence", state: "OK", evaluated: false },
  ]);
});
