// Sends events together: what comes while a call is on its way goes with the next one. Nobody waits for the sake of others.
import type { EventDetail, EventName, EventSender } from "./events.ts";

interface Waiting {
  readonly detail: unknown;
  resolve(): void;
  reject(error: unknown): void;
}

/** Whoever sends learns whether their own event went out: one that EventBridge refused fails all of its call. */
export function gatherEvents(sender: EventSender): EventSender {
  const lines = new Map<EventName, Waiting[]>();

  async function empty<Name extends EventName>(name: Name, line: Waiting[]): Promise<void> {
    while (line.length > 0) {
      const together = line.splice(0);
      try {
        await sender.send(
          name,
          together.map(({ detail }) => detail as EventDetail<Name>),
        );
        for (const { resolve } of together) resolve();
      } catch (error) {
        for (const { reject } of together) reject(error);
      }
    }
    lines.delete(name);
  }

  return {
    async send(name, details) {
      const line = lines.get(name) ?? [];
      const sent = details.map(
        (detail) => new Promise<void>((resolve, reject) => line.push({ detail, resolve, reject })),
      );
      if (!lines.has(name)) {
        lines.set(name, line);
        void empty(name, line);
      }
      await Promise.all(sent);
    },
  };
}
