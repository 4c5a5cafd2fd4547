// A message in words, before a channel gives it its form: one alert, a digest of many, or a test.
import { createHash } from "node:crypto";
import type { Alert, Delivery } from "../alert.ts";
import { eventFacts, type Severity } from "../event-facts.ts";
import { en } from "../texts/en.ts";
import type { EventText, Language, Writer } from "../texts/text.ts";
import { zhCn } from "../texts/zh-cn.ts";
import { shortenMiddle } from "./cut-text.ts";
import { writerFor } from "./writer.ts";

export const languages = { en, "zh-CN": zhCn } as const satisfies Record<string, Language>;
export type LanguageName = keyof typeof languages;

/** What differs from stage to stage. */
export interface MessageSettings {
  readonly stage: string;
  readonly language: LanguageName;
  readonly timeZone: string;
  /** Without a slash at its end; empty: links are paths alone. */
  readonly publicUrl: string;
  /** Where people read the runbook. */
  readonly runbookUrl: string;
}

export interface Line {
  /** A few words; empty: the line stands alone. */
  readonly label: string;
  readonly text: string;
  /** Where the line leads: absolute, or a path where the stage has no public address. */
  readonly link?: string;
}

export interface Message {
  /** The same deliveries make the same id: a receiver can tell a repetition. */
  readonly messageId: string;
  readonly kind: "alert" | "recovery" | "digest" | "test";
  readonly severity: Severity;
  readonly stage: string;
  readonly title: string;
  readonly lines: readonly Line[];
  /** Says that the text was cut. */
  readonly cutMark: string;
  readonly deliveries: readonly Delivery[];
}

/** Longer subjects lose their middle: an S3 key may have 1,024 bytes. */
const mostSubjectCharacters = 120;
/** Causes come from vendors, and may be pages. */
const mostTextCharacters = 900;

export function alertMessage(alert: Alert, delivery: Delivery, settings: MessageSettings): Message {
  const { words, events } = languages[settings.language];
  const write = writerFor(settings, words.never);
  const trouble = events[alert.event];
  const isOver = alert.kind === "recovered";
  const count = alert.count > 1 ? ` (${words.times(alert.count)})` : "";
  return {
    ...frame([delivery], alert.severity, settings),
    kind: isOver ? "recovery" : "alert",
    title: headline(delivery, settings),
    lines: [
      { label: words.happened, text: clip(happenedText(alert, events, write)) },
      { label: words.since, text: `${write.time(alert.since)}${count}` },
      { label: words.means, text: isOver ? words.recoveredMeans : trouble.means },
      { label: words.toDo, text: isOver ? words.recoveredToDo : trouble.toDo },
      linkToWork(alert, settings),
      { label: words.runbook, text: eventFacts[alert.event].runbook, link: runbookLink(alert, settings) },
    ],
  };
}

/**
 * Counts all, names at most `named` subjects of each kind, says how many more there are, and links to the list of them.
 * `deliveries` is not empty.
 */
export function digestMessage(deliveries: readonly Delivery[], named: number, settings: MessageSettings): Message {
  const { words } = languages[settings.language];
  const write = writerFor(settings, words.never);
  const times = deliveries.map(({ raisedAt }) => raisedAt).sort();
  const raised = deliveries.filter(({ kind }) => kind !== "recovered");
  const of = (severity: Severity) => raised.filter((delivery) => delivery.severity === severity).length;
  const counts = {
    critical: of("critical"),
    warning: of("warning"),
    info: of("info"),
    recovered: deliveries.length - raised.length,
  };
  const severity = counts.critical > 0 ? "critical" : counts.warning > 0 ? "warning" : "info";
  const base = frame(deliveries, severity, settings);
  const groups = Map.groupBy(deliveries, (delivery) => headlineWithoutSubject(delivery, settings));
  return {
    ...base,
    kind: "digest",
    title: `[${settings.stage}] ${words.digestTitle(deliveries.length)}`,
    lines: [
      {
        label: "",
        text: words.digestIntroduction(counts, write.time(times[0] ?? null), write.time(times.at(-1) ?? null)),
      },
      ...[...groups].map(([label, group]) => ({
        label: `${label} × ${group.length}`,
        text: subjects(group, named, settings),
      })),
      { label: words.all, text: "", link: deliveriesLink({ messageId: base.messageId }, settings) },
    ],
  };
}

export function testMessage(delivery: Delivery, by: string, settings: MessageSettings): Message {
  const { words } = languages[settings.language];
  return {
    ...frame([delivery], "info", settings),
    kind: "test",
    title: `[${settings.stage}] ${words.testTitle}`,
    lines: [{ label: "", text: words.testText(delivery.channel, by) }],
  };
}

/** The message that names as many subjects as `fits` allows: all of them, or as many of each kind as there is room for. */
export function largestDigest(
  deliveries: readonly Delivery[],
  settings: MessageSettings,
  fits: (message: Message) => boolean,
): Message {
  let least = 0;
  let most = deliveries.length;
  let best = digestMessage(deliveries, most, settings);
  if (fits(best)) return best;
  best = digestMessage(deliveries, least, settings);
  while (most - least > 1) {
    const middle = Math.floor((least + most) / 2);
    const candidate = digestMessage(deliveries, middle, settings);
    if (fits(candidate)) {
      least = middle;
      best = candidate;
    } else {
      most = middle;
    }
  }
  return best;
}

function frame(deliveries: readonly Delivery[], severity: Severity, settings: MessageSettings) {
  const ids = deliveries.map(({ deliveryId }) => deliveryId).sort();
  const messageId = createHash("sha256").update(ids.join("\n")).digest("hex").slice(0, 20);
  return { messageId, severity, stage: settings.stage, cutMark: languages[settings.language].words.cut, deliveries };
}

function headline(delivery: Delivery, settings: MessageSettings): string {
  const { words } = languages[settings.language];
  const subject = subjectOf(delivery);
  return `[${settings.stage}] ${headlineWithoutSubject(delivery, settings)}${subject === "" ? "" : words.colon + subject}`;
}

function headlineWithoutSubject({ kind, event, severity }: Delivery, settings: MessageSettings): string {
  const { words, events } = languages[settings.language];
  const title = event === null ? words.testTitle : events[event].title;
  if (kind === "recovered") return `${words.recovered}${words.colon}${title}`;
  const going = kind === "again" ? `${words.stillGoing}${words.colon}` : "";
  return `${words.severities[severity]}${words.colon}${going}${title}`;
}

function subjects(group: readonly Delivery[], named: number, settings: MessageSettings): string {
  const { words } = languages[settings.language];
  const names = group.map(subjectOf).filter((subject) => subject !== "");
  const first = names.slice(0, named).join(words.comma);
  const rest = names.length - named;
  return rest > 0 ? [first, words.more(rest)].filter(Boolean).join(words.comma) : first;
}

function subjectOf({ subject }: Delivery): string {
  return shortenMiddle(subject, mostSubjectCharacters);
}

/** At a recovery the cause is the event that ended it. */
function happenedText({ cause }: Alert, events: Language["events"], write: Writer): string {
  // The detail was checked against the schema of this very name when the event came in.
  const text = events[cause.name] as EventText<typeof cause.name>;
  return text.happened(cause.detail as never, write);
}

function linkToWork(alert: Alert, settings: MessageSettings): Line {
  const { words } = languages[settings.language];
  const { detail } = alert.cause;
  if ("runId" in detail) {
    return {
      label: words.job,
      text: detail.runId,
      link: `${settings.publicUrl}/api/jobs/${encodeURIComponent(detail.runId)}`,
    };
  }
  return { label: words.record, text: alert.alertId, link: deliveriesLink({ alertId: alert.alertId }, settings) };
}

function deliveriesLink(query: Readonly<Record<string, string>>, { publicUrl }: MessageSettings): string {
  return `${publicUrl}/api/alerts/deliveries?${new URLSearchParams(query)}`;
}

function runbookLink({ event }: Alert, { runbookUrl }: MessageSettings): string {
  return `${runbookUrl}#${headingAnchor(eventFacts[event].runbook)}`;
}

/** The anchor that Markdown viewers give a heading: lower case, punctuation dropped, spaces as hyphens. */
export function headingAnchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number} _-]/gu, "")
    .replaceAll(" ", "-");
}

function clip(text: string): string {
  const characters = [...text];
  return characters.length <= mostTextCharacters ? text : `${characters.slice(0, mostTextCharacters).join("")}…`;
}
