// Makes a worker's clock the cloud's: Date, performance.now and timers run on cloud time.
import { syncBuiltinESMExports } from "node:module";
import timers from "node:timers";
import timersPromises from "node:timers/promises";
import { promisify } from "node:util";

/** Layout of `Clock.shared` in local/rig/clock.ts. */
const slots = { realBase: 0, cloudBase: 1, speed: 2 } as const;

/** Call before any of the function's code is loaded. */
export function adoptCloudTime(shared: Float64Array): void {
  const realNow = Date.now;
  const speed = shared[slots.speed] ?? 1;
  const cloudNow = () =>
    Math.floor((shared[slots.cloudBase] ?? 0) + (realNow() - (shared[slots.realBase] ?? 0)) * speed);
  adoptDate(cloudNow);
  if (speed !== 1) {
    adoptPerformance(speed);
    adoptTimers(speed);
  }
}

function adoptDate(cloudNow: () => number): void {
  const RealDate = Date;
  RealDate.now = cloudNow;
  const CloudDate: DateConstructor = new Proxy(RealDate, {
    apply: () => new RealDate(cloudNow()).toString(),
    construct: (target, given, newTarget) =>
      Reflect.construct(
        target,
        given.length === 0 ? [cloudNow()] : given,
        newTarget === CloudDate ? target : newTarget,
      ),
  });
  RealDate.prototype.constructor = CloudDate;
  globalThis.Date = CloudDate;
}

function adoptPerformance(speed: number): void {
  const realNow = performance.now.bind(performance);
  Object.defineProperty(performance, "now", { value: () => realNow() * speed, configurable: true });
}

/** A wait of n cloud milliseconds is a real one of n / speed. */
function adoptTimers(speed: number): void {
  const real = { setTimeout, setInterval, abortAfter: AbortSignal.timeout.bind(AbortSignal) };
  const realPromises = { ...timersPromises };
  const scaled = (milliseconds: number | undefined) => (milliseconds ?? 0) / speed;

  const scaledTimeout = (callback: (...given: unknown[]) => void, milliseconds?: number, ...given: unknown[]) =>
    real.setTimeout(callback, scaled(milliseconds), ...given);
  const scaledInterval = (callback: (...given: unknown[]) => void, milliseconds?: number, ...given: unknown[]) =>
    real.setInterval(callback, scaled(milliseconds), ...given);
  const promisedTimeout: typeof timersPromises.setTimeout = (milliseconds, value, options) =>
    realPromises.setTimeout(scaled(milliseconds), value, options);
  Object.defineProperty(scaledTimeout, promisify.custom, { value: promisedTimeout });

  Object.assign(globalThis, { setTimeout: scaledTimeout, setInterval: scaledInterval });
  Object.assign(timers, { setTimeout: scaledTimeout, setInterval: scaledInterval });
  Object.assign(timersPromises, {
    setTimeout: promisedTimeout,
    setInterval: (milliseconds?: number, value?: unknown, options?: object) =>
      realPromises.setInterval(scaled(milliseconds), value, options),
  });
  AbortSignal.timeout = (milliseconds) => real.abortAfter(Math.max(0, Math.ceil(scaled(milliseconds))));
  // Modules that import these by name see the replacement too.
  syncBuiltinESMExports();
}
