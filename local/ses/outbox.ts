// The mails that left the local cloud: none goes anywhere, all are kept for a person or a test to read.
import path from "node:path";
import { JsonLines } from "../gateway/json-lines.ts";

export interface Mail {
  readonly messageId: string;
  /** RFC 3339, UTC, cloud time. */
  readonly at: string;
  /** Which service sent it. */
  readonly via: "ses" | "sns";
  readonly from: string;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly replyTo: readonly string[];
  readonly subject: string;
  readonly text?: string;
  readonly html?: string;
  /** A mail that came ready-made: the MIME message. */
  readonly raw?: string;
}

export type Outbox = JsonLines<Mail>;

const mostMails = 5000;

/** `<directory>/mails.jsonl`; the directory exists. */
export function openOutbox(directory: string): Outbox {
  return new JsonLines(path.join(directory, "mails.jsonl"), mostMails);
}
