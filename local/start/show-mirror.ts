// The mirror: waits until what is in S3 is in OSS, shows how far it is, and asks OSS itself at the end.
import { openJobs } from "../../cli/open-jobs.ts";
import { humanBytes } from "../../cli/render-run.ts";
import { type Column, clip, plain, setInColumns } from "../../cli/terminal-text.ts";
import { type Stage, sayTitle, sayWrapped } from "./follow-workflow.ts";
import { mirrorReader, ossReader, readPlace, type SourceObject, type TargetFacts } from "./mirror-state.ts";

export interface MirrorResult {
  readonly isComplete: boolean;
  /** Of the largest object that has one: mirror-oss.json. */
  readonly receiptKey: string | undefined;
}

export interface MirrorWishes {
  /** Receipts of copies, which those of the mirror point to: they are waited for, too. */
  readonly copyReceiptKeys: readonly string[];
  /** What was mirrored before is counted, not shown. */
  readonly sinceMilliseconds: number;
  /** Where the clouds misbehave, the queue's own pauses must be sat out. */
  readonly isStormy: boolean;
}

const readMilliseconds = 500;
const lineMilliseconds = 3_000;
/** Nothing moves for so long: something is wrong. A message that failed comes again after 15 s at first. */
const mostStillMilliseconds = 90_000;
/** A message whose function was cut off comes again when the queue believes it dead. */
const mostStillInStormMilliseconds = 450_000;
/** More rows say no more. */
const mostRows = 12;

export async function showMirror(on: Stage, wishes: MirrorWishes): Promise<MirrorResult> {
  const { screen, cloud } = on;
  const place = readPlace(cloud);
  const names = place.mappings.map(({ from, to }) => `${from} as ${place.bucket}/${to}`).join(", ");
  sayTitle(on, `The mirror: what is in S3 below ${names}`);
  screen.say("");
  const { objects, isComplete } = await waitForMirror(on, mirrorReader(cloud, place), wishes);
  const head = await ossReader(cloud, place);
  const fresh = objects.filter(({ entry }) => !isBefore(entry?.mirrored?.at, wishes.sinceMilliseconds));
  const facts = new Map<string, TargetFacts | undefined>();
  for (const { entry } of fresh) {
    if (entry) facts.set(entry.targetKey, await on.stop.unlessStopped(head(entry.targetKey)));
  }
  const equal = fresh.filter((object) => isEqual(object, facts));
  for (const line of tableOf(fresh, facts, screen.columns)) screen.say(line);
  if (fresh.length > 0) screen.say("");
  const older = objects.length - fresh.length;
  sayWrapped(on, countsOf(fresh, equal.length, older));
  sayProblems(on, objects, wishes);
  const largest = [...fresh, ...objects]
    .filter(({ entry }) => entry?.mirrored?.receiptKey)
    .sort((left, right) => right.bytes - left.bytes)[0];
  return {
    isComplete: isComplete && equal.length === fresh.length,
    receiptKey: largest?.entry?.mirrored?.receiptKey ?? undefined,
  };
}

function countsOf(fresh: readonly SourceObject[], equal: number, older: number): string {
  if (fresh.length === 0) return `Nothing new: ${older} objects are in OSS since earlier starts.`;
  const bytes = humanBytes(fresh.reduce((sum, object) => sum + object.bytes, 0));
  const before = older > 0 ? ` ${older} more were there before.` : "";
  return `${equal} of ${fresh.length} new objects are in OSS, ${bytes}.${before}`;
}

/** Until every object and every receipt is there, or nothing has moved for too long. */
async function waitForMirror(
  on: Stage,
  read: () => Promise<SourceObject[]>,
  wishes: MirrorWishes,
): Promise<{ objects: SourceObject[]; isComplete: boolean }> {
  const { screen, stop, cloud } = on;
  const jobs = openJobs(cloud.clientConfig(), cloud.output("JobsTableName"));
  const mostStill = wishes.isStormy ? mostStillInStormMilliseconds : mostStillMilliseconds;
  let last = { text: "", at: Date.now() };
  let printedAt = Date.now();
  let hasPrinted = false;
  try {
    for (;;) {
      const objects = await stop.unlessStopped(read());
      const waiting = objects.filter((object) => isAwaited(object, wishes));
      if (waiting.length === 0) return { objects, isComplete: true };
      const large = waiting.find(({ entry, isMirrored }) => entry?.run !== undefined && !isMirrored);
      const view = large?.entry?.run && (await stop.unlessStopped(jobs.view(large.entry.run.name, Date.now())));
      const there = objects.length - waiting.length;
      const text =
        `${there} of ${objects.length} objects are in OSS` +
        (large ? `; ${plain(large.key)}: ${view ? `${view.percent} %` : "begins"}` : "");
      if (text !== last.text) last = { text, at: Date.now() };
      if (Date.now() - last.at > mostStill) return { objects, isComplete: false };
      screen.draw([clip(`  ${text}`, screen.columns)]);
      if (!screen.isTerminal && Date.now() - printedAt > lineMilliseconds) {
        printedAt = Date.now();
        hasPrinted = true;
        screen.say(`  ${text}`);
      }
      await stop.unlessStopped(new Promise((resolve) => setTimeout(resolve, readMilliseconds)));
    }
  } finally {
    screen.clear();
    if (hasPrinted) screen.say("");
  }
}

function isAwaited({ key, entry, isMirrored }: SourceObject, { copyReceiptKeys }: MirrorWishes): boolean {
  if (!isMirrored) return true;
  const isCopy = copyReceiptKeys.some((receiptKey) => receiptKey.startsWith(`receipts/${key}/`));
  return isCopy && entry?.mirrored?.receiptKey === null;
}

function isBefore(at: string | undefined, milliseconds: number): boolean {
  return at !== undefined && Date.parse(at) < milliseconds;
}

function isEqual({ entry, isMirrored }: SourceObject, facts: ReadonlyMap<string, TargetFacts | undefined>): boolean {
  const inOss = entry && facts.get(entry.targetKey);
  if (!isMirrored || !inOss) return false;
  return inOss.bytes === entry.mirrored?.bytes && inOss.crc64 === entry.mirrored.crc64;
}

/** Backups one by one; the files of an export in one row, for their keys are long and nobody reads them all. */
function tableOf(
  objects: readonly SourceObject[],
  facts: ReadonlyMap<string, TargetFacts | undefined>,
  columns: number,
): string[] {
  if (objects.length === 0) return [];
  const groups = [...Map.groupBy(objects, ({ key }) => exportFolder.exec(key)?.[0] ?? key)];
  const rows = groups.slice(0, mostRows).map(([name, group]) => {
    const bytes = group.reduce((sum, object) => sum + object.bytes, 0);
    const equal = group.filter((object) => isEqual(object, facts)).length;
    const mark = equal === group.length ? "✓" : "✗";
    return [
      mark,
      plain(name),
      humanBytes(bytes),
      name.endsWith("/") ? ofExport(group, equal) : ofObject(group[0], facts),
    ];
  });
  const layout: Column[] = [{}, { tooLong: "middle" }, { align: "right" }, { tooLong: "wrap" }];
  const lines = setInColumns(layout, [["", "in S3", "size", "what OSS says"], ...rows], columns);
  const more = groups.length - rows.length;
  return more > 0 ? [...lines, `   … and ${more} more`] : lines;
}

/** `mysql/rds-exports/orders/e…-a1/` */
const exportFolder = /^.*\brds-exports\/[^/]+\/[^/]+\//;

function ofExport(group: readonly SourceObject[], equal: number): string {
  return `${equal} of ${group.length} files, each with the size and CRC-64 that was sent`;
}

function ofObject(object: SourceObject | undefined, facts: ReadonlyMap<string, TargetFacts | undefined>): string {
  if (!object) return "";
  const { entry } = object;
  if (!isEqual(object, facts)) return entry?.lastError?.error ?? "not there";
  const crc64 = `the size and CRC-64 that was sent, ${entry?.mirrored?.crc64}`;
  return entry?.mirrored?.receiptKey ? `${crc64}; receipt mirror-oss.json: Aliyun RDS = S3 = OSS` : crc64;
}

function sayProblems(on: Stage, objects: readonly SourceObject[], wishes: MirrorWishes): void {
  const waiting = objects.filter((object) => isAwaited(object, wishes));
  for (const { key, entry } of waiting.slice(0, mostRows)) {
    const why = entry?.lastError ? `: ${entry.lastError.error}: ${entry.lastError.cause}` : "";
    sayWrapped(on, `Not mirrored yet: ${plain(key)}${plain(why)}`);
  }
}
