// The ports of event evaluation in memory: what the table would hold, and what was announced.
import type { Alert, Delivery } from "../../../lambdas/alerts/alert.ts";
import { type EvaluatePorts, evaluateEvent } from "../../../lambdas/alerts/evaluate-event.ts";
import type { Incident } from "../../../lambdas/alerts/incident.ts";
import type { Rule } from "../../../lambdas/alerts/rule.ts";
import type { BusEvent } from "../../../lambdas/shared/bus-event.ts";
import type { EventDetail } from "../../../lambdas/shared/events.ts";

export class MemoryAlerts {
  readonly alerts: Alert[] = [];
  readonly deliveries: Delivery[] = [];
  readonly announced: EventDetail<"AlertRecovered">[] = [];
  readonly incidents = new Map<string, Incident>();
  readonly #markers = new Map<string, EventDetail<"AlertRecovered"> | undefined>();
  /** So many writes meet somebody else's. */
  conflicts = 0;
  now = Date.parse("2026-11-20T10:00:00.000Z");

  readonly ports: EvaluatePorts = {
    read: async ({ ruleId, event, key }) => this.incidents.get(`${ruleId} ${event} ${key}`),
    write: async ({ countsEvent, incident, alert, deliveries, announced }) => {
      if (this.conflicts > 0) {
        this.conflicts -= 1;
        return { outcome: "changed" };
      }
      const marker = `${countsEvent} ${incident.ruleId} ${incident.event}`;
      if (countsEvent !== undefined && this.#markers.has(marker)) {
        return { outcome: "counted", announced: this.#markers.get(marker) };
      }
      if (countsEvent !== undefined) this.#markers.set(marker, announced);
      this.incidents.set(`${incident.ruleId} ${incident.event} ${incident.key}`, incident);
      if (alert !== undefined) this.alerts.push(alert);
      this.deliveries.push(...deliveries);
      return { outcome: "written" };
    },
    noteLife: async () => undefined,
    announce: async (recovered) => void this.announced.push(recovered),
    channels: ["log", "wecom"],
    timeZone: "Asia/Shanghai",
    now: () => this.now,
  };

  async take(rules: readonly Rule[], ...events: readonly BusEvent[]): Promise<void> {
    for (const event of events) {
      this.now = Date.parse(event.at);
      await evaluateEvent(event, rules, this.ports);
    }
  }

  /** `raised rm-1`, `recovered rm-1` …: what is told, in order. */
  get told(): string[] {
    return this.alerts.map(({ kind, event, subject }) => [kind, event, subject].filter(Boolean).join(" "));
  }
}
