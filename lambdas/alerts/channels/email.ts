// E-mail through Amazon SES: a subject, the text, and the same as simple HTML.
import { SESv2Client, SendEmailCommand } from "@aws-sdk/client-sesv2";
import { isPassingAwsError } from "../../shared/aws-errors.ts";
import { CausewayError, isErrorNamed, messageOf } from "../../shared/errors.ts";
import { lazy } from "../../shared/lazy.ts";
import { cutToBytes } from "../messages/cut-text.ts";
import type { Line, Message } from "../messages/message.ts";
import type { Channel, ChannelSettings } from "./channel.ts";

/** Nobody reads longer mails; SES would take 40 MB. */
const mostBytes = 65_536;
/** Mail programs show about this much of a subject. */
const mostSubjectBytes = 200;

const pace = { messagesPerMinute: 20, alertsOneByOne: 5, mostAlertsPerMessage: 1_000 } as const;

export function openEmail({ name, from, to }: ChannelSettings): Channel {
  // Attempts in all; the next ones come with their own pauses.
  const client = lazy(() => new SESv2Client({ maxAttempts: 3 }));
  return {
    pace,
    fits: (message) => Buffer.byteLength(plainText(message)) <= mostBytes,
    async send(message) {
      if (from === undefined || to === undefined) {
        throw new CausewayError("ConfigurationInvalid", `The channel ${name} has no sender or no receivers.`);
      }
      try {
        const answer = await client().send(
          new SendEmailCommand({
            FromEmailAddress: from,
            Destination: { ToAddresses: [...to] },
            Content: { Simple: { Subject: { Data: subjectOf(message), Charset: "UTF-8" }, Body: bodyOf(message) } },
          }),
        );
        return `SES took it as ${answer.MessageId}`;
      } catch (error) {
        throw namedRefusal(error);
      }
    },
  };
}

function namedRefusal(error: unknown): CausewayError {
  const said = `SES: ${error instanceof Error ? error.name : "error"}: ${messageOf(error)}`;
  if (isErrorNamed(error, "TooManyRequestsException", "LimitExceededException")) {
    return new CausewayError("ChannelThrottled", said, { cause: error });
  }
  // Sending that is paused, or a sender that is not verified yet, is put right by somebody within the hour, or given up.
  const curable = isErrorNamed(
    error,
    "SendingPausedException",
    "AccountSuspendedException",
    "MailFromDomainNotVerifiedException",
  );
  const name = curable || isPassingAwsError(error) ? "ChannelUnavailable" : "ChannelRefused";
  return new CausewayError(name, said, { cause: error });
}

function subjectOf({ title, cutMark }: Message): string {
  return cutToBytes(oneLine(title), mostSubjectBytes, cutMark);
}

function bodyOf(message: Message) {
  return {
    Text: { Data: cutToBytes(plainText(message), mostBytes, message.cutMark), Charset: "UTF-8" },
    Html: { Data: html(message), Charset: "UTF-8" },
  };
}

function plainText({ title, lines }: Message): string {
  return [oneLine(title), "", ...lines.map(plainLine)].join("\n");
}

function plainLine({ label, text, link }: Line): string {
  return [label === "" ? "" : `${label}:`, oneLine(text), link ?? ""].filter(Boolean).join(" ");
}

function html(message: Message): string {
  const rows = message.lines.map(({ label, text, link }) => {
    const said = escapeHtml(cutToBytes(oneLine(text), mostBytes / 2, message.cutMark));
    const target = /^https?:\/\//.test(link ?? "")
      ? `<a href="${escapeHtml(link ?? "")}">${said || escapeHtml(link ?? "")}</a>`
      : [said, escapeHtml(link ?? "")].filter(Boolean).join(" ");
    return `<p>${label === "" ? "" : `<b>${escapeHtml(label)}</b><br>`}${target}</p>`;
  });
  return `<!doctype html><html><body><h3>${escapeHtml(oneLine(message.title))}</h3>${rows.join("")}</body></html>`;
}

/** A header is one line, and so is each of ours, whatever an event's texts hold. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\s]+/gu, " ");
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "");
}
