// The events that the relay itself sends: seldom, so that what sending needs is loaded when it is needed.
import type { EventDetail } from "../shared/events.ts";

export class RelayEventsStore {
  readonly #busName: string;

  constructor(busName: string) {
    this.#busName = busName;
  }

  async announceBurst(burst: EventDetail<"RelayAuthenticationBurst">): Promise<void> {
    const [{ EventBridgeClient }, { eventSender }, { smallCalls }] = await Promise.all([
      import("@aws-sdk/client-eventbridge"),
      import("../shared/events.ts"),
      import("../shared/aws-clients.ts"),
    ]);
    const events = eventSender(new EventBridgeClient(smallCalls), this.#busName, "causeway.relay");
    await events.send("RelayAuthenticationBurst", [burst]);
  }
}
