// The form of a rule as the API takes it, and what else must hold before it is kept.
import * as z from "zod";
import { CausewayError } from "../shared/errors.ts";
import type { EventName } from "../shared/events.ts";
import { eventNames, severities } from "./event-facts.ts";
import type { Rule } from "./rule.ts";

/** Keeps the list within one item of the table. */
export const mostRules = 100;

const time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'Give a time of day, such as "22:00".');

const timeZone = z
  .string('Give an IANA time zone, such as "Asia/Shanghai", or null for the stage\'s.')
  .max(50, "Give an IANA time zone.")
  .refine(isTimeZone, 'Give an IANA time zone, such as "Asia/Shanghai", or null for the stage\'s.');

const field = z
  .string()
  .regex(/^[A-Za-z]\w{0,39}(\.[A-Za-z-]\w{0,39})?$/, 'Give the name of a field of the event, such as "instanceId".');

const fieldValues = z
  .record(
    field,
    z
      .array(z.string().max(1024, "Give a shorter value."))
      .min(1, "Give at least one value.")
      .max(100, "Give at most 100 values."),
  )
  .refine((fields) => Object.keys(fields).length <= 20, "Give at most 20 fields.");

const eventName = z.enum(
  eventNames as [EventName, ...EventName[]],
  "Give the name of an event; GET /api/alerts/rules lists them.",
);

const ruleFields = {
  enabled: z.boolean("Give true or false."),
  match: z.strictObject({
    events: z.array(eventName).min(1, "Give at least one event.").max(30, "Give at most 30 events."),
    severities: z.array(z.enum(severities, 'Give "info", "warning" or "critical".')).max(3, "Give each severity once."),
    sources: z
      .array(z.string().regex(/^causeway\.[a-z-]{1,30}$/, 'Give a source, such as "causeway.replication".'))
      .max(10, "Give at most 10 sources."),
    where: fieldValues,
    unless: fieldValues,
  }),
  severity: z.enum(severities, 'Give "info", "warning" or "critical", or null for the event\'s own.').nullable(),
  deduplicateBy: z.array(field).max(5, "Give at most five fields.").nullable(),
  threshold: z.strictObject({
    count: wholeNumber(1, 100, "events"),
    windowMinutes: wholeNumber(1, 7 * 24 * 60, "minutes"),
  }),
  suppressionMinutes: wholeNumber(0, 31 * 24 * 60, "minutes"),
  quietHours: z
    .strictObject({
      from: time,
      to: time,
      timeZone: timeZone.nullable(),
      criticalPasses: z.boolean("Give true or false."),
    })
    .nullable(),
  recoveryNotice: z.boolean("Give true or false."),
  channels: z
    .array(z.string().min(1).max(31, "Give the name of a channel."))
    .max(20, "Give at most 20 channels.")
    .nullable(),
} as const;

export const ruleIdSchema = z
  .string("Give the rule's id.")
  .regex(/^[a-z][a-z0-9-]{0,49}$/, 'Give an id of lower-case letters, digits and "-", such as "backup-copy-failed".');

export const ruleOrigins = ["default", "changed", "own"] as const;

/** A rule whose id is in the path. */
export const ruleBodySchema = z.strictObject(ruleFields);

export const ruleSchema = z.strictObject({ ruleId: ruleIdSchema, ...ruleFields });

/** As GET gives them: what came from there may go back as it is. */
export const listedRuleSchema = z.strictObject({
  ...ruleSchema.shape,
  origin: z.enum(ruleOrigins).optional().describe("Whether it is as the stage's settings say; read, not written"),
});

/** What the rules of a stage may name. */
export interface RuleSurroundings {
  readonly channels: readonly string[];
  /** Fields of an event's detail. */
  readonly fieldsOf: (name: EventName) => readonly string[];
}

/** Throws `InputInvalid` that names every field which cannot be, beginning with `body.rules.<index>`, or `body` for one. */
export function checkRules(
  rules: readonly Rule[],
  surroundings: RuleSurroundings,
  place: (index: number) => string,
): void {
  const problems = rules.flatMap((rule, index) => {
    const isRepeated = rules.findIndex(({ ruleId }) => ruleId === rule.ruleId) < index;
    return [
      ...(isRepeated ? [{ field: `${place(index)}.ruleId`, problem: "Two rules have this id." }] : []),
      ...problemsOf(rule, surroundings, place(index)),
    ];
  });
  if (problems.length > 0) {
    throw new CausewayError("InputInvalid", "The rules do not fit the stage.", { details: { fields: problems } });
  }
}

function problemsOf(rule: Rule, { channels, fieldsOf }: RuleSurroundings, at: string) {
  const problems: { field: string; problem: string }[] = [];
  for (const channel of rule.channels ?? []) {
    if (channels.includes(channel)) continue;
    problems.push({
      field: `${at}.channels`,
      problem: `There is no channel ${channel}; there are ${channels.join(", ")}.`,
    });
  }
  const known = rule.match.events.map((name) => ({ name, fields: fieldsOf(name) }));
  for (const name of rule.deduplicateBy ?? []) {
    for (const event of known.filter(({ fields }) => !fields.includes(topOf(name)))) {
      problems.push({ field: `${at}.deduplicateBy`, problem: `${event.name} has no field ${name}.` });
    }
  }
  for (const part of ["where", "unless"] as const) {
    for (const name of Object.keys(rule.match[part])) {
      if (known.some(({ fields }) => fields.includes(topOf(name)))) continue;
      problems.push({ field: `${at}.match.${part}.${name}`, problem: "None of the rule's events has this field." });
    }
  }
  return problems;
}

function topOf(path: string): string {
  return path.split(".")[0] ?? path;
}

function wholeNumber(least: number, most: number, unit: string) {
  const message = `Give a whole number of ${unit} from ${least} to ${most}.`;
  return z.int(message).min(least, message).max(most, message);
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return !/^[+-]/.test(name);
  } catch {
    return false;
  }
}
