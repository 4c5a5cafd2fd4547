// What reached people: the alert of the failure that was provoked, word by word as it came to the WeCom group.
import path from "node:path";
import { clip, plain, wrap } from "../../cli/terminal-text.ts";
import type { RobotMessage } from "../wecom/wecom-stand-in.ts";
import { type Stage, sayTitle, sayWrapped } from "./follow-workflow.ts";
import type { Provoked } from "./provoke-failure.ts";
import { folderForPeople } from "./show-cloud.ts";

const lookMilliseconds = 250;
/** A burst is told every half minute; a WeCom that throttles is left alone for one minute. */
const longestWaitMilliseconds = 150_000;
const tellAfterMilliseconds = 10_000;
const onTheWay = "it is on the way; after a burst of alerts, a group is told the next ones a minute later …";
/** Of the other messages; the file has all of them. */
const mostOthers = 5;

/** The message as it arrived; undefined: it did not. */
export async function showAlert(on: Stage, { backupId }: Provoked): Promise<RobotMessage | undefined> {
  const { screen } = on;
  sayTitle(on, "The alert that it produced, as it arrived in the WeCom group:");
  const message = await waitForMessage(on, (content) => content.includes(backupId));
  screen.say("");
  if (message === undefined) {
    sayWrapped(on, "It did not arrive: see the log of the function deliver-alerts.");
    return undefined;
  }
  screen.say(`  ┌ ${clockTime(message.at)}, ${message.msgtype}`);
  for (const line of message.content.split("\n")) {
    for (const part of wrap(plain(line), screen.columns - 4)) screen.say(`  │ ${part}`.trimEnd());
  }
  screen.say("  └");
  return message;
}

/** What else was told since then, by first lines: what the runs refused, and the alarms of AWS. */
export function showOtherAlerts(
  on: Stage,
  shown: RobotMessage | undefined,
  since: number,
  stateDirectory: string,
): void {
  const { screen, cloud } = on;
  const others = cloud.wecom.messages.filter((each) => Date.parse(each.at) >= since && each.at !== shown?.at);
  const mails = cloud.mails().filter(({ at }) => Date.parse(at) >= since);
  if (others.length + mails.length === 0) return;
  sayTitle(on, "What else was told meanwhile:");
  sayFirst(
    screen,
    others.map((other) => `  ${clockTime(other.at)}  WeCom  ${firstLine(other)}`),
  );
  sayFirst(
    screen,
    mails.map(({ at, subject }) => `  ${clockTime(at)}  mail   ${plain(subject)}`),
  );
  if (mails.length > 0) screen.say(`  (every mail: ${path.join(folderForPeople(stateDirectory), "mail/mails.jsonl")})`);
}

function sayFirst(screen: Stage["screen"], lines: readonly string[]): void {
  for (const line of lines.slice(0, mostOthers)) screen.say(clip(line, screen.columns));
  if (lines.length > mostOthers) screen.say(`  … and ${lines.length - mostOthers} more`);
}

async function waitForMessage(
  { screen, cloud, stop }: Stage,
  isWanted: (content: string) => boolean,
): Promise<RobotMessage | undefined> {
  const startedAt = Date.now();
  let isTold = screen.isTerminal;
  try {
    while (Date.now() - startedAt < longestWaitMilliseconds) {
      const found = cloud.wecom.messages.find(({ content }) => isWanted(content));
      if (found) return found;
      screen.draw([clip(`  ${onTheWay}`, screen.columns)]);
      if (!isTold && Date.now() - startedAt > tellAfterMilliseconds) {
        isTold = true;
        screen.say(`  ${onTheWay}`);
      }
      await stop.unlessStopped(new Promise((resolve) => setTimeout(resolve, lookMilliseconds)));
    }
    return undefined;
  } finally {
    screen.clear();
  }
}

function firstLine({ content }: RobotMessage): string {
  return plain((content.split("\n")[0] ?? "").replace(/<[^>]*>|[*#]/g, "")).trim();
}

/** UTC, as the logs have it: 16:16:28 */
function clockTime(at: string): string {
  return at.slice(11, 19);
}
