// The one clock: speed, moves by hand, and skipping while nothing works.
import { afterEach, describe, expect, test } from "vitest";
import { Clock, type ClockOptions } from "../../../local/rig/clock.ts";

const hourMilliseconds = 3_600_000;
const clocks: Clock[] = [];

afterEach(() => {
  for (const clock of clocks.splice(0)) clock.close();
});

function newClock(options: ClockOptions): Clock {
  const clock = new Clock(options);
  clocks.push(clock);
  return clock;
}

/** Lets everything that is due happen. */
async function turns(count = 10): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe("a clock", () => {
  test("starts where it is told and runs as fast as it is told", async () => {
    const clock = newClock({ startAtMilliseconds: 1_000_000, speed: 1000 });
    expect(clock.now()).toBeGreaterThanOrEqual(1_000_000);
    await clock.sleep(20_000);
    expect(clock.now()).toBeGreaterThanOrEqual(1_020_000);
  });

  test("refuses a speed that is none", () => {
    expect(() => newClock({ speed: 0 })).toThrow(RangeError);
    expect(() => newClock({ speed: Number.POSITIVE_INFINITY })).toThrow(RangeError);
  });

  test("moved ahead by hand wakes whoever is due, in the order of their time, and never goes back", async () => {
    const clock = newClock({});
    const woken: string[] = [];
    const sleeps = [
      clock.sleep(2 * hourMilliseconds).then(() => woken.push("second")),
      clock.sleep(hourMilliseconds).then(() => woken.push("first")),
    ];
    const late = clock.sleep(9 * hourMilliseconds).then(() => woken.push("late"));
    clock.advance(3 * hourMilliseconds);
    await Promise.all(sleeps);
    expect(woken).toEqual(["first", "second"]);
    expect(() => clock.advance(-1)).toThrow(RangeError);
    clock.advance(9 * hourMilliseconds);
    await late;
  });

  test("lets a sleeper go when its signal says so", async () => {
    const clock = newClock({});
    const abort = new AbortController();
    const sleep = clock.sleep(hourMilliseconds, { signal: abort.signal });
    abort.abort(new Error("enough"));
    await expect(sleep).rejects.toThrow("enough");
    await expect(clock.sleep(1, { signal: abort.signal })).rejects.toThrow("enough");
  });

  test("waits longer than one timer of the machine can", async () => {
    const clock = newClock({});
    let woken = false;
    const sleep = clock.sleep(60 * 24 * hourMilliseconds).then(() => {
      woken = true;
    });
    await turns();
    expect(woken).toBe(false);
    clock.advance(61 * 24 * hourMilliseconds);
    await sleep;
  });
});

describe("a clock that skips idle waits", () => {
  test("jumps to the next awaited moment, again and again", async () => {
    const clock = newClock({ skipIdle: true });
    const before = clock.now();
    for (let round = 0; round < 3; round += 1) await clock.sleep(hourMilliseconds);
    expect(clock.now() - before).toBeGreaterThanOrEqual(3 * hourMilliseconds);
  });

  test("does not jump while anybody works, and does when the last one sleeps or is done", async () => {
    const clock = newClock({ skipIdle: true });
    const busy = clock.hold();
    const other = clock.hold();
    let woken = false;
    const sleep = clock.sleep(hourMilliseconds).then(() => {
      woken = true;
    });
    await turns();
    expect(woken).toBe(false);
    other.release();
    other.release();
    await turns();
    expect(woken).toBe(false);
    await busy.sleep(2 * hourMilliseconds);
    expect(woken).toBe(true);
    busy.release();
    await sleep;
  });

  test("keeps a hold awake from the very moment it wakes", async () => {
    const clock = newClock({ skipIdle: true });
    const hold = clock.hold();
    let woken = false;
    const other = clock.sleep(2 * hourMilliseconds).then(() => {
      woken = true;
    });
    await hold.sleep(hourMilliseconds);
    await turns();
    expect(woken).toBe(false);
    hold.release();
    await other;
  });

  test("counts an aborted sleep of a hold as awake again", async () => {
    const clock = newClock({ skipIdle: true });
    const hold = clock.hold();
    const keepAwake = clock.hold();
    const abort = new AbortController();
    const sleep = hold.sleep(hourMilliseconds, abort.signal);
    abort.abort(new Error("enough"));
    await expect(sleep).rejects.toThrow("enough");
    keepAwake.release();
    let woken = false;
    const other = clock.sleep(hourMilliseconds).then(() => {
      woken = true;
    });
    await turns();
    expect(woken).toBe(false);
    hold.release();
    await other;
  });

  test("never jumps to a background wait, but fires it when time has passed it", async () => {
    const clock = newClock({ skipIdle: true });
    let fired = false;
    const schedule = clock.sleep(hourMilliseconds, { background: true }).then(() => {
      fired = true;
    });
    await turns();
    expect(fired).toBe(false);
    await clock.sleep(2 * hourMilliseconds);
    await schedule;
  });
});
