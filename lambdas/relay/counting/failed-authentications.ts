// Bursts of failed authentication, seen by one execution environment: kept in its memory alone, so that garbage costs no write.
import type { EventDetail } from "../../shared/events.ts";

/** So many failures of one network within the window are a burst. */
export const burstCount = 20;
const windowMilliseconds = 5 * 60_000;
/** Told again of the same network after this at the earliest. */
const quietMilliseconds = 60 * 60_000;
const mostNetworks = 1000;

interface Seen {
  since: number;
  count: number;
  toldAt: number;
}

export class FailedAuthentications {
  readonly #byNetwork = new Map<string, Seen>();

  /** The event to send, once per network and hour; undefined while there is nothing to tell. */
  note(network: string, now: number): EventDetail<"RelayAuthenticationBurst"> | undefined {
    const before = this.#byNetwork.get(network);
    const toldAt = before?.toldAt ?? Number.NEGATIVE_INFINITY;
    const seen =
      before === undefined || now - before.since >= windowMilliseconds
        ? { since: now, count: 1, toldAt }
        : { ...before, count: before.count + 1 };
    // Again at the end: the first of the map is the one that was silent for longest.
    this.#byNetwork.delete(network);
    this.#byNetwork.set(network, seen);
    const [oldest] = this.#byNetwork.keys();
    if (this.#byNetwork.size > mostNetworks && oldest !== undefined) this.#byNetwork.delete(oldest);
    if (seen.count < burstCount || now - seen.toldAt < quietMilliseconds) return undefined;
    seen.toldAt = now;
    return { network, failures: seen.count, minutes: windowMilliseconds / 60_000 };
  }
}
