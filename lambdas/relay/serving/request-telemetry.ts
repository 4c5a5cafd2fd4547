// What is said of requests: one line each with its metrics, sessions that moved, faults of our own, and bursts of wrong keys.
import { networkOf } from "../counting/caller.ts";
import { canonicalFields, metricFields } from "../counting/canonical-line.ts";
import { FailedAuthentications } from "../counting/failed-authentications.ts";
import type { UsageRecord } from "../counting/usage-record.ts";
import type { RelayLog } from "../relay-log.ts";
import type { Telemetry } from "./ports.ts";

type Burst = NonNullable<ReturnType<FailedAuthentications["note"]>>;

export interface TelemetryPorts {
  readonly log: RelayLog;
  /** One line of its own form, which CloudWatch takes metrics from. */
  publishLine(fields: Readonly<Record<string, unknown>>): void;
  announceBurst(burst: Burst): Promise<unknown>;
  now(): number;
}

export class RequestTelemetry implements Telemetry {
  readonly #ports: TelemetryPorts;
  readonly #failed = new FailedAuthentications();

  constructor(ports: TelemetryPorts) {
    this.#ports = ports;
  }

  finished(record: UsageRecord): void {
    const { log, publishLine, now } = this.#ports;
    // Metrics are counted whatever is logged.
    const fields = log.isOn("proxy", "INFO") ? canonicalFields(record) : {};
    publishLine({ ...fields, ...metricFields(record, now()) });
  }

  async unknownKey(sourceIp: string, now: number): Promise<void> {
    const burst = this.#failed.note(networkOf(sourceIp), now);
    if (burst === undefined) return;
    this.#ports.log.warn("proxy", "many requests without a valid key", { ...burst });
    await this.#ports.announceBurst(burst);
  }

  sessionMoved(from: string, to: string, why: string): void {
    this.#ports.log.info("scheduler", "a session left its account", { from, to, why });
  }

  failure(error: unknown, requestId: string): void {
    this.#ports.log.error("main", error instanceof Error ? error.message : String(error), {
      requestId,
      error: error instanceof Error ? error.name : "Unknown",
      cause: error instanceof Error && error.cause instanceof Error ? error.cause.message : undefined,
    });
  }
}
