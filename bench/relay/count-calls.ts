// Counts what one request costs in storage calls, by when they come, and how many waits for them stand before its first byte.
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { RelayRig } from "../../test/relay/relay-rig.ts";
import { percentile } from "./load.ts";

/** Averages over some requests, by operation and table: `UpdateItem RelayKeys`. */
export type CallsByName = Readonly<Record<string, number>>;

export interface CountedCalls {
  readonly beforeFirstByte: CallsByName;
  /** Of a stream that needs no further slice: writes that nobody waits for. */
  readonly during: CallsByName;
  readonly afterLastByte: CallsByName;
  /** Storage calls that follow one another before the first byte. */
  readonly waitsBeforeFirstByte: number;
  /** Storage calls that follow one another after the last byte. */
  readonly waitsAfterLastByte: number;
}

export interface CountOrder {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text that asks for a stream. */
  readonly body: string;
  readonly requests: number;
}

type Counts = Readonly<Record<string, number>>;

/** Added to every storage call to see how many of them follow one another. */
const addedMilliseconds = 100;
const requestsTimed = 5;
/** The store is quiet when it was not called for so long. */
const quietMilliseconds = 400;
const pollMilliseconds = 2;

/** The upstream must leave time between its events. Switches off what calls the store by itself. */
export async function countCalls(rig: RelayRig, order: CountOrder): Promise<CountedCalls> {
  for (const { functionName } of rig.cloud.eventSources.list()) rig.cloud.eventSources.disable(functionName);
  await rig.cloud.eventSources.settled();
  await stream(order, () => undefined);
  const phases = { beforeFirstByte: new Map(), during: new Map(), afterLastByte: new Map() };
  for (let request = 0; request < order.requests; request += 1) {
    await untilQuiet(rig);
    const before = rig.cloud.dynamodb.calls();
    const atEvents: Counts[] = [];
    await stream(order, () => atEvents.push(rig.cloud.dynamodb.calls()));
    await untilQuiet(rig);
    const atFirstByte = atEvents[0] ?? before;
    // What follows the last event may be under way when it arrives here.
    const beforeEnd = atEvents.at(-2) ?? atFirstByte;
    add(phases.beforeFirstByte, before, atFirstByte);
    add(phases.during, atFirstByte, beforeEnd);
    add(phases.afterLastByte, beforeEnd, rig.cloud.dynamodb.calls());
  }
  const average = (calls: ReadonlyMap<string, number>) =>
    Object.fromEntries([...calls].map(([name, count]) => [shortName(rig, name), count / order.requests]));
  return {
    beforeFirstByte: average(phases.beforeFirstByte),
    during: average(phases.during),
    afterLastByte: average(phases.afterLastByte),
    waitsBeforeFirstByte: await countWaits(rig, () => timeFirstByte(order)),
    waitsAfterLastByte: await countWaits(rig, () => timeLastCall(rig, order)),
  };
}

/** By how much longer it takes, in milliseconds, when every storage call does. */
async function countWaits(rig: RelayRig, time: () => Promise<number>): Promise<number> {
  const times: { quick: number[]; slow: number[] } = { quick: [], slow: [] };
  for (let request = 0; request < requestsTimed; request += 1) {
    times.quick.push(await time());
    const effect = { kind: "delay", milliseconds: addedMilliseconds } as const;
    rig.faults.add({ service: "dynamodb", times: Number.POSITIVE_INFINITY, effect });
    times.slow.push(await time());
    rig.faults.clear();
  }
  return (percentile(times.slow, 0.5) - percentile(times.quick, 0.5)) / addedMilliseconds;
}

async function timeFirstByte(order: CountOrder): Promise<number> {
  const startedAt = performance.now();
  let firstByteAt: number | undefined;
  await stream(order, () => {
    firstByteAt ??= performance.now();
  });
  return (firstByteAt ?? Number.NaN) - startedAt;
}

/** From the answer's end to the last storage call that reaches the store, where it waits no more. */
async function timeLastCall(rig: RelayRig, order: CountOrder): Promise<number> {
  await untilQuiet(rig);
  await stream(order, () => undefined);
  const endedAt = performance.now();
  let lastAt = endedAt;
  for (let seen = JSON.stringify(rig.cloud.dynamodb.calls()); performance.now() - lastAt < quietMilliseconds; ) {
    await sleep(pollMilliseconds);
    const now = JSON.stringify(rig.cloud.dynamodb.calls());
    if (now !== seen) lastAt = performance.now();
    seen = now;
  }
  return lastAt - endedAt;
}

/** Resolves at the answer's end. */
function stream({ url, headers, body }: CountOrder, onEvent: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { method: "POST", headers: { ...headers, "content-type": "application/json" } };
    const request = http.request(url, options, (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`answered ${answer.statusCode}`));
      answer.on("data", onEvent);
      answer.once("error", reject).once("end", resolve);
    });
    request.once("error", reject);
    request.end(body);
  });
}

async function untilQuiet(rig: RelayRig): Promise<void> {
  for (let seen = ""; ; ) {
    const now = JSON.stringify(rig.cloud.dynamodb.calls());
    if (now === seen) return;
    seen = now;
    await sleep(quietMilliseconds);
  }
}

function add(calls: Map<string, number>, before: Counts, after: Counts): void {
  for (const [name, count] of Object.entries(after)) {
    const more = count - (before[name] ?? 0);
    if (more > 0) calls.set(name, (calls.get(name) ?? 0) + more);
  }
}

const tables = ["RelayKeys", "RelayAccounts", "RelayUsage", "RelayTotals"];

function shortName(rig: RelayRig, name: string): string {
  return tables.reduce((text, table) => text.replaceAll(rig.cloud.output(`${table}TableName`), table), name);
}
