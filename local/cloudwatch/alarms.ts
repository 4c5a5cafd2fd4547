// All alarms of the templates. They are passive: a datum that comes in is compared, nothing is polled, and the only waits
// are background ones of alarms that are raised.
import type { DatabaseSync } from "node:sqlite";
import { DurableMap, openDurableState } from "../gateway/durable-state.ts";
import type { ServiceContext } from "../gateway/service.ts";
import { type AlarmDefinition, type AlarmState, breaches, canEvaluate, notification, type Period } from "./alarm.ts";
import type { Dimension, MetricData } from "./metric-store.ts";

export interface AlarmView {
  readonly name: string;
  readonly state: AlarmState;
  /** False: nothing here makes its metric, or it compares in a way that the local cloud does not know. */
  readonly evaluated: boolean;
}

interface Watched {
  readonly alarm: AlarmDefinition;
  /** Oldest first; no more than the alarm looks at. */
  periods: Period[];
  /** A level (a queue's depth) lasts until it changes; a count belongs to its moment. */
  level: Period | undefined;
  levelBreachedSince: number | undefined;
  recheck: AbortController | undefined;
}

export interface AlarmsOptions {
  /** Told of each change that an alarm has an action for. Must not throw. */
  readonly notify: (topicArn: string, alarmArn: string, mail: { subject: string; message: string }) => void;
}

type Sample = Omit<Period, "startMilliseconds">;

export class Alarms {
  readonly #context: ServiceContext;
  readonly #options: AlarmsOptions;
  readonly #database: DatabaseSync;
  readonly #states: DurableMap<AlarmState>;
  /** By metric. */
  readonly #watched = new Map<string, Watched[]>();
  readonly #unevaluated: AlarmDefinition[] = [];
  #closed = false;

  constructor(context: ServiceContext, options: AlarmsOptions) {
    this.#context = context;
    this.#options = options;
    this.#database = openDurableState(context.stateDirectory, "alarms");
    this.#states = new DurableMap(this.#database, "states");
  }

  /** `fed`: something of the local cloud records this metric. */
  add(alarm: AlarmDefinition, fed: boolean): void {
    if (!fed || !canEvaluate(alarm)) {
      this.#unevaluated.push(alarm);
      return;
    }
    const key = metricKey(alarm.namespace, alarm.metricName, alarm.dimensions);
    const others = this.#watched.get(key) ?? [];
    const watched = { alarm, periods: [], level: undefined, levelBreachedSince: undefined, recheck: undefined };
    this.#watched.set(key, [...others, watched]);
    // What raised it is not remembered over a restart, but that it was raised is: it may clear from here.
    if (this.#stateOf(alarm) === "ALARM") this.#recheckLater(watched, alarm.periodSeconds * alarm.evaluationPeriods);
  }

  list(): AlarmView[] {
    const evaluated = [...this.#watched.values()].flat().map(({ alarm }) => ({ alarm, evaluated: true }));
    const others = this.#unevaluated.map((alarm) => ({ alarm, evaluated: false }));
    return [...evaluated, ...others].map((each) => ({
      name: each.alarm.name,
      state: this.#stateOf(each.alarm),
      evaluated: each.evaluated,
    }));
  }

  /** A metric that was put or embedded in a log. */
  take(data: MetricData): void {
    const { namespace, name, dimensions, sampleCount, sum, minimum, maximum } = data;
    this.#count(metricKey(namespace, name, dimensions), { sampleCount, sum, minimum, maximum });
  }

  /** Something of AWS's own happened once. */
  count(namespace: string, name: string, dimension: string, value: string): void {
    this.#count(metricKey(namespace, name, [{ Name: dimension, Value: value }]), one(1));
  }

  /** The value that a gauge of AWS's own has from now on. */
  level(namespace: string, name: string, dimension: string, value: string, level: number): void {
    for (const watched of this.#watched.get(metricKey(namespace, name, [{ Name: dimension, Value: value }])) ?? []) {
      const now = this.#context.clock.now();
      watched.level = { startMilliseconds: now, ...one(level) };
      if (!breaches(watched.alarm, watched.level)) watched.levelBreachedSince = undefined;
      else watched.levelBreachedSince ??= now;
      this.#judge(watched);
    }
  }

  /** Whatever comes in later changes nothing. */
  close(): void {
    this.#closed = true;
    for (const { recheck } of [...this.#watched.values()].flat()) recheck?.abort();
    this.#database.close();
  }

  #count(key: string, sample: Sample): void {
    for (const watched of this.#watched.get(key) ?? []) {
      const periodMilliseconds = watched.alarm.periodSeconds * 1000;
      const now = this.#context.clock.now();
      const startMilliseconds = Math.floor(now / periodMilliseconds) * periodMilliseconds;
      const last = watched.periods.at(-1);
      if (last?.startMilliseconds === startMilliseconds) watched.periods.pop();
      watched.periods.push(
        merge(startMilliseconds, sample, last?.startMilliseconds === startMilliseconds ? last : undefined),
      );
      this.#judge(watched);
    }
  }

  #judge(watched: Watched): void {
    if (this.#closed) return;
    const { alarm } = watched;
    const now = this.#context.clock.now();
    const periodMilliseconds = alarm.periodSeconds * 1000;
    const windowStart =
      Math.floor(now / periodMilliseconds) * periodMilliseconds - (alarm.evaluationPeriods - 1) * periodMilliseconds;
    watched.periods = watched.periods.filter(({ startMilliseconds }) => startMilliseconds >= windowStart);
    const since = watched.levelBreachedSince;
    const lasting = since === undefined ? 0 : Math.floor((now - since) / periodMilliseconds) + 1;
    const bad = lasting + watched.periods.filter((period) => breaches(alarm, period)).length;
    if (bad >= alarm.datapointsToAlarm)
      this.#become(watched, "ALARM", `${bad} datapoint(s) crossed ${alarm.threshold}.`);
    else this.#become(watched, "OK", `fewer than ${alarm.datapointsToAlarm} datapoint(s) crossed ${alarm.threshold}.`);
    // A count leaves the window, and a level that lasts may become one too many, by the passing of time alone.
    if (watched.periods.length > 0 || (since !== undefined && bad < alarm.datapointsToAlarm)) {
      this.#recheckLater(watched, alarm.periodSeconds);
    } else watched.recheck?.abort();
  }

  #become(watched: Watched, to: AlarmState, reason: string): void {
    const { alarm } = watched;
    const from = this.#stateOf(alarm);
    if (from === to) return;
    this.#states.set(alarm.arn, to);
    const { clock, region } = this.#context;
    const change = { from, to, reason, at: new Date(clock.now()).toISOString() };
    for (const topicArn of to === "ALARM" ? alarm.alarmActions : alarm.okActions) {
      this.#options.notify(topicArn, alarm.arn, notification(alarm, change, region));
    }
  }

  #recheckLater(watched: Watched, seconds: number): void {
    watched.recheck?.abort();
    const recheck = new AbortController();
    watched.recheck = recheck;
    // A background wait: a clock that skips idle time does not jump to it.
    this.#context.clock.sleep(seconds * 1000, { background: true, signal: recheck.signal }).then(
      () => {
        if (!recheck.signal.aborted) this.#judge(watched);
      },
      // Only an abort rejects: newer data came, or the local cloud stops.
      () => undefined,
    );
  }

  #stateOf(alarm: AlarmDefinition): AlarmState {
    return this.#states.get(alarm.arn) ?? "OK";
  }
}

function one(value: number): Sample {
  return { sampleCount: 1, sum: value, minimum: value, maximum: value };
}

function merge(startMilliseconds: number, sample: Sample, earlier: Period | undefined): Period {
  if (!earlier) return { startMilliseconds, ...sample };
  return {
    startMilliseconds,
    sampleCount: earlier.sampleCount + sample.sampleCount,
    sum: earlier.sum + sample.sum,
    minimum: Math.min(earlier.minimum, sample.minimum),
    maximum: Math.max(earlier.maximum, sample.maximum),
  };
}

/** The order in which dimensions were given does not matter. */
function metricKey(namespace: string, name: string, dimensions: readonly Dimension[]): string {
  const pairs = dimensions.map(({ Name, Value }) => `${Name}=${Value}`).sort();
  return JSON.stringify([namespace, name, ...pairs]);
}
