// The function's own log: one structured line per message, for whoever reads or searches logs.
import { log } from "../../shared/log.ts";
import { cutToBytes } from "../messages/cut-text.ts";
import type { Channel, ChannelSettings } from "./channel.ts";

const pace = { messagesPerMinute: 600, alertsOneByOne: 50, mostAlertsPerMessage: 200 } as const;

/** CloudWatch Logs takes records of 256 KB; escapes in JSON need room, too. */
const mostLines = 50;
const mostLineBytes = 2_000;

export function openConsole({ name }: ChannelSettings): Channel {
  return {
    pace,
    fits: ({ title, lines }) =>
      lines.length <= mostLines &&
      [title, ...lines.map(({ label, text, link = "" }) => `${label}: ${text} ${link}`)].every(
        (line) => Buffer.byteLength(line) <= mostLineBytes,
      ),
    send(message) {
      const { messageId, kind, severity, stage, lines, deliveries, cutMark } = message;
      const title = cutToBytes(message.title, mostLineBytes, cutMark);
      const text = lines
        .slice(0, mostLines)
        .map(({ label, text, link }) => [label && `${label}:`, text, link].filter(Boolean).join(" "))
        .map((line) => cutToBytes(line, mostLineBytes, cutMark));
      const alerts = deliveries.map(({ alertId, event, subject }) => ({ alertId, event, subject }));
      log.info("alert", { channel: name, messageId, kind, severity, stage, title, text, alerts });
      return Promise.resolve("written to the log");
    },
  };
}
