// An event of Causeway's bus as it arrives in a queue: its envelope read, its detail checked against its schema.
import * as z from "zod";
import { CausewayError } from "./errors.ts";
import { type EventDetail, type EventName, eventSchemas } from "./events.ts";

export type BusEvent<Name extends EventName = EventName> = {
  [Each in Name]: {
    /** EventBridge's own: the same event delivered twice has the same. */
    readonly eventId: string;
    readonly name: Each;
    /** `causeway.replication` */
    readonly source: string;
    /** When it was sent: RFC 3339 in UTC with milliseconds; EventBridge keeps whole seconds. */
    readonly at: string;
    readonly detail: EventDetail<Each>;
  };
}[Name];

const envelope = z.object({
  id: z.string().min(1),
  "detail-type": z.string(),
  source: z.string().min(1),
  time: z.iso.datetime({ offset: true }),
  detail: z.unknown(),
});

/** Throws `InputInvalid` for what is no event, has a name that nobody knows here, or a detail of another shape. */
export function readBusEvent(text: string): BusEvent {
  const parsed = envelope.safeParse(parseJson(text));
  if (!parsed.success) throw new CausewayError("InputInvalid", "The message is no event of the bus.");
  const { id, "detail-type": name, source, time, detail } = parsed.data;
  if (!isEventName(name)) throw new CausewayError("InputInvalid", `There is no event ${name}.`);
  const checked = eventSchemas[name].safeParse(detail);
  if (!checked.success) {
    const fields = checked.error.issues.map(({ path, message }) => `${path.join(".") || "detail"}: ${message}`);
    throw new CausewayError("InputInvalid", `An event ${name} does not have its shape: ${fields.join("; ")}`);
  }
  // The schema that was used is the one of this name.
  return { eventId: id, name, source, at: new Date(time).toISOString(), detail: checked.data } as BusEvent;
}

function isEventName(name: string): name is EventName {
  return Object.hasOwn(eventSchemas, name);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
